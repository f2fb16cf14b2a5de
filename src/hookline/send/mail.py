"""Sending mail through an SMTP server, in a thread of its own for as long as it takes."""

import asyncio
import contextlib
import smtplib
import ssl
import threading
from email.message import EmailMessage
from typing import Final

from hookline.core.mail import Security, SmtpServer

__all__ = ["MailRefused", "send_mail"]

TIMEOUT_S: Final = 20.0  # for each step of the conversation
LONGEST_S: Final = 60.0  # for all of it: a server that drips takes its time at every step


class MailRefused(Exception):
    """The server did not take the message; the text says why, without the password."""


async def send_mail(
    server: SmtpServer, message: EmailMessage, *, longest_s: float = LONGEST_S
) -> list[str]:
    """Hand a message to the server; returns once it has taken it.

    Returns the addresses that it refused while it took the message for others.

    Raises:
        MailRefused: it did not take it for anybody, could not be reached, or took longer than
            ``longest_s`` seconds; it may have it then all the same.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def tell(refused: list[str] | None, trouble: MailRefused | None) -> None:
        if not answer.done():
            answer.set_result(refused or []) if trouble is None else answer.set_exception(trouble)

    def work() -> None:
        refused, trouble = _tried(server, message)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, refused, trouble)

    # Not one of the loop's own threads: they are waited for when the process ends, and a mail server
    # that says nothing would hold that up.
    threading.Thread(target=work, name="hookline-mail", daemon=True).start()
    try:
        async with asyncio.timeout(longest_s):
            return await answer
    except TimeoutError:
        raise MailRefused(f"{server} took longer than {longest_s:g} s") from None


def _tried(server: SmtpServer, message: EmailMessage) -> tuple[list[str], MailRefused | None]:
    try:
        return _send(server, message), None
    except smtplib.SMTPAuthenticationError as trouble:
        # Its text may repeat what was sent.
        return [], MailRefused(f"{server} refused the password ({trouble.smtp_code})")
    except Exception as trouble:
        # Of smtplib, of the socket, of TLS, of a text that it cannot encode.
        return [], MailRefused(f"{server}: {type(trouble).__name__}: {str(trouble)[:200]}")


def _send(server: SmtpServer, message: EmailMessage) -> list[str]:
    with _connected(server) as connection:
        if server.password is not None:
            try:
                connection.login(server.user, server.password.reveal())
            except UnicodeError:  # its text would show a part of it
                raise smtplib.SMTPException("it asks for user and password in ASCII") from None
        return list(connection.send_message(message))


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
