"""Hostile receivers: each costs one attempt until its deadline, and the log says what it did."""

import asyncio
import contextlib
import datetime
import json
import ssl
import sys
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.send.hostile import (
    BOMB,
    RECEIVERS,
    Hostile,
    at_once,
    endlessly,
    never,
    reset,
    reset_soon,
    says,
    serving,
)
from tests.send.wire import LOOPBACK

from hookline.core.explain import explain
from hookline.core.model import BodyEncoding, Policy
from hookline.core.outcome import Answered, Reason, Unanswered
from hookline.core.schedule import RetrySchedule
from hookline.send.sender import HEAD_CAP, RESPONSE_CAP, CurlSender
from hookline.store.values import DeliveryFilter

DAY = datetime.timedelta(days=1)
ENOUGH_S = 60
SLOW_MS = 300  # those that must run into it
AMPLE_MS = 30_000  # those that must not


def timeout_ms(outcome: int | Reason) -> int:
    return SLOW_MS if outcome is Reason.SLOW else AMPLE_MS


def assert_reason(completed, reason: Reason, words: str) -> None:
    assert isinstance(completed.outcome, Unanswered)
    assert completed.outcome.reason is reason
    assert words in completed.outcome.detail
    assert completed.outcome.detail.isprintable()
    completed.outcome.detail.encode()  # what the store does with it


@pytest.mark.parametrize("hostile", RECEIVERS, ids=lambda hostile: hostile.name)
async def test_a_hostile_receiver(wire, receiver, hostile):
    """One completed attempt with the outcome of the table, in words, while a good one is served."""
    async with asyncio.timeout(ENOUGH_S), serving(hostile.script) as port:
        url = f"http://127.0.0.1:{port}/"
        attempt = wire.post(url, timeout_ms=timeout_ms(hostile.outcome))
        good = await wire.post(receiver.url, timeout_ms=AMPLE_MS)
        completed = await attempt
        after = await wire.post(receiver.url, timeout_ms=AMPLE_MS)
    assert good.outcome == after.outcome == Answered(204)
    assert sorted(each.key for each in wire.completed) == [0, 1, 2]
    assert len(completed.response_head) <= HEAD_CAP
    assert len(completed.response_body) <= RESPONSE_CAP
    if isinstance(hostile.outcome, Reason):
        assert_reason(completed, hostile.outcome, hostile.words)
    else:
        assert completed.outcome == Answered(hostile.outcome)


def test_every_kind_of_no_answer_has_words():
    """The table says of each receiver without an answer which words the log must have."""
    for hostile in RECEIVERS:
        assert bool(hostile.words) is isinstance(hostile.outcome, Reason)


async def test_a_bomb_stays_wrapped(wire):
    """A compressed body is kept as it came."""
    (bomb,) = [hostile for hostile in RECEIVERS if hostile.name == "a gzip bomb"]
    async with asyncio.timeout(ENOUGH_S), serving(bomb.script) as port:
        completed = await wire.post(f"http://127.0.0.1:{port}/", timeout_ms=AMPLE_MS)
    assert completed.response_body == BOMB


@pytest.mark.parametrize(
    ("script", "reason", "words"),
    [
        (never, Reason.SLOW, "did not read the whole request in time"),
        (reset_soon, Reason.RESET, "ended the connection before it had the whole request"),
    ],
    ids=["never", "reset"],
)
async def test_a_large_request_that_is_not_read(wire, receiver, script, reason, words):
    """A receiver that does not read costs no more than one that does not answer."""
    body = b"x" * 32_000_000  # more than the buffers of both sockets hold
    async with asyncio.timeout(ENOUGH_S), serving(script) as port:
        url = f"http://127.0.0.1:{port}/"
        attempt = wire.post(url, body=body, timeout_ms=timeout_ms(reason))
        good = await wire.post(receiver.url, timeout_ms=AMPLE_MS)
        completed = await attempt
    assert good.outcome == Answered(204)
    assert_reason(completed, reason, words)


async def test_hundreds_of_them_and_a_good_one(wire, receiver):
    """With each of the table three times under way the good receiver gets every answer it gives."""
    async with asyncio.timeout(ENOUGH_S), asyncio.TaskGroup() as group:

        async def one(hostile: Hostile) -> None:
            async with serving(hostile.script) as port:
                await wire.post(f"http://127.0.0.1:{port}/", timeout_ms=2_000)

        attempts = [group.create_task(one(hostile)) for hostile in RECEIVERS for _ in range(3)]
        good = [await wire.post(receiver.url, timeout_ms=AMPLE_MS) for _ in range(50)]
        await asyncio.wait(attempts)
    assert {each.outcome for each in good} == {Answered(204)}
    keys = [each.key for each in wire.completed]
    assert sorted(keys) == list(range(3 * len(RECEIVERS) + 50))


