"""One attempt in libcurl's hands: how a request is armed, and what is gathered of its answer."""

import ssl
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pycurl

from hookline.core.model import Timings
from hookline.core.outcome import Answered, Blocked, Outcome, Reason, Unanswered
from hookline.core.request import Outbound
from hookline.core.words import Progress, in_words, looks_malformed, printable

__all__ = ["HEAD_CAP", "RESPONSE_CAP", "Completed", "Slot", "impossible", "with_port"]

RESPONSE_CAP = 16_384  # bytes of a response body that are read and kept
# Bytes of status lines, headers and trailers. libcurl's own limit is 300 kB an answer and more with
# interim ones: too much for a log that keeps it for each attempt. Reverse proxies take 4 to 64 KiB.
HEAD_CAP = 65_536

# libcurl writes a body in pieces of its upload buffer, one a turn. A socket that took a whole piece has
# room and so makes no edge for the next: with the usual 64 KiB, 1.5 MB took five seconds. So a larger
# body gets a buffer of its own size, and for what still comes in pieces (TLS, more than the 2 MiB that
# libcurl allows) the sender's turns come quickly while it is under way.
BULKY = 60_000
LARGEST_UPLOAD_BUFFER = 2 * 1_048_576


class Completed(NamedTuple):
    """What came of a request, and all that the transport can say of it."""

    key: Any
    outcome: Outcome
    timings: Timings
    address: str
    http_version: str
    response_head: bytes
    response_body: bytes
    response_cut: bool


class Slot:
    """An easy handle and what is gathered for it; reused, since making one costs more than a POST."""

    def __init__(self, open_socket: Callable[["Slot", Any], Any], user_agent: str):
        self.curl = pycurl.Curl()
        self.curl.slot = self
        self.key: Any = None
        self.outbound: Outbound | None = None
        self.blocked: Blocked | None = None  # the first address that the guard refused
        self.allowed = False  # whether it let one through
        self.trouble = ""
        self.bulky = False
        self._head: list[bytes] = []
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_bytes = 0
        self._cut = False
        curl = self.curl
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.NOPROXY, "*")
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.USERAGENT, user_agent)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.SSL_VERIFYPEER, 1)
        curl.setopt(pycurl.SSL_VERIFYHOST, 2)
        _trust(curl)
        curl.setopt(pycurl.HEADERFUNCTION, self._take_head)
        curl.setopt(pycurl.WRITEFUNCTION, self._write)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, lambda _purpose, address: open_socket(self, address))

    def host(self) -> str:
        """The host that the request's URL names; none where it cannot be read."""
        assert self.outbound is not None  # noqa: S101
        try:
            return urlsplit(self.outbound.url).hostname or ""
        except ValueError:
            return ""

    def load(self, key: Any, outbound: Outbound) -> None:
        """Arm the handle with a request."""
        self.key, self.outbound = key, outbound
        self.blocked, self.allowed, self.trouble = None, False, ""
        curl = self.curl
        curl.setopt(pycurl.URL, outbound.url)
        # "Expect:" sends no such header: waiting for a 100 would cost a slow receiver its second.
        headers = [f"{name}: {value}" for name, value in outbound.headers]
        headers.append("Expect:")
        curl.setopt(pycurl.HTTPHEADER, headers)
        curl.setopt(pycurl.POSTFIELDS, outbound.body)
        curl.setopt(pycurl.TIMEOUT_MS, outbound.timeout_ms)
        size = len(outbound.body)
        if self.bulky or size > BULKY:
            self.bulky = size > BULKY
            buffer = min(size + 4_096, LARGEST_UPLOAD_BUFFER) if self.bulky else 65_536
            curl.setopt(pycurl.UPLOAD_BUFFERSIZE, buffer)

    def unload(self, error: tuple[int, str] | None) -> Completed:
        """What came of the request; the slot can be loaded again."""
        curl = self.curl
        port = curl.getinfo(pycurl.PRIMARY_PORT)
        # libcurl says -1 where it never connected.
        address = with_port(curl.getinfo(pycurl.PRIMARY_IP), port) if port > 0 else ""
        completed = Completed(
            self.key,
            self._outcome(error),
            _timings(curl),
            address,
            _HTTP_VERSIONS.get(curl.getinfo(pycurl.INFO_HTTP_VERSION), ""),
            b"".join(self._head),
            b"".join(self._body),
            self._cut,
        )
        self.key = self.outbound = None
        self._head.clear()  # now: a thousand idle slots would hold what hostile receivers sent
        self._body.clear()
        self._head_bytes, self._body_bytes, self._cut = 0, 0, False
        return completed

    def _outcome(self, error: tuple[int, str] | None) -> Outcome:
        # libcurl takes a connection that is closed in the middle of the head for the head's end.
        if error is None and not _head_ended(self._head):
            return self._unanswered(Reason.RESET, "")
        if error is None or (self._cut and error[0] == pycurl.E_WRITE_ERROR):
            return Answered(self.curl.getinfo(pycurl.RESPONSE_CODE))
        number, text = error
        # libcurl ends with this code when no address is left to try.
        if self.blocked is not None and not self.allowed and number == pycurl.E_COULDNT_CONNECT:
            return self.blocked
        if self._head_bytes > HEAD_CAP:
            return self._unanswered(Reason.MALFORMED, f"too large a head, over {HEAD_CAP} bytes")
        if number == _E_TOO_LARGE or looks_malformed(text):
            return self._unanswered(Reason.MALFORMED, text or "too large a header line")
        return self._unanswered(_REASONS.get(number, Reason.RESET), self.trouble or text)

    def _unanswered(self, reason: Reason, text: str) -> Unanswered:
        curl, outbound = self.curl, self.outbound
        assert outbound is not None  # noqa: S101
        progress = Progress(
            connected=curl.getinfo(pycurl.CONNECT_TIME_T) > 0,
            sent=curl.getinfo(pycurl.SIZE_UPLOAD_T) >= len(outbound.body),
            begun=bool(self._head),
        )
        detail = in_words(reason, text, progress)
        if self.blocked is not None:
            address, rule = self.blocked.address, self.blocked.rule
            detail += f"; its other address {address} was not tried, for it is not allowed: {rule}"
        return Unanswered(reason, detail)

    def _take_head(self, line: bytes) -> int | None:
        self._head_bytes += len(line)
        if self._head_bytes > HEAD_CAP:
            return 0  # tells libcurl to stop reading
        self._head.append(line)
        return None

    def _write(self, data: bytes) -> int | None:
        room = RESPONSE_CAP - self._body_bytes
        if len(data) > room:
            self._body.append(data[:room])
            self._body_bytes = RESPONSE_CAP
            self._cut = True
            return 0  # tells libcurl to stop reading
        self._body.append(data)
        self._body_bytes += len(data)
        return None


