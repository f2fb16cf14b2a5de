"""``Receiver`` without a network: what is answered, what runs, when, and what follows."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.receive import (
    GITHUB,
    SLACK,
    InMemory,
    Receiver,
    SQLite,
    Taken,
    Webhook,
    WebhookError,
)
from hookline.receive.testing import SECRET, signed_request

DEADLINE_S = 20


@pytest.fixture(params=["loop", "threads"])
def way(request) -> str:
    """Both ways to take a request: on an event loop, and in a thread."""
    return request.param


async def give(hooks: Receiver, way: str, signed: tuple[bytes, dict[str, str]]) -> Taken:
    """Have a request taken, and wait for what runs after the answer."""
    taken = await answer(hooks, way, signed)
    assert await hooks.drain(DEADLINE_S)
    return taken


async def answer(hooks: Receiver, way: str, signed: tuple[bytes, dict[str, str]]) -> Taken:
    if way == "loop":
        return await hooks.answer(*signed)
    return await asyncio.to_thread(hooks.answer_sync, *signed)


@pytest.fixture
def made() -> Iterator[list[Receiver]]:
    """Receivers that are closed at the end."""
    receivers: list[Receiver] = []
    yield receivers
    for receiver in receivers:
        receiver.close()


@pytest.fixture
def make(made):
    def make(**more) -> Receiver:
        made.append(Receiver(SECRET, **more))
        return made[-1]

    return make


async def test_sync_and_async_handlers_run_in_their_order(make, way):
    """Four handlers of one pattern, two of each kind, one after the other, with the webhook."""
    hooks, ran = make(), []

    async def later(webhook: Webhook) -> None:
        await asyncio.sleep(0)
        ran.append(("async", webhook.event))

    def now(webhook: Webhook) -> None:
        ran.append(("sync", webhook.event))

    for handler in (later, now, now, later):
        hooks.on("issue")(handler)
    taken = await give(hooks, way, signed_request())
    assert (taken.status, json.loads(taken.body)) == (200, {"status": "accepted"})
    assert ran == [(kind, "issue.created") for kind in ("async", "sync", "sync", "async")]
    assert hooks.pending == 0


async def test_the_answer_does_not_wait(make, way):
    """The answer is there while the handler is held up; ``drain`` waits for it."""
    hooks, go, ran = make(), threading.Event(), []

    @hooks.on()
    def held(webhook: Webhook) -> None:
        assert go.wait(DEADLINE_S)
        ran.append(webhook.id)

    assert (await answer(hooks, way, signed_request(message_id="a"))).status == 200
    assert (ran, hooks.pending) == ([], 1)
    assert not await hooks.drain(0.001)
    assert not hooks.drain_sync(0.001)
    go.set()
    assert await hooks.drain(DEADLINE_S)
    assert ran == ["a"]


async def test_before_the_answer_a_failure_is_the_answer(make, way, caplog):
    """With ``run="before"`` the status tells how it went, and a dict is the answer's body."""
    hooks, told = make(run="before", deduplicator=InMemory()), []
    hooks.on_error = lambda webhook, error: told.append((webhook.id, str(error)))
    failures = [RuntimeError("the database is away")]

    @hooks.on()
    async def handler(webhook: Webhook) -> dict[str, str]:
        if failures:
            raise failures.pop()
        return {"identifier": "PROJ-7"}

    signed = signed_request(message_id="a")
    failed, done, again = [await answer(hooks, way, signed) for _ in range(3)]
    assert (failed.status, json.loads(failed.body)) == (500, {"error": {"code": "handler-failed"}})
    assert (done.status, json.loads(done.body)) == (200, {"identifier": "PROJ-7"})
    assert (again.status, json.loads(again.body)) == (200, {"status": "duplicate"})
    assert told == [("a", "the database is away")]
    assert "the database is away" in caplog.text


