"""Finding a sample by the name that somebody typed."""

from difflib import get_close_matches

from hookline import samples
from hookline.core.errors import UsageError

__all__ = ["resource_and_action"]


def resource_and_action(name: str) -> tuple[str, str]:
    """The two parts of a sample's name.

    Raises:
        UsageError: there is no such sample.

    >>> resource_and_action("issue.created")
    ('issue', 'created')
    """
    names = samples.names()
    if name in names:
        resource, _, action = name.partition(".")
        return resource, action
    near = get_close_matches(name[:60], names, n=1)
    advice = f"did you mean {near[0]}? " if near else ""
    raise UsageError(
        "unknown-sample",
        f"there is no sample {name[:60]!a}",
        f"{advice}`hookline trigger --list` shows all",
    )
