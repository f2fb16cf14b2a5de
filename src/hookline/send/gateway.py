"""The gateway: what was verified becomes an event, and what was refused is counted.

It knows neither HTTP nor how senders sign: ``server.ingress`` does. From here on a webhook that came in
goes the way of every event: recorded with its deliveries in a group commit, leased, attempted, retried.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from hookline.core.forwarding import Forwarded, Pairs, shown
from hookline.core.matching import plan_for_routes
from hookline.core.source import BY_BODY, BY_REQUEST_ID, NOT_AT_ALL, external_id, key_text, told
from hookline.send.counts import Counts
from hookline.send.directory import Directory
from hookline.send.expressions import compiled
from hookline.send.intake import Submission
from hookline.send.publish import Publisher
from hookline.send.refusals import LONGEST_BODY, Refusals
from hookline.send.sources import OpenSource, Sources
from hookline.store.sources import Refused
from hookline.store.values import Recorded

__all__ = ["Arrived", "Gateway", "Seen"]

UNKNOWN = ""  # the source's slug, where a token belongs to none


class Arrived(NamedTuple):
    """A webhook that was verified.

    Attributes:
        resource: as the sender calls it; ``action`` may be empty.
        id: what the sender calls this one webhook.
        digest: SHA-256 of the body, in hex.
        document: the body, parsed; None where it is empty or no JSON.
        headers: those that go on.
    """

    resource: str
    action: str
    id: str | None
    digest: str
    document: Any
    body: bytes
    headers: Pairs


class Seen(NamedTuple):
    """One request, and what it was answered; for whoever watches.

    Attributes:
        source: its slug; empty where the token belongs to none.
        code: ``accepted``, ``duplicate``, ``challenge``, or why it was refused.
        name: ``resource.action`` of what was verified, as it is kept.
        deliveries: how many it made.
        event: the event's id.
    """

    source: str
    status: int
    code: str
    message: str
    body_bytes: int
    name: str = ""
    deliveries: int = 0
    event: str = ""


class Gateway:
    """Takes in what came by sources.

    Attributes:
        sources: all sources.
        refusals: what was refused, where it is kept.
    """

    def __init__(
        self,
        sources: Sources,
        refusals: Refusals,
        directory: Directory,
        publisher: Publisher,
        counts: Counts,
        *,
        clock: Callable[[], int],
    ):
        self.sources = sources
        self.refusals = refusals
        self._directory = directory
        self._publisher = publisher
        self._counts = counts
        self._clock = clock
        self._watcher: Callable[[Seen], None] = lambda _: None

    def watch(self, watcher: Callable[[Seen], None]) -> None:
        """Show each request from now on to ``watcher``, when it has been answered."""
        self._watcher = watcher

    async def accept(self, opened: OpenSource, arrived: Arrived) -> Recorded:
        """Record a webhook; returns once it is durable.

        Raises:
            Unavailable: the store cannot take it now; nothing was stored.
        """
        source = opened.source
        known = await self._directory.organization(source.organization)
        plan = plan_for_routes(
            source.id,
            known.candidates,
            arrived.resource,
            arrived.action,
            lambda text: compiled(text, "/filter/expression").why_not(arrived.document),
        )
        key = _key(source.deduplicate, arrived)
        submission = Submission(
            told(arrived.resource),
            told(arrived.action),
            None if key is None else external_id(source.id, key),
            None,
            arrived.body,
        )
        forwarded = Forwarded(source.slug, arrived.headers).encode()
        return await self._publisher.forward(source.organization_id, submission, plan, forwarded)

    def keep(self, opened: OpenSource, seen: Seen, headers: Pairs, body: bytes) -> None:
        """Keep what was refused, if the source is to; what opens something is masked before."""
        source = opened.source
        if source.keep_refused:
            kept = Forwarded(source.slug, tuple(shown(headers))).encode()
            refused = Refused(
                source.id,
                self._clock(),
                seen.code,
                seen.message,
                kept,
                body[:LONGEST_BODY],
                seen.body_bytes,
            )
            self.refusals.keep(refused)

    def answered(self, seen: Seen) -> None:
        """Count a request, and show it."""
        self._counts.received[seen.source, seen.code] += 1
        self._watcher(seen)


def _key(deduplicate: str, arrived: Arrived) -> str | None:
    """What tells duplicates of it; None where nothing does, for then it is better to have it twice."""
    if deduplicate == NOT_AT_ALL:
        return None
    if deduplicate == BY_REQUEST_ID:
        return arrived.id
    if deduplicate == BY_BODY:
        return arrived.digest
    return key_text(compiled(deduplicate, "/deduplicate").value(arrived.document))