async def test_after_a_failure_the_next_handlers_do_not_run(make, way, caplog):
    """They run when it comes again, for its key is free; and a broken on_error breaks nothing."""
    hooks, ran, failures = make(deduplicator=InMemory()), [], [ValueError("no")]
    hooks.on_error = lambda webhook, error: 1 / 0

    @hooks.on()
    def first(webhook: Webhook) -> None:
        if failures:
            raise failures.pop()

    hooks.on()(lambda webhook: ran.append(webhook.id))
    signed = signed_request(message_id="a")
    assert (await give(hooks, way, signed)).code == "accepted"
    assert ran == []
    assert (await give(hooks, way, signed)).code == "accepted"
    assert (await give(hooks, way, signed)).code == "duplicate"
    assert ran == ["a"]
    assert "on_error failed" in caplog.text


@pytest.mark.parametrize("run", ["before", "after"])
@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt, StopIteration])
async def test_nothing_that_a_handler_raises_ends_the_receiver(make, run, raised, caplog):
    """In a thread of ours SystemExit is a failure like any other."""
    hooks, ran = make(run=run, concurrency=1), []

    @hooks.on("issue")
    def leave(webhook: Webhook) -> None:
        raise raised

    hooks.on()(lambda webhook: ran.append(webhook.event))
    await give(hooks, "loop", signed_request())
    if run == "after":
        await give(hooks, "threads", signed_request())
    await give(hooks, "loop", signed_request(event="error.created"))
    await give(hooks, "threads", signed_request(event="error.created"))
    assert ran == ["error.created"] * 2


async def test_a_full_receiver_says_so(make, way):
    """Beyond max_pending the answer is 503 with Retry-After, no key is taken, nothing is lost."""
    seen = InMemory()
    hooks, go, ran = make(max_pending=2, concurrency=1, deduplicator=seen), threading.Event(), []

    @hooks.on()
    def held(webhook: Webhook) -> None:
        assert go.wait(DEADLINE_S)
        ran.append(webhook.id)

    signed = [signed_request(message_id=name) for name in "abc"]
    codes = [(await answer(hooks, way, each)).code for each in signed]
    assert codes == ["accepted", "accepted", "busy"]
    refused = await answer(hooks, way, signed[2])
    assert (refused.status, dict(refused.headers)["Retry-After"]) == (503, "5")
    go.set()
    assert await hooks.drain(DEADLINE_S)
    assert (await give(hooks, way, signed[2])).code == "accepted"
    assert sorted(ran) == ["a", "b", "c"]


async def test_bytes_that_wait_are_bounded(make, way):
    """Large bodies fill a receiver sooner; a single one is always taken; the bytes come back."""
    body, headers = signed_request(message_id="a")
    hooks, go = make(max_pending_bytes=len(body) * 2 - 1), threading.Event()
    hooks.on()(lambda webhook: go.wait(DEADLINE_S))
    codes = [(await answer(hooks, way, (body, headers))).code for _ in range(2)]
    assert codes == ["accepted", "busy"]
    hooks.max_body = 10 * len(body)
    go.set()
    assert await hooks.drain(DEADLINE_S)
    large = signed_request(data={"text": "x" * 3 * len(body)})
    assert [(await give(hooks, way, large)).code for _ in range(2)] == ["accepted", "accepted"]


async def test_concurrency_is_bounded(make, way):
    """No more run at a time than was said, and as many as that do."""
    hooks, running, most = make(concurrency=3), set(), []
    together, lock = threading.Barrier(3), threading.Lock()

    @hooks.on()
    def handler(webhook: Webhook) -> None:
        with lock:
            running.add(webhook.id)
            most.append(len(running))
        together.wait(DEADLINE_S)
        with lock:
            running.discard(webhook.id)

    for _ in range(9):
        await answer(hooks, way, signed_request())
    assert await hooks.drain(DEADLINE_S)
    assert max(most) == 3


async def test_concurrency_is_bounded_on_the_loop_too(make):
    """Async handlers take no threads; without the bound all nine would meet before three go on."""
    hooks, running, most, together = make(concurrency=3), set(), [], asyncio.Barrier(3)

    @hooks.on()
    async def handler(webhook: Webhook) -> None:
        running.add(webhook.id)
        most.append(len(running))
        await together.wait()
        running.discard(webhook.id)

    for _ in range(9):
        await answer(hooks, "loop", signed_request())
    assert await hooks.drain(DEADLINE_S)
    assert max(most) == 3


