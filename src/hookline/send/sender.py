"""POSTs through libcurl: the only place that opens a connection to a receiver.

Theory of operation
-------------------
One thread owns a ``CurlMulti`` and drives it with ``perform``. Requests come in through a queue and an
eventfd; answers go out in batches through one call a turn of the loop.

``perform`` looks at every transfer each time it is called, so it must be called when something can
happen and not otherwise. ``CurlMulti.select`` cannot be used to wait: it is select(2), which ends at
file descriptor 1023. libcurl's socket callbacks can, at one Python call for each change of interest,
and they cost 40 % (ADR 0002). But every socket of ours is made in ``_open_socket``, because the address
guard stands there; so each is registered once, there, with an edge-triggered epoll, for its whole life.

The guard decides on the address that the socket will be connected to, whatever name or redirect or
resolver led there. A connection that is reused was checked when it was made.

What must never change here: no redirects, no proxy from the environment, no signals, a total timeout,
no decompression (the log keeps the bytes that came), and reading that stops at the cap.
"""

import os
import select
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pycurl

from hookline.core.address import AllowList, decide
from hookline.core.address import Blocked as BlockedAddress
from hookline.core.model import Timings
from hookline.core.outcome import Answered, Blocked, Outcome, Reason, Unanswered
from hookline.core.request import Outbound

__all__ = ["RESPONSE_CAP", "Completed", "CurlSender"]

RESPONSE_CAP = 16_384  # bytes of a response body that are read and kept
IDLE_CONNECTIONS = 1_000
LONGEST_WAIT_S = 0.25  # a floor under everything: no lost edge can stall a transfer for longer

# libcurl writes a body in pieces of its upload buffer, one a turn. A socket that took a whole piece has
# room and so makes no edge for the next: with the usual 64 KiB, 1.5 MB took five seconds. So a larger
# body gets a buffer of its own size, and for what still comes in pieces (TLS, more than the 2 MiB that
# libcurl allows) the turns come quickly while it is under way.
BULKY = 60_000
LARGEST_UPLOAD_BUFFER = 2 * 1_048_576
BULKY_WAIT_S = 0.003

_EPOLL_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


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


class CurlSender:
    """Sends requests from a thread of its own.

    Args:
        allow: addresses that the operator allows besides the public ones.
        on_completed: called in the sender's thread with each batch of what completed.
        user_agent: the User-Agent header of every request.
    """

    def __init__(
        self,
        *,
        allow: AllowList,
        on_completed: Callable[[list[Completed]], None],
        user_agent: str,
    ):
        self._allow = allow
        self._on_completed = on_completed
        self._user_agent = user_agent
        self._inbox: deque[tuple[Any, Outbound]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(self._wake, select.EPOLLIN)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, IDLE_CONNECTIONS)
        self._idle: list[_Slot] = []
        self._active = 0
        self._bulky = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="hookline-sender", daemon=True)
        self._thread.start()

    def post(self, requests: Sequence[tuple[Any, Outbound]]) -> None:
        """Send requests; each one's key comes back in its ``Completed``."""
        self._inbox.extend(requests)
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Stop at once; what is under way is abandoned, and nothing more is reported."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)

    # -- the thread -------------------------------------------------------------------------------

    def _serve(self) -> None:
        while not self._stopping:
            self._start_new()
            if self._active:
                self._multi.perform()
                completed = self._reap()
                if completed:
                    self._on_completed(completed)
                    continue
            self._wait()
        self._multi.close()
        self._epoll.close()

    def _wait(self) -> None:
        if not self._active:
            wait = -1.0
        else:
            timeout = self._multi.timeout()
            longest = BULKY_WAIT_S if self._bulky else LONGEST_WAIT_S
            wait = longest if timeout < 0 else min(timeout / 1000, longest)
        for descriptor, _ in self._epoll.poll(wait):
            if descriptor == self._wake:
                os.eventfd_read(self._wake)

    def _start_new(self) -> None:
        while self._inbox:
            key, outbound = self._inbox.popleft()
            slot = self._idle.pop() if self._idle else _Slot(self._open_socket, self._user_agent)
            slot.load(key, outbound)
            self._multi.add_handle(slot.curl)
            self._active += 1
            self._bulky += slot.bulky

    def _reap(self) -> list[Completed]:
        completed: list[Completed] = []
        while True:
            queued, succeeded, failed = self._multi.info_read()
            completed += [self._finish(curl.slot, None) for curl in succeeded]
            completed += [self._finish(curl.slot, (code, text)) for curl, code, text in failed]
            if not queued:
                return completed

    def _finish(self, slot: "_Slot", error: tuple[int, str] | None) -> Completed:
        self._multi.remove_handle(slot.curl)
        self._active -= 1
        self._bulky -= slot.bulky
        completed = slot.unload(error)
        self._idle.append(slot)
        return completed

    def _open_socket(self, slot: "_Slot", address: Any) -> Any:
        host, port = address.addr[0], address.addr[1]
        if isinstance(host, bytes):
            host = host.decode("ascii", "replace")
        decision = decide(host, port, slot.host(), self._allow)
        if isinstance(decision, BlockedAddress):
            slot.blocked = Blocked(f"{host}:{port}", decision.rule)
            return pycurl.SOCKET_BAD
        try:
            made = socket.socket(address.family, address.socktype, address.protocol)
        except OSError as trouble:  # no descriptor left, or a family that this host does not speak
            slot.trouble = f"no socket for {host}: {trouble.strerror}"
            return pycurl.SOCKET_BAD
        made.setblocking(False)
        self._epoll.register(made.fileno(), _EPOLL_EVENTS)
        return _Handed(made)


