"""Publishing inside a transaction that somebody else began: plan and record as one verb.

``send.publish`` plans from what the directory knows, and shares commits with others. Here neither is
possible: the verb reads in the caller's transaction who wants the event, and the caller commits it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hookline.core.matching import plan
from hookline.core.resources import check_action, define, find
from hookline.send.intake import Submission
from hookline.send.publish import check_not_ours, new_event
from hookline.store.values import Recorded
from hookline.store.verbs import outbound, registry
from hookline.store.verbs.asking import Verb

__all__ = ["Publishing"]


@dataclass(frozen=True, slots=True)
class Publishing:
    """One event to publish; what ``store.borrowed`` takes for its work.

    Attributes:
        organization: its slug, checked.
        now: when it is accepted by this machine's clock, µs since the epoch.
        tick: its own microsecond, of which its ids are made.
    """

    organization: str
    submission: Submission
    now: int
    tick: int
    entropy: Callable[[int], bytes]

    def verb(self, now: int | None) -> Verb[Recorded]:
        """Plan and record it; ``now``: when, by the clock of the database, where that is to be asked.

        Raises:
            Invalid: an unknown resource, action or target; nothing was written.
        """
        submission = self.submission
        at, tick = (self.now, self.tick) if now is None else (now, now)
        check_not_ours(submission, "")
        registered = yield from registry.resources()
        organization_id, candidates = yield from registry.candidates(self.organization)
        known = {name: define(name, actions) for name, actions in registered.items()}
        resource = find(submission.resource, known)
        check_action(resource, submission.action)
        chosen = plan(resource, candidates, submission.targets)
        if organization_id is None:
            organization_id = yield from registry.ensure_organization(self.organization, at)
        event = new_event(
            organization_id,
            submission,
            chosen,
            now=at,
            tick=tick,
            entropy=self.entropy,
        )
        (recorded,) = yield from outbound.record([event])
        return recorded

    def wakes(self, value: Any) -> bool:
        """Whether it goes to anybody."""
        recorded: Recorded = value
        return recorded.deliveries > 0 and not recorded.duplicate