async def test_a_connection_that_is_reset_at_once(wire):
    """Whether the reset comes before or after the connection is seen to stand, it is no answer."""
    async with asyncio.timeout(ENOUGH_S), serving(reset) as port:
        posts = [wire.post(f"http://127.0.0.1:{port}/", timeout_ms=AMPLE_MS) for _ in range(20)]
        outcomes = [each.outcome for each in await asyncio.gather(*posts)]
    assert {each.reason for each in outcomes} <= {Reason.RESET, Reason.REFUSED}


async def test_all_of_them_get_into_the_log(bench, receiver):
    """What they sent is stored and explained like any answer, and the dispatcher goes on."""
    sender = CurlSender(
        allow=LOOPBACK, on_completed=bench.dispatcher.completed_soon, user_agent="hookline/test"
    )
    bench.dispatcher.start(sender)
    policy = Policy(1_000, 32, RetrySchedule((0, 5)), BodyEncoding.JAVASCRIPT)
    async with contextlib.AsyncExitStack() as servers, asyncio.timeout(ENOUGH_S):
        for number, hostile in enumerate(RECEIVERS):
            port = await servers.enter_async_context(serving(hostile.script))
            await bench.register(f"Hostile {number}", webhook_url=f"http://127.0.0.1:{port}/")
        await bench.publish()
        await bench.settled()
        await bench.register("Good", webhook_url=receiver.url)
        await bench.publish()
        await receiver.wait(1)
        await bench.settled()
    await asyncio.to_thread(sender.close)
    deliveries = await bench.store.deliveries(DeliveryFilter(limit=1000))
    assert len(deliveries) == 2 * len(RECEIVERS) + 1
    for delivery in deliveries:
        attempts = await bench.store.attempts(bytes.fromhex(delivery.id))
        assert len(attempts) == 1
        story = list(explain(delivery, attempts, policy, bench.clock()))
        assert all(sentence.isprintable() for sentence in story)


# A sender alone in a process: what it costs is not mixed with what its receivers cost.
SENDER = """
import asyncio, gc, json, os, sys
from tests.send.wire import Wire

def resident_kb():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

def descriptors():
    return len(os.listdir("/proc/self/fd"))

async def main():
    ports = json.loads(sys.stdin.readline())
    await asyncio.to_thread(int)  # the loop's own threads and descriptors
    before = descriptors()
    wire = Wire()

    async def attack(rounds):
        for _ in range(rounds):
            posts = [wire.post(f"http://127.0.0.1:{port}/", timeout_ms=400) for port in ports]
            await asyncio.gather(*posts)

    await attack(1)
    wire.completed.clear()
    gc.collect()
    resident = resident_kb()
    attempts = 0
    while attempts < 200:
        await attack(1)
        attempts += len(wire.completed)
        wire.completed.clear()
    gc.collect()
    grown = resident_kb() - resident
    await asyncio.to_thread(wire.sender.close)
    print(json.dumps({"attempts": attempts, "grown_kb": grown, "left": descriptors() - before}))

asyncio.run(main())
"""


async def test_memory_stays_flat_and_no_descriptor_is_left():
    """Two hundred attempts, a gigabyte's and endless ones among them, cost the process nothing."""
    async with asyncio.timeout(ENOUGH_S):
        servers = [serving(hostile.script) for hostile in RECEIVERS]
        ports = [await server.__aenter__() for server in servers]
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SENDER, stdin=-1, stdout=-1, cwd=Path(__file__).parents[2]
        )
        try:
            out, _ = await child.communicate(json.dumps(ports).encode() + b"\n")
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
            for server in servers:
                await server.__aexit__(None, None, None)
    assert child.returncode == 0
    told = json.loads(out)
    assert told["attempts"] >= 200
    assert told["grown_kb"] < 64 * 1024
    assert told["left"] == 0


