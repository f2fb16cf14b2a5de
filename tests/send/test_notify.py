"""Telling operators: by an event of our own, by e-mail through a real server, and after a crash."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiosmtpd.smtp import SMTP

from hookline.core.errors import Invalid
from hookline.core.mail import Mailing, parse_smtp_url
from hookline.core.notice import NoticeKind
from hookline.core.outcome import Answered
from hookline.core.signing import sign
from hookline.send.notify import Notifier
from hookline.store.values import DeliveryFilter

RETRY_S = 0.02
OPERATORS = {"organization": "hookline", "resources": ["hookline"]}


class Post:
    """A real mail server, which can be away."""

    def __init__(self) -> None:
        self.port = 0
        self.subjects: list[str] = []
        self.ids: list[str] = []
        self.connections = 0
        self.refuse = ""
        self._server: asyncio.Server | None = None

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address == self.refuse:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        lines = envelope.content.decode().splitlines()
        self.subjects += [line[9:] for line in lines if line.startswith("Subject: ")]
        self.ids += [line for line in lines if line.startswith("Message-ID: ")]
        return "250 taken"

    def _protocol(self) -> SMTP:
        self.connections += 1
        return SMTP(self, hostname="mail.test")

    async def come(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def go(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    @property
    def mailing(self) -> Mailing:
        server = parse_smtp_url(f"smtp://127.0.0.1:{self.port}")
        return Mailing(server, "hookline@example.com", ("ops@example.com", "gone@example.com"))


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = Post()
    await made.come()
    yield made
    await made.go()
    await asyncio.sleep(0.01)  # connections that are closing


@contextlib.asynccontextmanager
async def telling(
    bench: Any, mailing: Mailing | None = None, node: str = "node"
) -> AsyncIterator[Notifier]:
    made = Notifier(
        bench.store,
        bench.directory,
        bench.publisher,
        clock=bench.clock,
        mailing=mailing,
        retry_s=RETRY_S,
        node=node,
    )
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def told(bench: Any, *, mailed: bool = True) -> None:
    """Wait until nothing is left to tell."""
    async with asyncio.timeout(20):
        while await bench.store.unpublished_notices(1) or (
            mailed and await bench.store.unmailed_notices(1)
        ):
            await asyncio.sleep(0.001)


def ours(bench: Any) -> list[Any]:
    """What went out about notices."""
    return [
        (key.leased, outbound)
        for key, outbound in bench.sender.posted
        if key.leased.resource == "hookline"
    ]


async def test_an_operators_webhook(bench):
    """It is an event like any other: signed with that integration's secret, with who and why."""
    made = await bench.register("Desk", **OPERATORS)
    await bench.register()
    async with telling(bench) as notifier:
        await bench.subscriptions.unsubscribe("pager", "too noisy")
        notifier.wake()
        await told(bench)
    await bench.settled()
    ((leased, outbound),) = ours(bench)
    assert (leased.action, leased.organization) == ("unsubscribed", "hookline")
    assert outbound.signature == sign(made.client_secret.reveal(), outbound.body)
    data = json.loads(outbound.body)["data"]
    assert data["notice"]["reason"] == "manual"
    assert data["notice"]["message"] == "too noisy"
    assert data["integration"]["slug"] == "pager"
    assert data["integration"]["receiver"] == "hooks.example.com:443"


async def test_each_kind_is_an_action(bench):
    """Warned, unsubscribed and resubscribed, in that order."""
    await bench.register("Desk", **OPERATORS)
    await bench.register(retry_schedule=[0])
    bench.sender.script = lambda outbound: Answered(204 if b"notice" in outbound.body else 410)
    async with telling(bench) as notifier:
        await bench.publish()
        await bench.settled()
        await bench.subscriptions.resubscribe("pager", recover=False)
        notifier.wake()
        await told(bench)
    await bench.settled()
    assert [leased.action for leased, _ in ours(bench)] == ["unsubscribed", "resubscribed"]


async def test_nobody_registered_for_it(bench):
    """The notice stays readable, and is done with."""
    await bench.register()
    await bench.subscriptions.unsubscribe("pager")
    async with telling(bench):
        await told(bench)
    (notice,) = await bench.store.notices(before=None, integration_id=None, limit=9)
    assert (notice.kind, notice.published_at) == (NoticeKind.UNSUBSCRIBED, bench.clock.now)
    assert await bench.store.deliveries(DeliveryFilter()) == []


@pytest.mark.parametrize("organization", ["acme", None])
async def test_notices_go_to_operators_alone(bench, organization):
    """They tell of everybody's integrations, so nobody else can subscribe to them, then or later."""
    kind = "public" if organization is None else "internal"
    fields = {"name": "Spy", "webhook_url": "https://hooks.example.com/", "kind": kind}
    fields |= {} if organization is None else {"organization": organization}
    with pytest.raises(Invalid) as caught:
        await bench.registry.create_integration(fields | {"resources": ["hookline"]})
    assert caught.value.code == "notices-elsewhere"
    await bench.registry.create_integration(fields)
    with pytest.raises(Invalid) as caught:
        await bench.registry.update_integration("spy", {"resources": ["issue", "hookline"]})
    assert caught.value.code == "notices-elsewhere"


async def test_publishers_cannot_pretend_to_be_us(bench):
    """In no organization, and not in a batch."""
    for publish in (
        bench.publish(resource="hookline", action="unsubscribed", organization="hookline"),
        bench.publish(resource="hookline", action="unsubscribed"),
        bench.publish_batch({}, {"resource": "hookline", "action": "unsubscribed"}),
    ):
        with pytest.raises(Invalid) as caught:
            await publish
        assert caught.value.code == "reserved-resource"
        assert caught.value.where in {"/resource", "/1/resource"}


