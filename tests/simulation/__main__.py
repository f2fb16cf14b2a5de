"""``python -m tests.simulation --seeds 100 --first 1``: play seeds, up to one that fails."""

import argparse
import sys
import time

import structlog
from tests.simulation.scales import KINDS
from tests.simulation.world import simulate


def main() -> int:
    """Play the seeds that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--kind", choices=["any", *KINDS], default="any", help="of world")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    for seed in range(given.first, given.first + given.seeds):
        began = time.perf_counter()
        result = simulate(seed, given.kind)
        took = time.perf_counter() - began
        print(
            f"seed {seed}: {result.events} events, {result.attempts} attempts,"
            f" trace {result.digest}, {took:.1f} s",
            flush=True,
        )
        if result.complaints:
            print(result.report)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
