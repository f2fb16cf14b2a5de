"""Which parameters a route's query may have.

A parameter that nobody reads is refused: a misspelt filter would otherwise answer with everything.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from hookline.core.errors import Invalid
from hookline.core.quoting import did_you_mean, excerpt

__all__ = ["asked_by", "asks", "check_query"]


def asks(*names: str) -> dict[str, Any]:
    """What a route says of itself (``opt``) to declare the parameters of its query."""
    return {"asks": names}


def asked_by(opt: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameters that a route declared."""
    found: tuple[str, ...] = opt.get("asks", ())
    return found


def check_query(given: Iterable[str], known: tuple[str, ...]) -> None:
    """Refuse a parameter that the route does not have. Raises ``Invalid``."""
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known) if known else "this call takes no parameters"
            raise Invalid("unknown-parameter", f"there is no parameter {excerpt(name)}", hint)
