"""A receiver process that counts: ``python counting.py FAIL_EVERY [TAKES_S]``.

It prints its port. Of FAIL_EVERY webhooks (0: none) one is answered 500 the first time it comes, and
each answer takes TAKES_S seconds. A line on standard input is answered with one JSON line: how many
webhooks came, how many distinct ones were answered 2xx, how many of those came again, and how many had
a signature that does not verify, or a Request-ID or body other than the first time. The line is an
object of secrets to learn, by installation; or ``"accepted"``, for the event numbers answered 2xx, by
installation; or ``"repeats"``, for the Request-ID of each webhook that came again after it was answered
2xx, with both instants (CLOCK_MONOTONIC, ns); or ``"most"``, for how many were being answered at once;
or ``"order"`` or ``"times"``, for the event numbers as they came, or when (CLOCK_MONOTONIC, ns).
"""

import asyncio
import hashlib
import hmac
import json
import sys
import time
from collections import Counter
from typing import Any


class Counting:
    """What came, by (event number, installation)."""

    def __init__(self, fail_every: int, takes_s: float = 0):
        self.fail_every = fail_every
        self.takes_s = takes_s
        self.came: Counter[tuple[int, str]] = Counter()
        self.answered: Counter[tuple[int, str]] = Counter()
        self.first: dict[tuple[int, str], tuple[str, bytes]] = {}
        self.answered_at: dict[tuple[int, str], int] = {}
        self.repeats: list[tuple[str, int, int]] = []
        self.wrong = 0
        self.open = self.most = 0
        self.order: list[int] = []
        self.times: list[int] = []
        self.secrets: dict[str, str] = {}

    def take(self, head: bytes, body: bytes) -> int:
        """Count a webhook; the status to answer."""
        document = json.loads(body)
        uuid = document["installation"]["uuid"]
        key = (document["data"]["n"], uuid)
        headers = dict(
            line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line
        )
        secret = self.secrets.get(uuid, "")
        expected = hmac.digest(secret.encode(), body, "sha256").hex()
        this = (headers["Request-ID"], hashlib.sha256(body).digest())
        if headers["Sentry-Hook-Signature"] != expected or self.first.setdefault(key, this) != this:
            self.wrong += 1
        now = time.monotonic_ns()
        if key in self.answered_at:
            self.repeats.append((headers["Request-ID"], self.answered_at[key], now))
        self.came[key] += 1
        if self.fail_every and self.came[key] == 1 and sum(map(hash, key)) % self.fail_every == 0:
            return 500
        self.answered[key] += 1
        self.answered_at[key] = now
        return 204

    def accepted(self) -> dict[str, list[int]]:
        """The event numbers that were answered 2xx, by installation."""
        found: dict[str, list[int]] = {}
        for n, uuid in self.answered:
            found.setdefault(uuid, []).append(n)
        return found

    def stats(self) -> dict[str, int]:
        """The counts."""
        return {
            "came": self.came.total(),
            "distinct": len(self.answered),
            "again": self.answered.total() - len(self.answered),
            "wrong": self.wrong,
        }

    def tell(self, asked: Any) -> Any:
        """The answer to a line."""
        if asked == "accepted":
            return self.accepted()
        if asked in ("repeats", "most", "order", "times"):
            return getattr(self, asked)
        self.secrets |= asked
        return self.stats()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                at = head.index(b"Content-Length: ") + 16
                body = await reader.readexactly(int(head[at : head.index(b"\r", at)]))
                self.open += 1
                self.most = max(self.most, self.open)
                self.order.append(json.loads(body)["data"]["n"])
                self.times.append(time.monotonic_ns())
                if self.takes_s:
                    await asyncio.sleep(self.takes_s)
                self.open -= 1
                status = self.take(head, body)
                writer.write(b"HTTP/1.1 %d -\r\nContent-Length: 0\r\n\r\n" % status)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def main() -> None:
    """Serve, and answer lines."""
    counting = Counting(int(sys.argv[1]), *map(float, sys.argv[2:]))
    server = await asyncio.start_server(counting.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(counting.tell(json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
