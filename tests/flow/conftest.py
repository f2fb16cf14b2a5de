import sys
from pathlib import Path

# `python -m tests.flow.payloads` and the tests share a module; pytest imports tests by path and puts
# nothing on sys.path itself.
sys.path.insert(0, str(Path(__file__).parents[2]))
