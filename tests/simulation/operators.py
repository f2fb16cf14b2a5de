"""Operators: they register, change, install, uninstall, replay and delete."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, Protocol, TypeVar

from tests.simulation.apps import SUBSCRIBABLE, App, Apps, draw_fields
from tests.simulation.ledger import Change, Ledger
from tests.simulation.loop import now_us, passes
from tests.simulation.process import ConnectionLost, Process
from tests.simulation.receivers import Receivers, draw_plan

from hookline.core.errors import Conflict, HooklineError, NotFound, Unavailable
from hookline.core.lifecycle import State
from hookline.core.model import Integration
from hookline.core.resources import NOTICES, OPERATORS
from hookline.send.subscriptions import Span

__all__ = ["Operator"]

T = TypeVar("T")
ACTS = {
    "cap": 10,
    "policy": 6,
    "move": 5,
    "rotate": 6,
    "replay": 20,
    "install": 5,
    "uninstall": 4,
    "unsubscribe": 4,
    "resubscribe": 20,
    "recover": 6,
    "create": 2,
    "delete": 1,
}


class Site(Protocol):
    """What an operator needs of the world."""

    ledger: Ledger
    apps: Apps
    receivers: Receivers
    process: Process
    closing: asyncio.Event
    organizations: list[str]
    days: float


class Operator:
    """One who changes things now and then."""

    def __init__(self, site: Site, gap_s: float, characters: Sequence[str], dice: Random):
        self._site = site
        self._characters = characters
        self._gap_s = gap_s
        self._dice = dice

    async def run(self) -> None:
        """Act until the world closes."""
        while not await passes(self._site.closing, self._dice.expovariate(1 / self._gap_s)):
            (act,) = self._dice.choices(list(ACTS), weights=list(ACTS.values()))
            live = self._site.apps.live()
            if act == "create":
                await self.create()
            elif act == "resubscribe":
                await self.resubscribe_all()
            elif live:
                await getattr(self, f"_{act}")(self._dice.choice(live))

    async def _ask(self, what: str, work: Callable[[], Awaitable[T]]) -> T | None:
        """Ask until it is answered; None where it was refused."""
        site = self._site
        site.apps.begun += 1
        try:
            while True:
                try:
                    answer = await site.process.request(work)
                except (Unavailable, ConnectionLost):
                    await asyncio.sleep(self._dice.uniform(1, 30))
                except HooklineError as refusal:
                    site.ledger.trace.note(what, refusal.code)
                    return None
                else:
                    site.ledger.trace.note(what, "done")
                    return answer
        finally:
            site.apps.done += 1

    # -- integrations -----------------------------------------------------------------------------

    async def create(self, **given: Any) -> None:
        """Register a new integration, and install it here and there."""
        site, dice = self._site, self._dice
        slug = f"app-{len(site.apps.by_slug)}"
        kind = dice.choice(["internal", "internal", "public"])
        character = dice.choice(self._characters)
        fields = {
            "name": slug,
            "slug": slug,
            "kind": kind,
            "webhook_url": site.receivers.add(draw_plan(dice, site.days, character)),
            "resources": sorted(dice.sample(SUBSCRIBABLE, dice.randint(1, 3))),
            "alertable": dice.random() < 0.3,
            "ordered": dice.random() < 0.3,
            **draw_fields(dice),
            **given,
        }
        if kind == "internal":
            fields["organization"] = dice.choice(site.organizations)
        app = App(
            0,
            slug,
            kind,
            fields.get("organization"),
            tuple(fields["resources"]),
            fields["alertable"],
            deleted=True,
        )
        site.apps.by_slug[slug] = app
        await self._register(app, fields)
        if kind == "public":
            for organization in dice.sample(site.organizations, min(2, len(site.organizations))):
                await self._install_in(app, organization)

    async def _register(self, app: App, fields: dict[str, Any]) -> None:
        async def work() -> tuple[Integration, dict[str, str]]:
            registry = self._site.process.registry
            secret = None  # nobody heard it where an earlier try went through
            try:
                registered = await registry.create_integration(fields)
                made, secret = registered.integration, registered.client_secret.reveal()
            except Conflict:
                made = await registry.integration(app.slug)
            self._site.ledger.change("secret", made.id, done=now_us(), value=secret)
            found = await self._site.process.store.installations(integration_id=made.id)
            return made, {each.uuid: each.organization for each in found}

        answer = await self._ask(f"create {app.slug}", work)
        if answer is not None:
            made, app.installed = answer
            app.id, app.deleted = made.id, False
            self._change("policy", app, value=made.policy)

    async def listen(self) -> None:
        """Register where Hookline tells its operators of what happens."""
        fields = {
            "name": "operators",
            "organization": OPERATORS,
            "webhook_url": self._site.receivers.add(draw_plan(self._dice, self._site.days, "good")),
            "resources": [NOTICES.name],
        }
        made = await self._ask(
            "listen", lambda: self._site.process.registry.create_integration(fields)
        )
        assert made is not None
        one = made.integration
        self._site.ledger.change("policy", one.id, done=now_us(), value=one.policy)

    def _change(self, what: str, app: App, **details: Any) -> Change:
        return self._site.ledger.change(what, app.id, **details)

    async def _update(self, app: App, **fields: Any) -> None:
        change = self._change("policy", app)
        made = await self._ask(
            f"update {app.slug} {fields}",
            lambda: self._site.process.registry.update_integration(app.slug, fields),
        )
        change.done = now_us()
        if made is not None:
            change.value = made.policy

    async def _cap(self, app: App) -> None:
        await self._update(app, max_in_flight=self._dice.choice([1, 2, 3, 10, 32]))

    async def _policy(self, app: App) -> None:
        await self._update(app, **draw_fields(self._dice))

    async def _move(self, app: App) -> None:
        plan = draw_plan(self._dice, self._site.days, "moody")
        await self._update(app, webhook_url=self._site.receivers.add(plan))

    async def _rotate(self, app: App) -> None:
        change = self._change("secret", app)
        tries = 0

        async def work() -> str:
            nonlocal tries
            tries += 1
            rotated = await self._site.process.client_secrets.rotate(app.slug, overlap=600)
            return rotated.client_secret.reveal()

        secret = await self._ask(f"rotate {app.slug}", work)
        change.done = now_us()
        if tries == 1:
            change.value = secret
        else:  # an earlier try may have gone through, and nobody heard that secret
            self._change("secret", app, done=now_us(), value=secret)

    async def _delete(self, app: App) -> None:
        change = self._change("delete", app)

        async def work() -> None:
            with contextlib.suppress(NotFound):  # an earlier try went through
                await self._site.process.registry.delete_integration(app.slug)

        await self._ask(f"delete {app.slug}", work)
        change.done = now_us()
        app.deleted = True

    # -- subscriptions ----------------------------------------------------------------------------

    async def _unsubscribe(self, app: App) -> None:
        async def work() -> None:
            with contextlib.suppress(Conflict):
                await self._site.process.subscriptions.unsubscribe(app.slug, "by hand")

        await self._ask(f"unsubscribe {app.slug}", work)

    async def resubscribe_all(self) -> None:
        """Resubscribe whoever is unsubscribed, mostly with what they missed."""
        for app in self._site.apps.live():
            if not await self._is_subscribed(app):
                await self._resubscribe(app, recover=self._dice.random() < 0.7)

    async def _is_subscribed(self, app: App) -> bool:
        async def work() -> bool:
            found = await self._site.process.registry.integration(app.slug)
            return found.unsubscribed is None

        return bool(await self._ask(f"look at {app.slug}", work))

    async def _resubscribe(self, app: App, *, recover: bool) -> None:
        change = self._change("recover", app) if recover else None

        async def work() -> None:
            with contextlib.suppress(Conflict):
                await self._site.process.subscriptions.resubscribe(app.slug, recover=recover)

        await self._ask(f"resubscribe {app.slug} {recover}", work)
        if change is not None:
            await self._recovered(app)
            change.done = now_us()

    async def _recover(self, app: App) -> None:
        await self.recover(app)

    async def recover(self, app: App) -> None:
        """Make all that is parked wait again, and wait until that is done."""
        change = self._change("recover", app)

        async def work() -> None:
            span = Span(0, None, frozenset({State.PARKED}))
            await self._site.process.subscriptions.recover(app.slug, span)

        await self._ask(f"recover {app.slug}", work)
        await self._recovered(app)
        change.done = now_us()

    async def _recovered(self, app: App) -> None:
        async def work() -> bool:
            found = await self._site.process.subscriptions.recoveries(app.slug)
            return all(each.done_at is not None for each in found)

        while not await self._ask(f"recovering {app.slug}", work):
            await asyncio.sleep(1)

    # -- installations and deliveries -------------------------------------------------------------

    async def _install(self, app: App) -> None:
        await self._install_in(app, self._dice.choice(self._site.organizations))

    async def _install_in(self, app: App, organization: str) -> None:
        if app.kind != "public" or app.deleted or organization in app.installed.values():
            return

        async def work() -> dict[str, str]:
            with contextlib.suppress(Conflict):
                await self._site.process.registry.install(organization, app.slug)
            found = await self._site.process.store.installations(integration_id=app.id)
            return {each.uuid: each.organization for each in found}

        answer = await self._ask(f"install {app.slug} {organization}", work)
        if answer is not None:
            app.installed = answer

    async def _uninstall(self, app: App) -> None:
        if app.kind != "public" or not app.installed:
            return
        uuid = self._dice.choice(list(app.installed))

        async def work() -> None:
            with contextlib.suppress(NotFound):
                await self._site.process.registry.uninstall(uuid)

        await self._ask(f"uninstall {app.slug} {uuid}", work)
        del app.installed[uuid]

    async def _replay(self, app: App) -> None:
        ledger = self._site.ledger
        sent = ledger.in_order[-500:]
        if not sent:
            return
        delivery = self._dice.choice(sent).delivery
        change = ledger.change("replay", ledger.due[delivery].integration, delivery=delivery)

        async def work() -> bool:
            process = self._site.process
            found = await process.store.replay(delivery, process.clock())
            process.dispatcher.wake()
            return found is not None

        await self._ask(f"replay {delivery.hex()}", work)
        change.done = now_us()