def with_port(host: str, port: int) -> str:
    """``address:port`` as the log keeps it; an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _head_ended(lines: list[bytes]) -> bool:
    """Whether the final answer's headers came to their end; trailers may follow it."""
    if lines and lines[-1] in _BLANK:
        return True
    starts = [number for number, line in enumerate(lines) if line.startswith(b"HTTP/")]
    return bool(starts) and any(line in _BLANK for line in lines[starts[-1] :])


def impossible(key: Any, trouble: Exception) -> Completed:
    """What came of a request that libcurl does not take."""
    text = f"this request cannot be sent: {type(trouble).__name__}: {trouble}"
    outcome = Unanswered(Reason.MALFORMED, printable(text, 200))
    return Completed(key, outcome, Timings(), "", "", b"", b"", False)


def _timings(curl: Any) -> Timings:
    # libcurl counts each phase from the start of the transfer, in microseconds.
    return Timings(
        curl.getinfo(pycurl.NAMELOOKUP_TIME_T),
        curl.getinfo(pycurl.CONNECT_TIME_T),
        curl.getinfo(pycurl.APPCONNECT_TIME_T),
        curl.getinfo(pycurl.STARTTRANSFER_TIME_T),
        curl.getinfo(pycurl.TOTAL_TIME_T),
    )


def _trust(curl: Any) -> None:
    # The library comes in a wheel and does not know where this system keeps its certificates.
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        curl.setopt(pycurl.CAINFO, paths.cafile)
    elif paths.capath:
        curl.setopt(pycurl.CAPATH, paths.capath)


_BLANK = (b"\r\n", b"\n")
_E_TOO_LARGE = 100  # CURLE_TOO_LARGE; pycurl has no name for it

_HTTP_VERSIONS = {
    pycurl.CURL_HTTP_VERSION_1_0: "1.0",
    pycurl.CURL_HTTP_VERSION_1_1: "1.1",
}

_REASONS = {
    pycurl.E_OPERATION_TIMEDOUT: Reason.SLOW,
    pycurl.E_COULDNT_RESOLVE_HOST: Reason.DNS,
    pycurl.E_COULDNT_CONNECT: Reason.REFUSED,
    pycurl.E_SSL_CONNECT_ERROR: Reason.TLS,
    pycurl.E_SSL_CERTPROBLEM: Reason.TLS,
    pycurl.E_SSL_CIPHER: Reason.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: Reason.TLS,
    pycurl.E_SSL_CACERT_BADFILE: Reason.TLS,
    pycurl.E_UNSUPPORTED_PROTOCOL: Reason.MALFORMED,
    pycurl.E_FTP_WEIRD_SERVER_REPLY: Reason.MALFORMED,
    pycurl.E_BAD_CONTENT_ENCODING: Reason.MALFORMED,
}
