"""Sending mail through real SMTP servers: in clear, over TLS, with a password, and through trouble."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult

from hookline.core.mail import Mailing, compose, parse_smtp_url
from hookline.core.notice import Notice, NoticeKind
from hookline.core.unsubscribing import Reason
from hookline.send.mail import MailRefused, send_mail

USER, PASSWORD = "hookline", "known-S3cret"
TO = ("ops@example.com", "on-call@example.com")


@dataclass
class Post:
    """A real mail server: what it took, and whom it refuses."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)
    users: list[bytes] = field(default_factory=list)
    refuse: frozenset[str] = frozenset()
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_RCPT(  # noqa: N802
        self, _s: Any, _e: Any, envelope: Any, address: str, _o: Any
    ) -> str:
        if address in self.refuse:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _server: Any, session: Any, envelope: Any
    ) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        self.recipients.append(envelope.rcpt_tos)
        self.over_tls.append(session.ssl is not None)
        self.arrived.set()
        return "250 taken"

    def authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _way: str, data: Any
    ) -> Any:
        self.users.append(data.login)
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)


@contextlib.asynccontextmanager
async def served(post: Post, *, port: int = 0, tls: Any = None, **more: Any) -> AsyncIterator[Post]:
    """Serve it on loopback; ``tls``: from the first byte."""
    loop = asyncio.get_running_loop()
    made: list[SMTP] = []

    def protocol() -> SMTP:
        made.append(SMTP(post, hostname="mail.test", **more))
        return made[-1]

    server = await loop.create_server(protocol, "127.0.0.1", port, ssl=tls)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()
        for each in made:
            if each.transport is not None:
                each.transport.close()
        await server.wait_closed()
        await asyncio.sleep(0)


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ssl.SSLContext:
    """A server's certificate, of an authority that this process trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def mailing(url: str) -> Mailing:
    return Mailing(parse_smtp_url(url), "hookline@example.com", TO)


def notice(name: str = "Pager", **given: Any) -> Notice:
    fields = {
        "id": 7,
        "at": 1_800_000_000_000_000,
        "kind": NoticeKind.UNSUBSCRIBED,
        "reason": Reason.TIMEOUTS,
        "message": "1,000 attempts within 24 hours timed out.",
        "integration": "pager",
        "uuid": "24b397fc-a86e-43ef-9297-949e21b82480",
        "name": name,
        "webhook_url": "https://hooks.example.com/secret-path",
        "organization": "acme",
        "published_at": None,
        "mailed_at": None,
    }
    return Notice(**fields | given)


async def send(url: str, about: Notice | None = None, **more: Any) -> list[str]:
    wanted = mailing(url)
    return await send_mail(wanted.server, compose(about or notice(), wanted), **more)


async def refusal(url: str, **more: Any) -> str:
    with pytest.raises(MailRefused) as caught:
        await send(url, **more)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


async def test_in_clear():
    """One message to all addresses, with what happened and what to type; no secret of the URL."""
    async with served(Post()) as post:
        assert await send(f"smtp://127.0.0.1:{post.port}") == []
    (message,) = post.taken
    assert post.recipients == [list(TO)]
    assert message["Subject"] == "Action required: Pager was unsubscribed"
    assert message["From"] == "hookline@example.com"
    body = message.get_content()
    assert "1,000 attempts within 24 hours timed out." in body
    assert "hookline integration resubscribe pager --recover" in body
    assert "hooks.example.com:443" in body
    assert "secret-path" not in body


async def test_starttls_with_a_password(tls):
    """The password goes out after TLS has begun, and the message too."""
    post = Post()
    options = {"tls_context": tls, "authenticator": post.authenticate, "auth_required": True}
    async with served(post, require_starttls=True, **options):
        await send(f"smtp://{USER}:{PASSWORD}@127.0.0.1:{post.port}")
    assert (post.over_tls, post.users) == ([True], [USER.encode()])


async def test_tls_from_the_first_byte(tls):
    """smtps: nothing at all is in clear."""
    post = Post()
    async with served(post, tls=tls, authenticator=post.authenticate, auth_require_tls=False):
        await send(f"smtps://{USER}:{PASSWORD}@127.0.0.1:{post.port}")
    assert (len(post.taken), post.users) == (1, [USER.encode()])


async def test_a_password_is_never_sent_in_clear():
    """A server without STARTTLS gets no password, and no message."""
    post = Post()
    async with served(post, authenticator=post.authenticate, auth_require_tls=False):
        text = await refusal(f"smtp://{USER}:{PASSWORD}@127.0.0.1:{post.port}")
    assert "STARTTLS" in text
    assert (post.users, post.taken) == ([], [])


async def test_a_certificate_that_nobody_vouches_for(tls, monkeypatch):
    """The connection ends before the password is sent."""
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    post = Post()
    async with served(post, tls_context=tls, authenticator=post.authenticate):
        text = await refusal(f"smtp://{USER}:{PASSWORD}@127.0.0.1:{post.port}")
    assert "CERTIFICATE_VERIFY_FAILED" in text
    assert (post.users, post.taken) == ([], [])


async def test_a_wrong_password(tls):
    """It is refused in words that hold neither the wrong one nor what the server said of it."""
    post = Post()
    async with served(post, tls_context=tls, authenticator=post.authenticate):
        text = await refusal(f"smtp://{USER}:wrong-S3cret@127.0.0.1:{post.port}")
    assert text == f"smtp://127.0.0.1:{post.port} refused the password (535)"


async def test_a_password_that_cannot_be_sent(tls):
    """Nothing of it is in the refusal, not even the letter that is to blame."""
    post = Post()
    async with served(post, tls_context=tls, authenticator=post.authenticate):
        text = await refusal(f"smtp://{USER}:p%C3%A4ss@127.0.0.1:{post.port}")
    assert "in ASCII" in text
    assert "\\xe4" not in text


async def test_an_address_that_is_refused(tls):
    """The others have the message: it counts as sent, and the caller hears whose was refused."""
    async with served(Post(refuse=frozenset({TO[1]}))) as post:
        assert await send(f"smtp://127.0.0.1:{post.port}") == [TO[1]]
    assert post.recipients == [[TO[0]]]
    async with served(Post(refuse=frozenset(TO))) as post:
        assert "SMTPRecipientsRefused" in await refusal(f"smtp://127.0.0.1:{post.port}")
    assert post.taken == []


HOSTILE = [
    "Pager\\r\\nBcc: evil@example.com",
    "=?utf-8?q?x?=",
    "é 👀 名前",
    "{name} {slug} {0}",
    "." * 57,
    "a" * 57,
    "<b>\"';--",
    "=?utf-8?q?x=0D=0ABcc:_evil=40example.com?=",
    "=?utf-8?b?eA0KQmNjOiBldmlsQGV4YW1wbGUuY29t?=",
    "\u200d",
    " , ops@evil.example",
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_names(name):
    """Whatever an integration is called, it is text in a subject and a line of the body."""
    async with served(Post()) as post:
        await send(f"smtp://127.0.0.1:{post.port}", notice(name, message=f".\n.\n{name}"))
    (message,) = post.taken
    assert post.recipients == [list(TO)]
    assert message["Bcc"] is None
    shown = name.replace("=?", "= ?")  # else it would be decoded, line breaks and all
    expected = f"Action required: {shown} was unsubscribed"[:120]
    assert message["Subject"].split() == expected.split()  # a long line is folded at a blank
    lines = message.get_content().splitlines()
    assert lines[0] == f"Integration: {name} (pager)"
    assert lines[5:8] == [".", ".", name]


async def test_a_server_that_says_nothing(tmp_path):
    """It is given up after its time; nothing is left that the process would wait for."""

    async def say_nothing(_reader: Any, writer: asyncio.StreamWriter) -> None:
        await silence.wait()
        writer.close()

    silence = asyncio.Event()
    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    text = await refusal(f"smtp://127.0.0.1:{port}", longest_s=0.1)
    assert text == f"smtp://127.0.0.1:{port} took longer than 0.1 s"
    left = [each for each in threading.enumerate() if each.name == "hookline-mail"]
    assert all(each.daemon for each in left)
    silence.set()
    await asyncio.gather(*(asyncio.to_thread(each.join, 10) for each in left))
    server.close()
    await server.wait_closed()


async def test_nobody_is_there():
    """A port that nobody listens on is a refusal like any other."""
    assert "ConnectionRefusedError" in await refusal("smtp://127.0.0.1:1")