async def test_a_duplicate_of_what_still_runs_is_not_confirmed(make, way):
    """With ``run="before"`` 200 says that it is done, so the second one is told to come again."""
    hooks = make(run="before", deduplicator=InMemory())
    go, begun = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    @hooks.on()
    def held(webhook: Webhook) -> None:
        loop.call_soon_threadsafe(begun.set)
        assert go.wait(DEADLINE_S)

    signed = signed_request(message_id="a")
    first = asyncio.create_task(answer(hooks, way, signed))
    await begun.wait()
    assert (await answer(hooks, way, signed)).code == "in-progress"
    go.set()
    assert (await first).code == "handled"
    assert (await answer(hooks, way, signed)).code == "duplicate"


async def test_a_handler_is_not_cut_off_when_the_sender_hangs_up(make):
    """Cancelling what answers leaves the handler to its end, and the place comes back."""
    hooks, begun, go, ran = make(run="before"), asyncio.Event(), asyncio.Event(), []

    @hooks.on()
    async def held(webhook: Webhook) -> None:
        begun.set()
        await go.wait()
        ran.append(webhook.id)

    answering = asyncio.create_task(hooks.answer(*signed_request(message_id="a")))
    await begun.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert hooks.pending == 1
    go.set()
    assert await hooks.drain(DEADLINE_S)
    assert ran == ["a"]


async def test_threads_are_tidied_after_each_webhook(make, way, caplog):
    """Adapters let go there of what a thread holds, such as a database's connection."""
    hooks, tidied = make(), []
    hooks.on()(lambda webhook: None)
    hooks.tidy = lambda: tidied.append(threading.current_thread().name)
    for _ in range(2):
        await give(hooks, way, signed_request())
    hooks.close()
    assert len(tidied) == 2
    assert all(name.startswith("hookline-receive-") for name in tidied)


async def test_a_file_that_fails_is_503(make, tmp_path, way):
    """Whether it is a duplicate cannot be told, so it has to come again."""
    hooks = make(deduplicator=SQLite(tmp_path / "no folder" / "seen.db"))
    hooks.on()(print)
    taken = await give(hooks, way, signed_request())
    assert (taken.status, taken.code) == (503, "deduplicator-failed")
    assert b"no folder" not in taken.body
    assert hooks.pending == 0


async def test_a_lease_that_ran_out_is_told(make, caplog):
    """The handler took longer than its claim; another one may have had the webhook meanwhile."""
    hooks = make(deduplicator=InMemory(max_entries=1))
    hooks.on()(lambda webhook: hooks.deduplicator.first("another"))
    await give(hooks, "loop", signed_request())
    assert "longer than the lease" in caplog.text


async def test_what_nobody_handles_is_answered_all_the_same(make, way):
    """A sender adds resources; a refusal would count as a failure."""
    taken = await give(make(), way, signed_request())
    assert (taken.status, json.loads(taken.body)) == (200, {"status": "no-handler"})


def test_take_decides_and_does_nothing(make):
    """The same request is taken twice, no handler runs, no key is claimed."""
    hooks = make(deduplicator=InMemory(), max_body=5_000)
    hooks.on()(lambda webhook: pytest.fail("it ran"))
    body, headers = signed_request(now=1_000)
    for _ in range(2):
        taken = hooks.take(body, headers, now=2_000)
        assert (taken.status, taken.code, taken.webhook.event) == (200, "accepted", "issue.created")
    explained = hooks.take(body + b"\n", headers).error.explain(SECRET)
    assert explained.cause == "body-newline-added"
    assert hooks.take(b"{}" + b" " * 5_000, headers).status == 413
    assert hooks.take("text", headers).status == 500
    hooks.max_age_s = 60
    assert hooks.take(body, headers, now=2_000).code == "timestamp-too-old"


