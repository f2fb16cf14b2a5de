"""The invented world of the samples: one organization, one project, one trouble, two people.

All samples tell one story, so that a receiver that joins them by issue or event finds them to
belong together. Every time in them is told as a distance from ``now``.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

__all__ = [
    "APP_ID",
    "CULPRIT",
    "EVENT_ID",
    "ISSUE_ID",
    "MIRA",
    "ORGANIZATION_ID",
    "PROBLEM",
    "PROJECT",
    "PROJECT_ID",
    "REPOSITORY",
    "TEO",
    "TITLE",
    "Json",
    "World",
    "person",
]

Json = dict[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

ISSUE_ID: Final = 4821904417
PROJECT_ID: Final = 4507318
ORGANIZATION_ID: Final = 20817
APP_ID: Final = 512
EVENT_ID: Final = "9d3be06c1f7a4e52b8c7d40f6a21e953"
PROJECT: Final = "checkout-api"
REPOSITORY: Final = "northwind/checkout-api"
# An emoji (a surrogate pair in JSON), an é, and below a U+2028, which JavaScript long refused in
# source text: what re-serialising receivers trip over comes with the samples on purpose.
PROBLEM: Final = "card declined by Crédit du Fjord 🧾"
TITLE: Final = f"PaymentDeclined: {PROBLEM}"
CULPRIT: Final = "checkout.payments.gateway in capture"

MIRA: Final = {"id": 3071, "name": "Mira Solberg", "email": "mira.solberg@northwind.example"}
TEO: Final = {"id": 3118, "name": "Téo Okafor", "email": "teo.okafor@northwind.example"}


def person(who: Json) -> Json:
    """Name a person as the actor of a webhook."""
    return {"type": "user", "id": who["id"], "name": who["name"]}


@dataclass(frozen=True, slots=True)
class World:
    """What a sample depends on.

    Args:
        now: microseconds since the epoch.
        installation_uuid: the installation that the sample is sent to.
        organization: slug of its organization.
        integration: slug of its integration.
    """

    now: int
    installation_uuid: str
    organization: str
    integration: str

    def at(self, *, days: int = 0, hours: int = 0, minutes: int = 0, seconds: float = 0) -> str:
        """Tell the time so long ago, in the usual spelling (``...Z``)."""
        ago = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return f"{self._moment(ago):%Y-%m-%dT%H:%M:%S.%f}Z"

    def offset_at(self, *, minutes: int = 0, seconds: float = 0) -> str:
        """Tell the time so long ago in the other documented spelling (``...+00:00``)."""
        return self._moment(timedelta(minutes=minutes, seconds=seconds)).isoformat(
            timespec="microseconds"
        )

    def unix(self, *, seconds: float = 0) -> float:
        """Tell the time so long ago in seconds since the epoch, to the millisecond."""
        return round(self.now / 1_000_000 - seconds, 3)

    def api(self, path: str) -> str:
        """Spell a URL of the API."""
        return f"https://errors.northwind.example/api/0/{path}"

    def web(self, path: str) -> str:
        """Spell a URL of a page of the organization."""
        return f"https://errors.northwind.example/organizations/{self.organization}/{path}"

    def _moment(self, ago: timedelta) -> datetime:
        return _EPOCH + timedelta(microseconds=self.now) - ago
