"""What nodes tell each other, where several share a database.

A signal is a hint and carries nothing: whoever hears one looks for himself. So one too many costs a
look, and one that was lost is made good by the next, which comes with the safety poll at the latest.
"""

from enum import StrEnum

__all__ = ["Signal"]


class Signal(StrEnum):
    """What there may be to look at."""

    DELIVERIES = "deliveries"  # something became deliverable
    DIRECTORY = "directory"  # integrations, installations, secrets or resources changed
    KEYS = "keys"  # keys of the API did
    NOTICES = "notices"  # there is something to tell operators
    CHORES = "chores"  # there is something to park or to recover
