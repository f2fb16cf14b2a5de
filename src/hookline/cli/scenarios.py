"""What is sent to a receiver to learn its habits, scenario by scenario. Pure: requests are values."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from hookline import samples
from hookline.cli.habits import JUDGES, Judge
from hookline.cli.sampling import Source, resigned, with_header
from hookline.core.headers import SIGNATURE, TIMESTAMP
from hookline.core.instants import isoformat
from hookline.core.request import Outbound

__all__ = ["SCENARIOS", "Scenario", "Shot", "Wave", "control"]

TOO_LARGE: Final = 8 * 1_048_576
DAY_S: Final = 86_400
BURST: Final = 30
NESTED: Final = 20_000


class Shot(NamedTuple):
    """One request.

    Attributes:
        label: what is special about it.
        request: what is sent.
        method: ``POST`` or ``GET``; a GET has no body and none of the headers.
    """

    label: str
    request: Outbound
    method: str = "POST"


Wave: TypeAlias = tuple[Shot, ...]
"""Requests that are sent at once; the next wave waits for their answers."""

Making: TypeAlias = Callable[[Source, str | None], tuple[Wave, ...]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A habit to learn of.

    Attributes:
        name: as ``--scenario`` takes it.
        sends: what is sent.
        wanted: what a good receiver does.
        make: the waves, from a source and the old secret, if there is one.
    """

    name: str
    sends: str
    wanted: str
    make: Making = field(repr=False)

    @property
    def judge(self) -> Judge:
        """What its answers tell."""
        return JUDGES[self.name]


def control(source: Source) -> Shot:
    """An ordinary webhook: who refuses this refuses everything."""
    return Shot("an ordinary webhook", _plain(source))


def _plain(source: Source, action: str = "created", number: int = 7) -> Outbound:
    """A comment in which nothing is special, so that each scenario tells of one habit alone.

    The samples are full of what receivers trip over; they are for ``valid``.
    """
    data = {
        "comment_id": number,
        "issue_id": 1177,
        "project_slug": "checkout",
        "timestamp": isoformat(source.now()),
        "comment": "seen, looking into it",
    }
    return source.request("comment", action, data=data)


def _one(label: str, request: Outbound) -> tuple[Wave, ...]:
    return ((Shot(label, request),),)


def _valid(source: Source, _old: str | None) -> tuple[Wave, ...]:
    names = [(name, *name.split(".")) for name in samples.names()]
    return tuple(
        (Shot(name, source.request(resource, action)),) for name, resource, action in names
    )


_CHARACTERS: Final[dict[str, Any]] = {
    "issue": {
        "id": "7",
        "title": "Crédit du Fjord 🧾 \u2028 \x7f </script>",
        "10": "ten",
        "2": "two",
        "alert_threshold": 100.0,
        "rate": 1e-05,
        "large": 2**53 - 1,
    }
}


def _unicode(source: Source, _old: str | None) -> tuple[Wave, ...]:
    spelt = {
        "as JavaScript spells it": source._replace(ascii_body=False),
        "in ASCII": source._replace(ascii_body=True),
    }
    return tuple(
        (Shot(label, by.request("issue", "created", data=_CHARACTERS)),)
        for label, by in spelt.items()
    )


def _duplicate(source: Source, _old: str | None) -> tuple[Wave, ...]:
    request = _plain(source)
    return (Shot("first", request),), (Shot("the same again", request),)


def _bad_signature(source: Source, _old: str | None) -> tuple[Wave, ...]:
    request = _plain(source)
    last = "0" if request.signature[-1] != "0" else "1"
    wrong = with_header(request, SIGNATURE, request.signature[:-1] + last)
    altered = request._replace(body=request.body.replace(b'"created"', b'"deleted"', 1))
    short = with_header(request, SIGNATURE, "x")
    return (
        (Shot("one digit changed", wrong),),
        (Shot("another action in the signed body", altered),),
        (Shot("a signature of one letter", short),),
    )


def _missing_signature(source: Source, _old: str | None) -> tuple[Wave, ...]:
    request = _plain(source)
    return _one("without the header", with_header(request, SIGNATURE, None))


