"""Operators' mail: reading the settings, and what the message says whatever a name holds."""

from email import message_from_bytes
from email.policy import SMTP

import pytest

from hookline.core.errors import UsageError
from hookline.core.mail import (
    Mailing,
    Security,
    SmtpServer,
    compose,
    parse_addresses,
    parse_smtp_url,
)
from hookline.core.notice import Notice, NoticeKind, notice_data
from hookline.core.secret import Secret
from hookline.core.unsubscribing import Reason

MAILING = Mailing(
    SmtpServer("mail.example.com", 465, Security.TLS, "u", Secret("p")),
    "hookline@example.com",
    ("ops@example.com", "on-call@example.com"),
)


def notice(**given) -> Notice:
    values = {
        "id": 7,
        "at": 1_795_428_000_000_000,
        "kind": NoticeKind.UNSUBSCRIBED,
        "reason": Reason.TIMEOUTS,
        "message": "1,000 attempts within 24 hours timed out.",
        "integration": "pager",
        "uuid": "24b397fc-a86e-43ef-9297-949e21b82480",
        "name": "Pager",
        "webhook_url": "https://user:hush@pager.example.com/hook?token=hush",
        "organization": "acme",
        "published_at": None,
        "mailed_at": None,
    }
    return Notice(**values | given)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://h", SmtpServer("h", 25, Security.NONE, "", None)),
        ("smtp://h:2525/", SmtpServer("h", 2525, Security.NONE, "", None)),
        ("smtps://h", SmtpServer("h", 465, Security.TLS, "", None)),
        ("smtp://u:p@h:587", SmtpServer("h", 587, Security.STARTTLS, "u", Secret("p"))),
        ("smtps://a%40b:p%3A@[::1]:4", SmtpServer("::1", 4, Security.TLS, "a@b", Secret("p:"))),
    ],
)
def test_servers(url, server):
    """A password never goes out in clear: with one, smtp:// means STARTTLS."""
    assert parse_smtp_url(url) == server


@pytest.mark.parametrize(
    "url",
    ["", "h:25", "http://h", "smtp://", "smtp://u@h", "smtp://h:0x", "smtp://h/x", "smtp://[h"],
)
def test_what_is_no_server(url):
    """It is refused without being shown: it may hold a password."""
    with pytest.raises(UsageError) as caught:
        parse_smtp_url(url.replace("u@", "u-hush@"))
    assert caught.value.code == "invalid-smtp-url"
    assert "hush" not in caught.value.message


def test_a_server_prints_without_its_password():
    """In logs and errors."""
    assert "p" not in repr(MAILING.server.password)
    assert str(MAILING.server) == "smtps://mail.example.com:465"


def test_addresses():
    """By commas or blanks; what could write a header is none."""
    assert parse_addresses("a@b, c+d@e.example") == ("a@b", "c+d@e.example")
    for bad in ("", "a", "a@b\r\nBcc: c@d", "a@b;c@d", "@b", "a@", "a b@c", "<a@b>"):
        with pytest.raises(UsageError):
            print(parse_addresses(bad))


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_the_message_says_what_happened_and_what_to_do(kind):
    """Name, receiver, reason, and a command to type; nothing secret of the URL."""
    message = compose(notice(kind=kind), MAILING)
    assert "Pager" in message["Subject"]
    assert message["To"] == "ops@example.com, on-call@example.com"
    text = message.get_content()
    assert "1,000 attempts within 24 hours timed out." in text
    assert "hookline integration" in text
    assert "pager.example.com:443" in text
    assert "hush" not in message.as_string()


@pytest.mark.parametrize(
    "name", ["é 👀 \u202e", "a" * 57, "=?utf-8?q?x?=", "To: x@y", "a, b <c@d>", ". .", "{slug}"]
)
def test_a_name_stays_a_name(name):
    """Whatever an integration is called, the message has the headers it should have."""
    sent = compose(notice(name=name), MAILING).as_bytes(policy=SMTP)
    read = message_from_bytes(sent, policy=SMTP)
    assert read["To"] == "ops@example.com, on-call@example.com"
    assert sorted(read.keys()) == sorted(compose(notice(), MAILING).keys())
    assert name.encode() in read.get_content().encode()


def test_a_message_that_is_sent_twice_is_known_by_its_id():
    """The Message-ID is the notice's."""
    assert compose(notice(), MAILING)["Message-ID"] == compose(notice(), MAILING)["Message-ID"]
    assert compose(notice(id=8), MAILING)["Message-ID"] != compose(notice(), MAILING)["Message-ID"]


def test_the_event_of_a_notice():
    """What operators' webhooks get in ``data``."""
    assert notice_data(notice()) == {
        "notice": {
            "id": "7",
            "at": "2026-11-23T10:00:00.000000Z",
            "reason": "timeouts",
            "message": "1,000 attempts within 24 hours timed out.",
        },
        "integration": {
            "slug": "pager",
            "uuid": "24b397fc-a86e-43ef-9297-949e21b82480",
            "name": "Pager",
            "receiver": "pager.example.com:443",
            "organization": "acme",
        },
    }
