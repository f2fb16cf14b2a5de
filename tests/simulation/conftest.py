import sys
from pathlib import Path

# `python -m tests.simulation` and the tests share modules; pytest imports tests by path and puts nothing
# on sys.path itself.
sys.path.insert(0, str(Path(__file__).parents[2]))