def _rotated_secret(source: Source, old: str | None) -> tuple[Wave, ...]:
    if old is None:
        return ()
    return _one("signed with the old secret", _plain(source._replace(secret=old)))


def _malformed(source: Source, _old: str | None) -> tuple[Wave, ...]:
    request = _plain(source)
    bodies = {
        "cut off": request.body[:-20],
        "no UTF-8": request.body.replace(b'"created"', b'"\xff\xfe"', 1),
        "a list": b"[" + request.body + b"]",
        f"{NESTED:,} brackets": b"[" * NESTED,
    }
    return tuple(
        (Shot(label, resigned(request, body, source.secret)),) for label, body in bodies.items()
    )


def _empty(source: Source, _old: str | None) -> tuple[Wave, ...]:
    request = _plain(source)
    return _one("no body, rightly signed", resigned(request, b"", source.secret))


def _too_large(source: Source, _old: str | None) -> tuple[Wave, ...]:
    request = _plain(source)
    body = request.body + b" " * (TOO_LARGE - len(request.body))
    return _one(f"{len(body) // 1_048_576} MiB", resigned(request, body, source.secret))


def _unknown_resource(source: Source, _old: str | None) -> tuple[Wave, ...]:
    return _one(
        "toaster.created", source.request("toaster", "created", data={"toaster": {"id": "7"}})
    )


def _unknown_action(source: Source, _old: str | None) -> tuple[Wave, ...]:
    return _one("issue.toasted", source.request("issue", "toasted", data={"issue": {"id": "7"}}))


def _old_timestamp(source: Source, _old: str | None) -> tuple[Wave, ...]:
    request = _plain(source)
    day_ago = str(request.started_at // 1_000_000 - DAY_S)
    return _one("a day old", with_header(request, TIMESTAMP, day_ago))


def _out_of_order(source: Source, _old: str | None) -> tuple[Wave, ...]:
    actions = ("deleted", "updated", "created")
    return tuple((Shot(f"comment.{action}", _plain(source, action)),) for action in actions)


def _slow_receiver(source: Source, _old: str | None) -> tuple[Wave, ...]:
    numbers = range(1, BURST + 1)
    return (tuple(Shot(f"comment {n}", _plain(source, number=n)) for n in numbers),)


def _get_request(source: Source, _old: str | None) -> tuple[Wave, ...]:
    return ((Shot("GET", _plain(source), "GET"),),)


_ALL: Final = (
    Scenario("valid", "each documented event, one after the other", "answers 2xx", _valid),
    Scenario(
        "unicode", "é, an emoji, U+2028, 100.0, keys of digits; in two spellings", "2xx", _unicode
    ),
    Scenario(
        "duplicate", "the same request twice", "2xx both times, and handles it once", _duplicate
    ),
    Scenario(
        "bad-signature", "wrong signatures, and an altered body", "401 to each", _bad_signature
    ),
    Scenario("missing-signature", "no signature", "401", _missing_signature),
    Scenario(
        "rotated-secret", "signed with --old-secret", "2xx until the overlap ends", _rotated_secret
    ),
    Scenario("malformed-body", "broken JSON, rightly signed", "400 to each", _malformed),
    Scenario("empty-body", "an empty body, rightly signed", "400", _empty),
    Scenario("too-large", "a body of 8 MiB, rightly signed", "413", _too_large),
    Scenario("unknown-resource", "a resource that is new", "2xx, else 4xx", _unknown_resource),
    Scenario("unknown-action", "an action that is new", "2xx, else 4xx", _unknown_action),
    Scenario(
        "old-timestamp", "a time of yesterday", "2xx, or 4xx by a rule of its own", _old_timestamp
    ),
    Scenario(
        "out-of-order",
        "deleted, updated, created: the last first",
        "2xx, and the later state stands",
        _out_of_order,
    ),
    Scenario(
        "slow-receiver",
        f"{BURST} comments at once",
        "2xx to each within the timeout",
        _slow_receiver,
    ),
    Scenario("get-request", "a GET", "405 or another 4xx", _get_request),
)

SCENARIOS: Final[dict[str, Scenario]] = {scenario.name: scenario for scenario in _ALL}
"""By name, in the order of the report."""