# -- TLS -----------------------------------------------------------------------------------------


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def self_signed(folder: Path, name: str = "127.0.0.1") -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    made = made.public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now - DAY).not_valid_after(now + DAY)
    pem = folder / "self-signed.pem"
    pem.write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def certificates(authority: trustme.CA, folder: Path) -> dict[str, tuple[ssl.SSLContext, str]]:
    now = datetime.datetime.now(datetime.UTC)
    expired = authority.issue_cert("127.0.0.1", not_before=now - 9 * DAY, not_after=now - DAY)
    not_yet = authority.issue_cert("127.0.0.1", not_before=now + DAY, not_after=now + 9 * DAY)
    return {
        "another name": (context_of(authority.issue_cert("else.example")), "for another host"),
        "expired": (context_of(expired), "certificate has expired"),
        "not yet valid": (context_of(not_yet), "not valid yet, or a clock is wrong"),
        "a stranger's": (context_of(trustme.CA().issue_cert("127.0.0.1")), "no authority trusted"),
        "self-signed": (self_signed(folder), "certificate is self-signed"),
        "a hostile name": (self_signed(folder, "\x1b[2J\n\u202e"), "for another host"),
    }


@pytest.mark.parametrize(
    "kind",
    ["another name", "expired", "not yet valid", "a stranger's", "self-signed",
     "a hostile name"],
)  # fmt: skip
async def test_a_certificate_that_is_not_right(authority, tmp_path, make_wire, receiver, kind):
    """No request goes out to it, and the log says what is wrong with the certificate."""
    context, words = certificates(authority, tmp_path)[kind]
    async with asyncio.timeout(ENOUGH_S), serving(receiver.serve, context) as port:
        completed = await make_wire().post(f"https://127.0.0.1:{port}/", timeout_ms=AMPLE_MS)
    assert_reason(completed, Reason.TLS, words)
    assert receiver.requests == []


async def plain_http(_reader, writer) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


async def closes_after_the_hello(reader, _writer) -> None:
    await reader.read(1_000)


@pytest.mark.parametrize(
    ("script", "reason", "words"),
    [
        (never, Reason.SLOW, "did not finish the TLS handshake in time"),
        (plain_http, Reason.TLS, "does not speak TLS on this port"),
        (at_once, Reason.TLS, "ended the connection in the TLS handshake"),
        (closes_after_the_hello, Reason.TLS, "ended the connection in the TLS handshake"),
        (reset_soon, Reason.TLS, "ended the connection in the TLS handshake"),
    ],
    ids=["stalls", "plain", "closes", "closes-later", "resets"],
)
async def test_a_handshake_that_fails(wire, receiver, script, reason, words):
    """One that stalls, breaks off or is none costs one attempt, and the log says which."""
    async with asyncio.timeout(ENOUGH_S), serving(script) as port:
        attempt = wire.post(f"https://127.0.0.1:{port}/", timeout_ms=timeout_ms(reason))
        good = await wire.post(receiver.url, timeout_ms=AMPLE_MS)
        completed = await attempt
    assert good.outcome == Answered(204)
    assert_reason(completed, reason, words)


async def test_an_answer_cut_off_inside_tls_is_none(authority, make_wire):
    """Under TLS as without it, half of an answer is none."""
    script = says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", then=reset)
    context = context_of(authority.issue_cert("127.0.0.1"))
    async with asyncio.timeout(ENOUGH_S), serving(script, context) as port:
        completed = await make_wire().post(f"https://127.0.0.1:{port}/", timeout_ms=AMPLE_MS)
    assert_reason(completed, Reason.RESET, "in the middle of its answer")


# -- the sender itself ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["http://\u00e9.example/", "http://h/\ud800", "http://h/\0", "http://[::1", "h" * 9_000_000,
     "gopher://h/", "file:///etc/passwd", "", "http://", "http://\uff11\uff12\uff17.0.0.1/"],
    ids=ascii,
)  # fmt: skip
async def test_a_request_that_cannot_be_sent(wire, receiver, url):
    """A URL that registration would never let through costs its own attempt and no thread."""
    async with asyncio.timeout(ENOUGH_S):
        completed = await wire.post(url, timeout_ms=SLOW_MS)
        assert isinstance(completed.outcome, Unanswered)
        assert completed.outcome.detail.isprintable()
        assert (await wire.post(receiver.url)).outcome == Answered(204)


async def test_an_address_in_brackets(make_wire):
    """An IPv6 address stands in brackets beside its port."""
    good = endlessly(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"x" * 65_536)
    server = await asyncio.start_server(good, "::1", 0)
    port = server.sockets[0].getsockname()[1]
    completed = await make_wire().post(f"http://[::1]:{port}/", timeout_ms=AMPLE_MS)
    server.close()
    assert completed.address == f"[::1]:{port}"
