"""Why an attempt had no answer, in words for whoever looks at the log in a hurry.

libcurl's own sentence says what its code met ("Received HTTP/0.9 when not allowed"); ours says what the
receiver did, and libcurl's follows, for those who search the web for it. The fragments are those of the
libcurl that our wheels carry; where none is recognized, the reason's own sentence stands.

libcurl repeats bytes of the answer in some of its sentences, so what is not printable is escaped here:
it would reach terminals, and bytes that are no UTF-8 can be stored nowhere.
"""

from typing import NamedTuple

from hookline.core.outcome import Reason

__all__ = ["LONGEST_QUOTE", "Progress", "in_words", "looks_malformed", "printable"]

LONGEST_QUOTE = 200  # characters of libcurl's sentence


class Progress(NamedTuple):
    """How far an attempt came.

    Attributes:
        connected: the connection stood (for https, not yet the TLS session).
        sent: all of the request was handed to the network.
        begun: something that reads as an answer came back.
    """

    connected: bool
    sent: bool
    begun: bool


def in_words(reason: Reason, text: str, progress: Progress) -> str:
    """Say what happened, then what the transport says of it.

    Args:
        reason: the kind of trouble.
        text: the transport's own sentence, or nothing.
        progress: how far it came.

    >>> in_words(Reason.RESET, "Empty reply from server", Progress(True, True, False))
    'the receiver closed the connection without an answer; transport: Empty reply from server'
    """
    plain = _plain(reason, text.lower(), progress)
    return f"{plain}; transport: {printable(text, LONGEST_QUOTE)}" if text else plain


def looks_malformed(text: str) -> bool:
    """Whether the sentence is about the form of the answer, though libcurl's code does not say so."""
    return text.lower().startswith(_MALFORMED_THOUGH_NOT_BY_CODE)


def printable(text: str, longest: int) -> str:
    """``text`` on one line, with escapes for what could not be printed, and cut."""
    cut = text[:longest] + ("…" if len(text) > longest else "")
    return "".join(
        letter if letter.isprintable() else ascii(letter).removeprefix("'").removesuffix("'")
        for letter in cut
    )


def _plain(reason: Reason, text: str, progress: Progress) -> str:
    if reason is Reason.SLOW:
        return _slow(text, progress)
    if reason is Reason.RESET and progress.begun:
        return "the receiver ended the connection in the middle of its answer"
    if reason is Reason.RESET and not progress.sent:
        return "the receiver ended the connection before it had the whole request"
    known = ((fragment, words) for of, fragment, words in _KNOWN if of is reason)
    return next((words for fragment, words in known if fragment in text), _OTHERWISE[reason])


def _slow(text: str, progress: Progress) -> str:
    if text.startswith("resolving"):
        return "the resolver did not say in time which address the host has"
    if not progress.connected:
        return "no connection came about in time: nothing answers there, or a firewall is silent"
    if text.startswith(("connection", "ssl connection")):
        return "the receiver accepted the connection but did not finish the TLS handshake in time"
    if progress.begun:
        return "the receiver began to answer but did not finish in time"
    if not progress.sent:
        return "the receiver did not read the whole request in time"
    return "the receiver took the request but did not answer in time"


_OTHERWISE = {
    Reason.SLOW: "the time was up",
    Reason.DNS: "the host of the webhook URL has no address: no resolver knows the name",
    Reason.REFUSED: "no connection came about: nothing listens there, or a firewall refuses",
    Reason.RESET: "the receiver ended the connection without an answer",
    Reason.TLS: "the TLS handshake failed",
    Reason.MALFORMED: "the answer is not valid HTTP",
}

_NO_TLS = "the receiver does not speak TLS on this port; perhaps the URL should begin with http://"

# The first fragment that is in the sentence counts.
_KNOWN = (
    (Reason.RESET, "empty reply", "the receiver closed the connection without an answer"),
    (Reason.RESET, "reset by peer", "the receiver reset the connection without an answer"),
    (Reason.REFUSED, "no socket", "this machine could make no socket"),
    (Reason.TLS, "has expired", "the receiver's certificate has expired"),
    (Reason.TLS, "not yet valid", "the receiver's certificate is not valid yet, or a clock is wrong"),
    (Reason.TLS, "subject name", "the receiver's certificate is for another host than the URL names"),
    (Reason.TLS, "does not match", "the receiver's certificate is for another host than the URL names"),
    (Reason.TLS, "self-signed certificate (", "the receiver's certificate is self-signed"),
    (Reason.TLS, "verify result", "no authority trusted here has signed the receiver's certificate"),
    (Reason.TLS, "wrong version number", _NO_TLS),
    (Reason.TLS, "packet length", _NO_TLS),
    (Reason.TLS, "unexpected eof", "the receiver ended the connection in the TLS handshake"),
    (Reason.TLS, "failure: ", "the receiver ended the connection in the TLS handshake"),
    (Reason.MALFORMED, "http/0.9", "what came back is not HTTP"),
    (Reason.MALFORMED, "too large", "the headers of the answer are too long"),
    (Reason.MALFORMED, "too many", "the headers of the answer are too many"),
    (Reason.MALFORMED, "content-length", "the answer's Content-Length is no number, or there are two"),
    (Reason.MALFORMED, "transfer-encoding", "the answer has a Transfer-Encoding that nobody asked for"),
    (Reason.MALFORMED, "chunk", "the answer's chunks are malformed"),
    (Reason.MALFORMED, "header", "a header of the answer is malformed"),
    (Reason.MALFORMED, "version", "the answer's status line is malformed"),
    (Reason.MALFORMED, "response code", "the answer's status line is malformed"),
)  # fmt: skip

_MALFORMED_THOUGH_NOT_BY_CODE = (
    "too large response headers",
    "too many response headers",
    "chunk hex-length",
    "invalid chunk size",
    "malformed encoding found in chunked-encoding",
)
