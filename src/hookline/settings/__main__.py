"""``python -m hookline.settings > docs/reference/settings.md``."""

import sys

from hookline.settings import reference_page

sys.stdout.write(reference_page())