class _Handed:
    """A socket on its way to libcurl, which takes a duplicate of its descriptor and drops this.

    What is registered with epoll is the open socket behind both descriptors, so it stays registered
    until libcurl closes its own.
    """

    def __init__(self, made: socket.socket):
        self._made = made

    def fileno(self) -> int:
        """The descriptor to duplicate."""
        return self._made.fileno()

    def __del__(self) -> None:
        self._made.close()


class _Slot:
    """An easy handle and what is gathered for it; reused, since making one costs more than a POST."""

    def __init__(self, open_socket: Callable[["_Slot", Any], Any], user_agent: str):
        self.curl = pycurl.Curl()
        self.curl.slot = self
        self.key: Any = None
        self.outbound: Outbound | None = None
        self.blocked: Blocked | None = None
        self.trouble = ""
        self.bulky = False
        self._head: list[bytes] = []
        self._body: list[bytes] = []
        self._body_bytes = 0
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
        curl.setopt(pycurl.HEADERFUNCTION, self._head.append)
        curl.setopt(pycurl.WRITEFUNCTION, self._write)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, lambda _purpose, address: open_socket(self, address))

    def host(self) -> str:
        """The host that the request's URL names."""
        assert self.outbound is not None  # noqa: S101
        return urlsplit(self.outbound.url).hostname or ""

    def load(self, key: Any, outbound: Outbound) -> None:
        """Arm the handle with a request."""
        self.key, self.outbound, self.blocked, self.trouble = key, outbound, None, ""
        self._head.clear()
        self._body.clear()
        self._body_bytes, self._cut = 0, False
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
        address = f"{curl.getinfo(pycurl.PRIMARY_IP)}:{port}" if port > 0 else ""
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
        return completed

    def _outcome(self, error: tuple[int, str] | None) -> Outcome:
        if error is None or (self._cut and error[0] == pycurl.E_WRITE_ERROR):
            return Answered(self.curl.getinfo(pycurl.RESPONSE_CODE))
        if self.blocked is not None:
            return self.blocked
        number, text = error
        if text.startswith("Too large response headers"):  # no code of its own
            return Unanswered(Reason.MALFORMED, text)
        return Unanswered(_REASONS.get(number, Reason.RESET), self.trouble or text)

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
