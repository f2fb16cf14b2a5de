"""Sending mail through an SMTP server, in a thread of its own for as long as it takes."""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from typing import Final

from hookline.core.mail import Security, SmtpServer

__all__ = ["MailRefused", "send_mail"]

TIMEOUT_S: Final = 20.0


class MailRefused(Exception):
    """The server did not take the message; the text says why, without the password."""


async def send_mail(server: SmtpServer, message: EmailMessage) -> None:
    """Hand a message to the server; returns once it has taken it.

    Raises:
        MailRefused: it did not, or could not be reached.
    """
    await asyncio.to_thread(_send, server, message)


def _send(server: SmtpServer, message: EmailMessage) -> None:
    try:
        with _connected(server) as connection:
            if server.password is not None:
                connection.login(server.user, server.password.reveal())
            refused = connection.send_message(message)
    except smtplib.SMTPAuthenticationError as trouble:
        # Its text may repeat what was sent.
        raise MailRefused(f"{server} refused the password ({trouble.smtp_code})") from None
    except (smtplib.SMTPException, OSError) as trouble:
        raise MailRefused(f"{server}: {type(trouble).__name__}: {str(trouble)[:200]}") from None
    if refused:
        raise MailRefused(f"{server} refused {len(refused)} of the addresses")


def _connected(server: SmtpServer) -> smtplib.SMTP:
    if server.security is Security.TLS:
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=context)
    connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
    if server.security is Security.STARTTLS:
        try:
            connection.starttls(context=ssl.create_default_context())
        except BaseException:
            connection.close()
            raise
    return connection