def test_answers_hold_neither_secret_nor_signature(make):
    """No answer has a part of a secret, of the right signature, or of the body."""
    body, headers = signed_request(data={"issue": {"title": "private"}})
    wrong = headers | {"Sentry-Hook-Signature": "0" * 64}
    for given, with_headers in ((body, wrong), (body, {}), (b"{", headers), (b"", headers)):
        taken = make().take(given, with_headers)
        assert taken.status in {400, 401}
        told = json.loads(taken.body)["error"]
        assert set(told) == {"code", "message"}
        for private in (SECRET, headers["Sentry-Hook-Signature"], "private"):
            assert private not in str(told)


def test_slack_is_answered_its_challenge():
    """The handshake is signed too; what is not signed is refused, and what is empty stays empty."""
    hooks = Receiver(SECRET, scheme=SLACK)
    hooks.on()(lambda webhook: pytest.fail("it ran"))
    body, headers = signed_request(scheme=SLACK, event="url_verification", message_id="3eZb")
    assert json.loads(hooks.answer_sync(body, headers).body) == {"challenge": "3eZb"}
    assert hooks.answer_sync(body, {}).status == 401
    ordinary = hooks.take(*signed_request(scheme=SLACK))
    assert (ordinary.status, ordinary.body) == (200, b"")
    long = signed_request(
        scheme=SLACK, body=b'{"type":"url_verification","challenge":"%b"}' % (b"a" * 9_999)
    )
    assert hooks.take(*long).code == "accepted"


def test_githubs_ping_needs_no_handler():
    """It is answered 200 like whatever else nobody handles."""
    hooks = Receiver(SECRET, scheme=GITHUB)
    taken = hooks.answer_sync(*signed_request(scheme=GITHUB, event="ping"))
    assert (taken.status, taken.code) == (200, "no-handler")


def test_secrets_can_be_rotated_while_it_runs():
    """A function is asked for each request."""
    valid = ["old"]
    hooks = Receiver(lambda: valid)
    assert hooks.take(*signed_request("new")).status == 401
    valid.insert(0, "new")
    assert [hooks.take(*signed_request(each)).status for each in ("new", "old")] == [200, 200]
    valid.clear()
    assert hooks.take(*signed_request("new")).status == 500


def test_a_receiver_that_cannot_work_is_not_made():
    """An unset variable and senseless numbers are found at once."""
    with pytest.raises(WebhookError, match="a secret is empty"):
        Receiver("")
    for wrong in ({"max_body": 0}, {"drain_s": 0}, {"max_pending": 0}, {"run": "later"}):
        with pytest.raises(ValueError, match=r"more than 0|after"):
            Receiver("s", **wrong)


async def test_a_strangers_requests_are_not_logged_by_default(make, caplog):
    """What anybody can cause is told at INFO, so that nobody can fill a disk."""
    caplog.set_level(logging.WARNING)
    await give(make(), "loop", (b"{}", {}))
    assert caplog.text == ""


PROGRAM = """
import os, sys, threading
from hookline.receive import Receiver
from hookline.receive.testing import SECRET, signed_request
hooks = Receiver(SECRET, concurrency=1)
go = threading.Event()

@hooks.on("issue")
def handler(webhook):
    go.wait(20)
    os.write(1, webhook.id.encode() + b" ")

@hooks.on()
async def later(webhook):
    handler(webhook)

for name in "abcd":
    event = "issue.created" if name < "c" else "error.created"
    hooks.answer_sync(*signed_request(event=event, message_id=name))
if sys.argv[1] == "fork":
    if os.fork():
        go.set()
        os.wait()
    else:
        assert hooks.pending == 0
        go.set()
        hooks.answer_sync(*signed_request(message_id="child"))
elif sys.argv[1] == "end":
    go.set()
"""


def ran(*arguments: str) -> list[str]:
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            PROGRAM,
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.split()


def test_a_process_that_ends_finishes_what_it_accepted():
    """Also what is still waiting for a thread when the main thread has ended."""
    assert ran("end") == ["a", "b", "c", "d"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_process_begins_anew():
    """Of the parent's work the child has nothing, and it can work itself."""
    assert sorted(ran("fork")) == ["a", "b", "c", "child", "d"]
