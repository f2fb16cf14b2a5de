"""Log lines on real pipes: quick readers, slow ones, and none."""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from hookline.send.lines import LineWriter

DEADLINE_S = 10.0
F_SETPIPE_SZ = 1031
PIPE_BYTES = 4_096


@dataclass
class Pipe:
    """A small pipe, and a reader that reads when told to."""

    read_end: int
    write_end: int
    came: bytearray = field(default_factory=bytearray)

    def read_until(self, last: bytes) -> bytes:
        """Read until this came."""
        while last not in self.came:
            more = os.read(self.read_end, 65_536)
            assert more, f"it ended: {bytes(self.came[-200:])!r}"
            self.came += more
        return bytes(self.came)

    def read_all(self) -> bytes:
        """Read until nobody can write any more."""
        while more := os.read(self.read_end, 65_536):
            self.came += more
        return bytes(self.came)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe(*os.pipe())
    fcntl.fcntl(made.write_end, F_SETPIPE_SZ, PIPE_BYTES)
    yield made
    for end in (made.read_end, made.write_end):
        with contextlib.suppress(OSError):  # the test closed it
            os.close(end)


def notice(lines: int) -> bytes:
    return b"dropped %d\n" % lines


def numbered(first: int, last: int) -> list[bytes]:
    return [b"line %05d\n" % n for n in range(first, last)]


def test_lines_come_in_their_order(pipe):
    """All of them, and nothing between them."""
    writer = LineWriter(pipe.write_end, notice)
    lines = numbered(0, 2_000)
    reading = threading.Thread(target=pipe.read_until, args=(lines[-1],))
    reading.start()
    for line in lines:
        writer.write(line)
    reading.join(DEADLINE_S)
    writer.close()
    assert bytes(pipe.came) == b"".join(lines)
    assert writer.dropped == 0


def test_nobody_reads_and_nobody_waits(pipe):
    """Writing to a full pipe returns; what does not fit is counted, and said where it is missing."""
    writer = LineWriter(pipe.write_end, notice, capacity=20_000)
    lines = numbered(0, 10_000)
    for line in lines:
        writer.write(line)
    dropped = writer.dropped
    assert 0 < dropped < len(lines)
    reading = threading.Thread(target=pipe.read_until, args=(b"after\n",))
    reading.start()
    while b"after\n" not in pipe.came and reading.is_alive():
        writer.write(b"after\n")  # once the reader has made room, the notice goes in front of it
    reading.join(DEADLINE_S)
    writer.close()
    expected = 0
    for line in bytes(pipe.came).split(b"after\n")[0].splitlines():
        word, number = line.split()
        if word == b"dropped":
            expected += int(number)
        else:
            assert int(number) == expected
            expected += 1
    assert expected >= len(lines)  # more, where an "after" was dropped too
    assert dropped <= writer.dropped


def test_closing_gives_up_on_a_reader_that_does_not_read(pipe):
    """It waits a moment, not for ever."""
    writer = LineWriter(pipe.write_end, notice)
    writer.write(bytes(100_000))
    closing = threading.Thread(target=writer.close, args=(0.05,))
    closing.start()
    closing.join(DEADLINE_S)
    assert not closing.is_alive()
    os.close(pipe.read_end)  # lets the thread go
    writer._thread.join(DEADLINE_S)
    assert not writer._thread.is_alive()


def test_closing_writes_what_waits(pipe):
    """For a reader that reads, nothing is lost at the end."""
    writer = LineWriter(pipe.write_end, notice)
    reading = threading.Thread(target=pipe.read_all)
    reading.start()
    lines = numbered(0, 5_000)
    for line in lines:
        writer.write(line)
    writer.close(DEADLINE_S)
    os.close(pipe.write_end)
    reading.join(DEADLINE_S)
    assert bytes(pipe.came) == b"".join(lines)


def test_what_comes_after_closing_is_dropped(pipe):
    """It is counted like any other."""
    writer = LineWriter(pipe.write_end, notice)
    writer.close()
    writer.write(b"late\n")
    assert writer.dropped == 1


def test_a_reader_that_went_away(pipe):
    """Its lines are dropped; nobody who writes hears of it."""
    writer = LineWriter(pipe.write_end, notice)
    os.close(pipe.read_end)
    for line in numbered(0, 10):
        writer.write(line)
    writer.close(DEADLINE_S)
    assert not writer._thread.is_alive()
    assert writer.dropped == 10


def test_a_descriptor_that_does_not_block(pipe):
    """Another program may have made the pipe so; it is waited for, and nothing is lost."""
    os.set_blocking(pipe.write_end, False)
    writer = LineWriter(pipe.write_end, notice)
    lines = numbered(0, 3_000)
    for line in lines:
        writer.write(line)
    came = pipe.read_until(lines[-1])
    writer.close()
    assert came == b"".join(lines)
    assert writer.dropped == 0


def test_it_never_writes_to_another_file(pipe, tmp_path):
    """Not even where its descriptor was closed, and the number is another file's by now."""
    lent = os.dup(pipe.write_end)
    writer = LineWriter(lent, notice)
    os.close(lent)
    taken = os.open(tmp_path / "database", os.O_CREAT | os.O_WRONLY)
    assert taken == lent
    writer.write(b"a line\n")
    writer.close()
    os.close(taken)
    assert pipe.read_until(b"a line\n") == b"a line\n"
    assert (tmp_path / "database").read_bytes() == b""
