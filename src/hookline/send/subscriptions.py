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
from hookline.store.contract import Store
from hookline.store.values import IntegrationHealth, NewRecovery, Recovery

__all__ = ["Span", "Standing", "Subscriptions"]

LONGEST_DETAIL: Final = 200
_RECOVERABLE: Final = frozenset({State.PARKED, State.DELIVERED})
_NO_END: Final = b"\xff" * 16  # greater than every id: the store ends it where its deliveries end


@dataclass(frozen=True, slots=True)
class Standing:
    """How an integration stands, and by which rules that is judged."""

    integration: Integration
    health: IntegrationHealth
    rules: Rules


@dataclass(frozen=True, slots=True)
class Span:
    """Which deliveries to recover: by when their events were accepted, and by state.

    Attributes:
        since: the first instant of it.
        until: the first instant after it; None: all that there is when the recovery begins.
        states: ``parked``, ``delivered`` or both.
    """

    since: int
    until: int | None
    states: frozenset[State]


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
        gate = await self._store.gate(integration.id)
        wanted = _everything(integration.id, self._clock())
        since = gate.health.success_at or 0
        return await self._store.count_recovery(wanted._replace(parked_since=since))

    async def recover(self, slug: str, span: Span) -> Recovery:
        """Send again what was accepted in a span. Raises ``NotFound``, ``Conflict``, ``Invalid``."""
        wanted = await self._wanted(slug, span)
        recovery = await self._store.begin_recovery(wanted)
        self._told()
        return recovery

    async def count(self, slug: str, span: Span) -> Mapping[str, int]:
        """What ``recover`` would send again: deliveries by why they are parked, or ``delivered``."""
        return await self._store.count_recovery(await self._wanted(slug, span))

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

    async def _wanted(self, slug: str, span: Span) -> NewRecovery:
        integration = await self._registry.integration(slug)
        now = self._clock()
        until = None if span.until is None or span.until > now else span.until
        if span.since >= (now + 1 if until is None else until):
            raise Invalid(
                "empty-span",
                "the span is empty: since is not before until, or lies in the future",
                "give since as an instant that has passed, and until after it",
                where="/since",
            )
        if not span.states or span.states - _RECOVERABLE:
            raise Invalid(
                "invalid-states",
                'what can be recovered is "parked", "delivered" or both',
                'leave states out for ["parked"]',
                where="/states",
            )
        # Ids may be ahead of the clock: each event has a microsecond of its own (``send.clock.Ticker``).
        return _everything(integration.id, now)._replace(
            states=span.states,
            after_id=_before(span.since),
            until_id=_NO_END if until is None else uuid7_floor(max(until, 0)),
        )


def _everything(integration_id: int, now: int) -> NewRecovery:
    return NewRecovery(integration_id, frozenset({State.PARKED}), _before(0), _NO_END, now)


def _before(instant: int) -> bytes:
    """What is just before the first id of an instant; ids begin with the epoch."""
    first = int.from_bytes(uuid7_floor(max(instant, 0)))
    return (first - 1).to_bytes(16)
