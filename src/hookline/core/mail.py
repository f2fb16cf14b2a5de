"""E-mail to operators: which server takes it, and what it says."""

import re
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from hookline.core.errors import UsageError
from hookline.core.instants import isoformat
from hookline.core.notice import Notice, NoticeKind
from hookline.core.secret import Secret

__all__ = ["Mailing", "Security", "SmtpServer", "compose", "parse_addresses", "parse_smtp_url"]

_ADDRESS = re.compile(r"[!-?A-~]+@[0-9A-Za-z.-]+|[!-?A-~]+@\[[0-9A-Fa-f.:IPv]+\]")
_EXAMPLE = "smtps://user:password@mail.example.com, or smtp://mail.example.com:587"
_LONGEST_SUBJECT = 120


class Security(StrEnum):
    """How the connection to a mail server is kept private."""

    TLS = "tls"  # from the first byte: smtps://
    STARTTLS = "starttls"  # smtp:// with a password: none is sent in clear
    NONE = "none"  # smtp:// without one


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A server that takes mail; ``password`` is None where it asks for none."""

    host: str
    port: int
    security: Security
    user: str
    password: Secret | None

    def __str__(self) -> str:
        scheme = "smtps" if self.security is Security.TLS else "smtp"
        return f"{scheme}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Mailing:
    """From whom and to whom operators' mail goes, and through which server."""

    server: SmtpServer
    sender: str
    to: tuple[str, ...]


def parse_smtp_url(text: str) -> SmtpServer:
    """Read ``smtps://user:password@host:465`` or ``smtp://host:587``.

    With a user, ``smtp://`` insists on STARTTLS, so that a password never goes out in clear.

    Raises:
        UsageError: ``invalid-smtp-url``; the text itself is not shown.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _bad("it is no URL") from None
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise _bad("it begins with smtp:// or smtps:// and names a host")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise _bad("it has no path, query or fragment")
    if (parts.username is None) != (parts.password is None):
        raise _bad("it has a user and a password, or neither")
    password = None if parts.password is None else Secret(unquote(parts.password))
    if parts.scheme == "smtps":
        security, usual = Security.TLS, 465
    else:
        security, usual = (Security.NONE if password is None else Security.STARTTLS), 25
    return SmtpServer(
        parts.hostname, port or usual, security, unquote(parts.username or ""), password
    )


def _bad(rule: str) -> UsageError:
    return UsageError("invalid-smtp-url", f"an SMTP URL is wrong: {rule}", f"such as {_EXAMPLE}")


def parse_addresses(text: str) -> tuple[str, ...]:
    """Read e-mail addresses apart by commas or blanks: 1 to 20 of them.

    Raises:
        UsageError: ``invalid-mail-address``.
    """
    found = tuple(part for part in re.split(r"[\s,]+", text) if part)
    if 1 <= len(found) <= 20 and all(
        len(each) <= 254 and _ADDRESS.fullmatch(each) for each in found
    ):
        return found
    raise UsageError(
        "invalid-mail-address",
        "these are not 1 to 20 e-mail addresses",
        "such as ops@example.com, on-call@example.com",
    )


_SUBJECTS = {
    NoticeKind.WARNED: "{name}: receivers time out",
    NoticeKind.UNSUBSCRIBED: "Action required: {name} was unsubscribed",
    NoticeKind.RESUBSCRIBED: "{name} receives events again",
}
_ADVICE = {
    NoticeKind.WARNED: "Look at what its receiver answers: hookline integration health {slug}",
    NoticeKind.UNSUBSCRIBED: (
        "Events that come meanwhile are kept. When the receiver is mended:\n"
        "  hookline integration resubscribe {slug} --recover --dry-run   # what would be sent again\n"
        "  hookline integration resubscribe {slug} --recover"
    ),
    NoticeKind.RESUBSCRIBED: "See how it does: hookline integration health {slug}",
}


def compose(notice: Notice, mailing: Mailing) -> EmailMessage:
    """The message that tells of a notice.

    Its Message-ID is made of the notice's, so that a message sent twice can be seen to be one.
    """
    message = EmailMessage()
    message["Subject"] = _SUBJECTS[notice.kind].format(name=notice.name)[:_LONGEST_SUBJECT]
    message["From"] = mailing.sender
    message["To"] = ", ".join(mailing.to)
    domain = mailing.sender.rpartition("@")[2]
    message["Message-ID"] = f"<notice-{notice.id}-{notice.at}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    lines = [
        f"Integration: {notice.name} ({notice.integration})",
        f"Organization: {notice.organization or 'any (it is public)'}",
        f"Receiver: {notice.receiver}",
        f"When: {isoformat(notice.at)}",
        "",
        notice.message,
        "",
        _ADVICE[notice.kind].format(slug=notice.integration),
    ]
    message.set_content("\n".join(lines) + "\n")
    return message
