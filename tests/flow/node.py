"""A node for tests: ``hookline serve``, but that its leases last as long as ``LEASE_S`` says.

Nobody waits a minute and a half for a lease to run out, and no operator needs another length.
"""

import os
import sys
from functools import partial

from hookline.cli.main import main
from hookline.send.slots import Limits
from hookline.settings import engine

lease_us = int(float(os.environ.pop("LEASE_S")) * 1_000_000)
assert engine.Limits is Limits, "the limits are made elsewhere now"
engine.Limits = partial(Limits, lease_us=lease_us)

if __name__ == "__main__":
    sys.argv = ["hookline", "serve", "--json"]
    main()
