"""One attempt in libcurl's hands: how a request is armed, and what is gathered of its answer."""

import ssl
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pycurl

from hookline.core.model import Timings
from hookline.core.names import named_host
from hookline.core.outcome import Answered, Blocked, Outcome, Reason, Unanswered
from hookline.core.request import Outbound
from hookline.core.words import Progress, in_words, looks_malformed, printable
from hookline.send.names import FOUND_S

__all__ = [
    "HEAD_CAP",
    "RESPONSE_CAP",
    "Completed",
    "Held",
    "Slot",
    "impossible",
    "unresolved",
    "with_port",
]

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


class Held(NamedTuple):
    """A request that waits for the addresses of its host.

    Attributes:
        began: when the attempt began, by ``time.monotonic``.
    """

    key: Any
    outbound: Outbound
    host: str
    port: int
    began: float

    @property
    def deadline(self) -> float:
        """When the attempt's time is up, by ``time.monotonic``."""
        return self.began + self.outbound.timeout_ms / 1000


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
        self.wanted: tuple[str, int] | None = None  # the name that libcurl wants looked up
        self.handed = False  # whether the request brought the addresses of its host
        self.bulky = False
        self._waited_us = 0  # for the addresses
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
        curl.setopt(pycurl.DNS_CACHE_TIMEOUT, FOUND_S)
        curl.setopt(pycurl.RESOLVER_START_FUNCTION, self._refuse_look_up)
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
        """Arm the handle with a request.

        Raises:
            ValueError, TypeError, pycurl.error: libcurl does not take it.
        """
        self.key, self.outbound = key, outbound
        self.blocked, self.allowed, self.trouble = None, False, ""
        curl = self.curl
        curl.setopt(pycurl.URL, outbound.url)
        # "Expect:" sends no such header: waiting for a 100 would cost a slow receiver its second.
        headers = [_line(name, value) for name, value in outbound.headers]
        headers += [f"{name}:" for name in outbound.without]
        headers.append("Expect:")
        curl.setopt(pycurl.HTTPHEADER, headers)
        curl.setopt(pycurl.POSTFIELDS, outbound.body)
        curl.setopt(pycurl.TIMEOUT_MS, outbound.timeout_ms)
        size = len(outbound.body)
        if self.bulky or size > BULKY:
            self.bulky = size > BULKY
            buffer = min(size + 4_096, LARGEST_UPLOAD_BUFFER) if self.bulky else 65_536
            curl.setopt(pycurl.UPLOAD_BUFFERSIZE, buffer)

    def hand(self, held: Held, addresses: tuple[str, ...], waited_s: float) -> None:
        """Give the loaded request the addresses that it waited for; its time goes on."""
        curl, left_s = self.curl, held.deadline - held.began - waited_s
        # libcurl reads the list as the transfer begins, in place of what it knew of this host and
        # port. With the "+" it forgets it in time, as it does what it found by itself.
        curl.setopt(pycurl.RESOLVE, [f"+{held.host}:{held.port}:{','.join(addresses)}"])
        curl.setopt(pycurl.TIMEOUT_MS, max(1, round(left_s * 1000)))
        self.handed = True
        self._waited_us = round(waited_s * 1_000_000)

    def hold(self, now: float) -> Held:
        """Take the request out, to wait for its host's addresses; the slot can be loaded again."""
        assert self.outbound is not None  # noqa: S101
        assert self.wanted is not None  # noqa: S101
        host, port = self.wanted
        began = now - self.curl.getinfo(pycurl.TOTAL_TIME_T) / 1_000_000
        held = Held(self.key, self.outbound, host, port, began)
        self._empty()
        return held

    def unload(self, error: tuple[int, str] | None) -> Completed:
        """What came of the request; the slot can be loaded again."""
        curl = self.curl
        port = curl.getinfo(pycurl.PRIMARY_PORT)
        # libcurl says -1 where it never connected.
        address = with_port(curl.getinfo(pycurl.PRIMARY_IP), port) if port > 0 else ""
        completed = Completed(
            self.key,
            self._outcome(error),
            _timings(curl, self._waited_us),
            address,
            _HTTP_VERSIONS.get(curl.getinfo(pycurl.INFO_HTTP_VERSION), ""),
            b"".join(self._head),
            b"".join(self._body),
            self._cut,
        )
        self._empty()
        return completed

    def _empty(self) -> None:
        self.key = self.outbound = self.wanted = None
        if self.handed:  # the list is this request's: the next one's host may have moved by then
            self.curl.unsetopt(pycurl.RESOLVE)
            self.handed, self._waited_us = False, 0
        self._head.clear()  # now: a thousand idle slots would hold what hostile receivers sent
        self._body.clear()
        self._head_bytes, self._body_bytes, self._cut = 0, 0, False

    def _refuse_look_up(self) -> int:
        """Whether libcurl may look the host up: not by itself, if a resolver must be asked.

        libcurl asks when no connection can be used again and it knows no address. What then needs no
        resolver, such as an address in digits, it may go on with.
        """
        assert self.outbound is not None  # noqa: S101
        self.wanted = named_host(self.outbound.url)
        if self.wanted is not None and self.handed:
            self.trouble = "the host of this URL can be read in two ways"
        return 0 if self.wanted is None else 1

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


def _line(name: str, value: str) -> str | bytes:
    # To libcurl "name:" is no header and "name;" is an empty one. Text beyond ASCII it takes as bytes.
    line = f"{name}: {value}" if value else f"{name};"
    return line if line.isascii() else line.encode("latin-1")


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


def unresolved(held: Held, text: str, waited_s: float) -> Completed:
    """What came of a request whose host has no address, or none in time: ``text`` says it."""
    waited_us = round(waited_s * 1_000_000)
    detail = in_words(Reason.DNS, text, Progress(connected=False, sent=False, begun=False))
    timings = Timings(dns=waited_us, total=waited_us)
    return Completed(held.key, Unanswered(Reason.DNS, detail), timings, "", "", b"", b"", False)


def _timings(curl: Any, waited_us: int) -> Timings:
    # libcurl counts each phase from the start of the transfer, in microseconds; 0: it did not happen.
    timings = Timings(
        curl.getinfo(pycurl.NAMELOOKUP_TIME_T),
        curl.getinfo(pycurl.CONNECT_TIME_T),
        curl.getinfo(pycurl.APPCONNECT_TIME_T),
        curl.getinfo(pycurl.STARTTRANSFER_TIME_T),
        curl.getinfo(pycurl.TOTAL_TIME_T),
    )
    if not waited_us:
        return timings
    return Timings(*(each + waited_us if each else 0 for each in timings))


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
    pycurl.E_ABORTED_BY_CALLBACK: Reason.DNS,  # only ``_refuse_look_up`` aborts with this
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
