"""Writing log lines where somebody may be slow to read them.

A pipe that nobody empties takes 64 KiB and then makes its writer wait. That must never be the event
loop, so lines go into a bounded queue, and a thread of its own writes them. What does not fit is dropped
and counted, and the next line that is written says how many.
"""

import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["LineWriter"]

CAPACITY_BYTES = 4 * 1_048_576
PIECE_BYTES = 65_536
PATIENCE_S = 0.5  # at closing, for a reader that is only slow


class LineWriter:
    """Writes lines to a file descriptor from a thread; whoever calls never waits.

    Args:
        descriptor: where to. It is duplicated, so that a thread that comes free late can never write
            to what has its number by then.
        notice: makes the line that says how many were dropped, with its line break.
        capacity: bytes that may wait in the queue.
    """

    def __init__(
        self, descriptor: int, notice: Callable[[int], bytes], *, capacity: int = CAPACITY_BYTES
    ):
        self.dropped = 0
        self._descriptor = os.dup(descriptor)
        self._notice = notice
        self._capacity = capacity
        self._queue: deque[tuple[bytes, int]] = deque()
        self._queued = 0
        self._unsaid = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name="hookline-log", daemon=True)
        self._thread.start()

    def write(self, data: bytes, lines: int = 1) -> None:
        """Take lines, each with its line break; from any thread."""
        with self._changed:
            if self._closing or self._queued + len(data) > self._capacity:
                self._drop(lines)
                return
            self._say_dropped()
            self._append(data, lines)
            self._changed.notify()

    def close(self, patience_s: float = PATIENCE_S) -> None:
        """Write what waits, as long as somebody takes it; then give up."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(patience_s)
        # A thread that is stuck in a write is left behind: it holds nothing that anybody needs.

    def _drop(self, lines: int) -> None:
        self.dropped += lines
        self._unsaid += lines

    def _say_dropped(self) -> None:
        """Put the notice where the lines would have stood."""
        if self._unsaid:
            self._append(self._notice(self._unsaid), 0)
            self._unsaid = 0

    def _append(self, data: bytes, lines: int) -> None:
        self._queue.append((data, lines))
        self._queued += len(data)

    def _serve(self) -> None:
        try:
            self._write_on()
        finally:
            os.close(self._descriptor)

    def _write_on(self) -> None:
        while True:
            with self._changed:
                while not (self._queue or self._closing):
                    self._changed.wait()
                if not self._queue:
                    return
                data, lines = self._take()
            try:
                self._write_all(data)
            except OSError:  # whoever read is gone, or the disk is full
                with self._changed:
                    self._drop(lines)

    def _take(self) -> tuple[bytes, int]:
        """Some of what waits, in the order of its coming."""
        pieces, count, size = [], 0, 0
        while self._queue and size < PIECE_BYTES:
            data, lines = self._queue.popleft()
            pieces.append(data)
            count += lines
            size += len(data)
        self._queued -= size
        if not self._queue:
            self._say_dropped()
        return b"".join(pieces), count

    def _write_all(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                written = os.write(self._descriptor, left[:PIECE_BYTES])
            except BlockingIOError:  # somebody who shares it made it so
                self._wait_for_room()
                continue
            left = left[written:]

    def _wait_for_room(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        with contextlib.suppress(InterruptedError):
            poll.poll()
