"""What a key of the API may do.

===========  =====================================================================
``publish``  hand in events, one or a batch; nothing else, not even read them back
``read``     look: every GET
``admin``    everything
===========  =====================================================================

A key has one scope or several. They do not include one another, except that ``admin`` opens all.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum

from hookline.core.errors import Forbidden, Invalid
from hookline.core.quoting import did_you_mean

__all__ = ["Scope", "check_scopes", "require"]


class Scope(StrEnum):
    """What a key opens."""

    PUBLISH = "publish"
    READ = "read"
    ADMIN = "admin"


def check_scopes(names: Sequence[str]) -> tuple[Scope, ...]:
    """The scopes that a key is to have, each once, in the order of the table above.

    Raises:
        Invalid: none, or an unknown one. Its name is not repeated: what stands in a wrong place of
            this call may well be a key.
    """
    known = [scope.value for scope in Scope]
    for index, name in enumerate(names):
        if name not in known:
            raise Invalid(
                "unknown-scope",
                "there is no such scope",
                did_you_mean(name, known),
                where=f"/scopes/{index}",
            )
    if not names:
        raise Invalid(
            "missing-scope",
            "a key without a scope opens nothing",
            'give ["admin"]',
            where="/scopes",
        )
    return tuple(scope for scope in Scope if scope in names)


def require(needed: Scope, held: Collection[Scope]) -> None:
    """Let a call through if the scopes of its key allow it. Raises ``Forbidden``."""
    if needed in held or Scope.ADMIN in held:
        return
    has = " and ".join(scope.value for scope in Scope if scope in held)
    raise Forbidden(
        "wrong-scope",
        f"this key may only {has}" if has else "this key may do nothing",
        f'this call needs a key with the scope "{needed}"; `hookline key create` makes one',
    )
