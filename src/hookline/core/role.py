"""What a process does, where several share a database."""

from enum import StrEnum

__all__ = ["Role"]


class Role(StrEnum):
    """The part of the work that is a process's own."""

    ALL = "all"
    API = "api"  # takes events and answers calls
    WORKER = "worker"  # sends, and does what is to be done beside it

    @property
    def sends(self) -> bool:
        """Whether it makes attempts, and does the chores."""
        return self is not Role.API

    @property
    def answers(self) -> bool:
        """Whether it answers the calls of the API."""
        return self is not Role.WORKER
