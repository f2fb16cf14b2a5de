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
resolver led there. A connection that is reused was checked when it was made, and goes on to where it
went, whatever its name resolves to by now.

Where a name has several addresses, libcurl tries one after the other, and the guard is asked for each:
no socket is made for one that it refuses, and if another one answers, that is the answer. The outcome is
``Blocked``, which parks a delivery for good, only if the guard refused all that there was to try. Else a
public address that is down for a moment beside a private one would park what a retry delivers. The
log's detail names the refused address all the same.

What must never change here: no redirects, no proxy from the environment, no signals, a total timeout,
no decompression (the log keeps the bytes that came), and reading that stops at the caps.
"""

import os
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import pycurl

from hookline.core.address import AllowList, decide
from hookline.core.address import Blocked as BlockedAddress
from hookline.core.outcome import Blocked
from hookline.core.request import Outbound
from hookline.send.slot import HEAD_CAP, RESPONSE_CAP, Completed, Slot, impossible, with_port

__all__ = ["HEAD_CAP", "RESPONSE_CAP", "Completed", "CurlSender"]

IDLE_CONNECTIONS = 1_000
LONGEST_WAIT_S = 0.25  # a floor under everything: no lost edge can stall a transfer for longer

# libcurl cannot leave a look-up before the system's resolver gives up on it, which takes 10 s or more
# where the name's server is dead. What is left after this ends with the process.
LONGEST_CLOSING_S = 0.5

# While a body goes out in pieces (``slot.py``), no edge tells of the next one: the turns come quickly.
BULKY_WAIT_S = 0.003

_EPOLL_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


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
        self._idle: list[Slot] = []
        self._active = 0
        self._bulky = 0
        self._stopping = False
        self._left = threading.Event()
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
        self._left.wait()
        self._thread.join(LONGEST_CLOSING_S)
        os.close(self._wake)

    # -- the thread -------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        finally:
            self._left.set()
        self._multi.close()
        self._epoll.close()

    def _turn(self) -> None:
        self._start_new()
        if self._active:
            self._multi.perform()
            completed = self._reap()
            if completed:
                self._on_completed(completed)
                return
        self._wait()

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
            slot = self._idle.pop() if self._idle else Slot(self._open_socket, self._user_agent)
            try:
                slot.load(key, outbound)
            except (ValueError, TypeError, pycurl.error) as trouble:
                # Registration lets no such request through. If one comes, it must not end the thread.
                slot.curl.close()
                self._on_completed([impossible(key, trouble)])
                continue
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

    def _finish(self, slot: Slot, error: tuple[int, str] | None) -> Completed:
        self._multi.remove_handle(slot.curl)
        self._active -= 1
        self._bulky -= slot.bulky
        completed = slot.unload(error)
        self._idle.append(slot)
        return completed

    def _open_socket(self, slot: Slot, address: Any) -> Any:
        host, port = address.addr[0], address.addr[1]
        if isinstance(host, bytes):
            host = host.decode("ascii", "replace")
        decision = decide(host, port, slot.host(), self._allow)
        if isinstance(decision, BlockedAddress):
            slot.blocked = slot.blocked or Blocked(with_port(host, port), decision.rule)
            return pycurl.SOCKET_BAD
        slot.allowed = True
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