async def test_a_crash_between_unsubscribing_and_telling(bench):
    """The notice was stored with what it tells of: whoever starts next tells it."""
    await bench.register("Desk", **OPERATORS)
    await bench.register()
    bench.sender.script = lambda outbound: Answered(204 if b"notice" in outbound.body else 410)
    await bench.publish()
    await bench.settled()
    assert ours(bench) == []
    async with telling(bench):  # nobody wakes it
        await told(bench)
    await bench.settled()
    assert len(ours(bench)) == 1


async def test_a_crash_between_publishing_and_noting_it(bench, tmp_path: Path):
    """It is published again under the same id, and so goes out once."""
    await bench.register("Desk", **OPERATORS)
    await bench.register()
    await bench.subscriptions.unsubscribe("pager")
    for _ in range(3):
        async with telling(bench):
            await told(bench)
        await bench.settled()
        with closing(sqlite3.connect(tmp_path / "test.db")) as file, file:
            assert file.execute("UPDATE notices SET published_at = NULL").rowcount == 1
    assert len(ours(bench)) == 1
    (delivery,) = await bench.store.deliveries(DeliveryFilter())
    assert delivery.event == "hookline-notice-1"


# -- e-mail ---------------------------------------------------------------------------------------


async def test_an_email(bench, post):
    """One a notice, oldest first, and each once."""
    await bench.register()
    async with telling(bench, post.mailing) as notifier:
        await bench.subscriptions.unsubscribe("pager")
        await bench.subscriptions.resubscribe("pager", recover=False)
        notifier.wake()
        await told(bench)
        notifier.wake()
        await bench.subscriptions.unsubscribe("pager")
        notifier.wake()
        await told(bench)
    assert post.subjects == [
        "Action required: Pager was unsubscribed",
        "Pager receives events again",
        "Action required: Pager was unsubscribed",
    ]
    assert len(set(post.ids)) == 3


async def test_a_mail_server_that_comes_back(bench, post):
    """Mail waits for it and is sent then, once each; meanwhile the webhook has gone out."""
    await bench.register("Desk", **OPERATORS)
    await bench.register()
    mailing = post.mailing
    await post.go()
    with structlog.testing.capture_logs() as logged:
        async with telling(bench, mailing) as notifier:
            await bench.subscriptions.unsubscribe("pager")
            notifier.wake()
            await told(bench, mailed=False)
            async with asyncio.timeout(20):
                while sum(each["event"] == "mail.refused" for each in logged) < 3:
                    await asyncio.sleep(0.001)
            assert len(await bench.store.unmailed_notices(9)) == 1
            await post.come()
            await told(bench)
    await bench.settled()
    assert len(ours(bench)) == 1
    assert post.subjects == ["Action required: Pager was unsubscribed"]
    refusals = [each["reason"] for each in logged if each["event"] == "mail.refused"]
    assert all("ConnectionRefusedError" in each for each in refusals)


async def test_of_two_nodes_one_mails(bench, post):
    """Both hear of the notice, and whoever was first has it; the other has the next one as well."""
    await bench.register()
    async with (
        telling(bench, post.mailing, "one") as one,
        telling(bench, post.mailing, "two") as two,
    ):
        for number in (1, 2, 3):
            await bench.subscriptions.unsubscribe("pager")
            await bench.subscriptions.resubscribe("pager", recover=False)
            one.wake()
            two.wake()
            await told(bench)
            assert len(post.ids) == len(set(post.ids)) == 2 * number


async def test_a_mail_server_that_says_nothing_holds_up_no_webhook(bench):
    """Each way of telling goes on by itself."""
    silence = asyncio.Event()

    async def say_nothing(_reader: Any, writer: asyncio.StreamWriter) -> None:
        await silence.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    silent = Post()
    silent.port = server.sockets[0].getsockname()[1]
    await bench.register("Desk", **OPERATORS)
    await bench.register()
    async with telling(bench, silent.mailing) as notifier:
        for _ in range(2):
            await bench.subscriptions.unsubscribe("pager")
            await bench.subscriptions.resubscribe("pager", recover=False)
            notifier.wake()
            await told(bench, mailed=False)
    await bench.settled()
    assert len(ours(bench)) == 4
    silence.set()
    server.close()
    await server.wait_closed()


async def test_one_address_of_two_is_refused(bench, post):
    """The other gets it once and not with every try; the refusal is in the log."""
    post.refuse = "gone@example.com"
    await bench.register()
    with structlog.testing.capture_logs() as logged:
        async with telling(bench, post.mailing) as notifier:
            for verb in ("unsubscribe", "resubscribe"):
                more = {"recover": False} if verb == "resubscribe" else {}
                await getattr(bench.subscriptions, verb)("pager", **more)
                notifier.wake()
                await told(bench)
    assert len(post.subjects) == len(set(post.ids)) == 2
    refused = [each["addresses"] for each in logged if each["event"] == "mail.partly-refused"]
    assert refused == [["gone@example.com"]] * 2


async def test_mail_that_was_wanted_and_is_no_longer(bench, post):
    """Started without a mail server, it closes what waited for one."""
    await bench.register()
    mailing = post.mailing
    await post.go()
    async with telling(bench, mailing):
        await bench.subscriptions.unsubscribe("pager")
    assert len(await bench.store.unmailed_notices(9)) == 1
    async with telling(bench):
        await told(bench)
    assert post.connections == 0
