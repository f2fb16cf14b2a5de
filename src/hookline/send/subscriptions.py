"""Unsubscribing and resubscribing by hand, recovering, and how an integration stands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hookline.core.errors import Conflict, Invalid
from hookline.core.ids import uuid7_floor
from hookline.core.lifecycle import State
from hookline.core.model import Integration
from hookline.core.unsubscribing import Rules
from hookline.send.registry import Registry
from hookline.store.contract import IntegrationHealth, NewRecovery, Recovery, Store

__all__ = ["Standing", "Subscriptions"]

LONGEST_DETAIL: Final = 200
_RECOVERABLE: Final = frozenset({State.PARKED, State.DELIVERED})


@dataclass(frozen=True, slots=True)
class Standing:
    """How an integration stands, and by which rules that is judged."""

    integration: Integration
    health: IntegrationHealth
    rules: Rules


class Subscriptions:
    """What operators do about integrations that fail."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        *,
        clock: Callable[[], int],
        rules: Rules,
        on_deliveries: Callable[[], None],
        on_chore: Callable[[], None],
        on_notice: Callable[[], None],
    ):
        self._store = store
        self._registry = registry
        self._clock = clock
        self._rules = rules
        self._on_deliveries = on_deliveries
        self._on_chore = on_chore
        self._on_notice = on_notice

    async def unsubscribe(self, slug: str, detail: str = "") -> Integration:
        """Let it receive no more events; what waits is parked, and what comes is remembered.

        Args:
            slug: the integration.
            detail: why, for those who read it later; at most 200 characters.

        Raises:
            NotFound, Conflict: there is none, or it is unsubscribed already.
        """
        if len(detail) > LONGEST_DETAIL or not (detail or "-").isprintable():
            raise Invalid(
                "invalid-detail",
                f"a reason has at most {LONGEST_DETAIL} printable characters",
                "shorten it to one line",
                where="/detail",
            )
        integration = await self._registry.integration(slug)
        said = detail or "An operator unsubscribed it."
        unswept = await self._store.unsubscribe(integration.id, said, self._clock())
        self._on_notice()
        if unswept:
            self._on_chore()
        return await self._registry.integration(slug)

    async def resubscribe(self, slug: str, *, recover: bool) -> tuple[Integration, Recovery | None]:
        """Let it receive events again, its counters begun anew; recover all that it missed.

        Raises:
            NotFound, Conflict: there is none, or it is subscribed.
        """
        integration = await self._registry.integration(slug)
        now = self._clock()
        wanted = _everything(integration.id, now) if recover else None
        recovery = await self._store.resubscribe(integration.id, now, wanted)
        self._told()
        return await self._registry.integration(slug), recovery

    async def missed(self, slug: str) -> Mapping[str, int]:
        """What resubscribing would recover: deliveries by why they are parked. Raises ``NotFound``."""
        integration = await self._registry.integration(slug)
        if integration.unsubscribed is None:
            raise Conflict(
                "already-subscribed",
                "the integration is subscribed already",
                "POST …/recover sends again what it missed",
            )
        now = self._clock()
        health = await self._store.health(integration.id, now, self._rules)
        since = health.success_at or 0
        wanted = _everything(integration.id, now)._replace(parked_since=since)
        return await self._store.count_recovery(wanted)

    async def recover(
        self,
        slug: str,
        *,
        since: int,
        until: int | None,
        states: frozenset[State],
    ) -> Recovery:
        """Send again what was accepted in a span. Raises ``NotFound``, ``Conflict``, ``Invalid``."""
        wanted = await self._wanted(slug, since, until, states)
        recovery = await self._store.begin_recovery(wanted)
        self._told()
        return recovery

    async def count(
        self, slug: str, *, since: int, until: int | None, states: frozenset[State]
    ) -> Mapping[str, int]:
        """What ``recover`` would send again: deliveries by why they are parked, or ``delivered``."""
        return await self._store.count_recovery(await self._wanted(slug, since, until, states))

    async def standing(self, slug: str) -> Standing:
        """How an integration stands. Raises ``NotFound``."""
        integration = await self._registry.integration(slug)
        health = await self._store.health(integration.id, self._clock(), self._rules)
        return Standing(integration, health, self._rules)

    async def recoveries(self, slug: str) -> list[Recovery]:
        """Its recoveries, newest first. Raises ``NotFound``."""
        integration = await self._registry.integration(slug)
        return await self._store.recoveries(integration.id)

    def _told(self) -> None:
        self._on_deliveries()
        self._on_chore()
        self._on_notice()

    async def _wanted(
        self, slug: str, since: int, until: int | None, states: frozenset[State]
    ) -> NewRecovery:
        integration = await self._registry.integration(slug)
        now = self._clock()
        end = now + 1 if until is None else min(until, now + 1)
        if since >= end:
            raise Invalid(
                "empty-span",
                "the span is empty: since is not before until, or lies in the future",
                "give since as an instant that has passed, and until after it",
                where="/since",
            )
        if not states or states - _RECOVERABLE:
            raise Invalid(
                "invalid-states",
                'what can be recovered is "parked", "delivered" or both',
                'leave states out for ["parked"]',
                where="/states",
            )
        return _everything(integration.id, now)._replace(
            states=states,
            after_id=_before(since),
            until_id=uuid7_floor(end),
        )


def _everything(integration_id: int, now: int) -> NewRecovery:
    return NewRecovery(
        integration_id, frozenset({State.PARKED}), _before(0), uuid7_floor(now + 1), now
    )


def _before(instant: int) -> bytes:
    """What is just before the first id of an instant."""
    first = int.from_bytes(uuid7_floor(max(instant, 0)))
    return (first - 1).to_bytes(16)
