"""A publisher that costs little: keep-alive connections that send prepared requests.

A process of its own: ``python -m bench.load`` with a JSON plan on its standard input, one JSON line of
results on its standard output. Requests go to the plan's organizations in turn, or are webhooks for its
source.
"""

import asyncio
import hmac
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

PAD = "x" * 1700


def event(number: int) -> dict[str, Any]:
    """An event of about 2 KB."""
    issue = {
        "id": str(number),
        "title": "TypeError: cannot read the total of an empty cart",
        "count": "3",
        "level": "error",
        "score": 0.552,
        "metadata": {"value": PAD},
    }
    return {"resource": "issue", "action": "created", "data": {"n": number, "issue": issue}}


def request(plan: dict[str, Any], first: int, size: int) -> bytes:
    """The bytes of one publish, or of one webhook for the plan's source."""
    if "source" in plan:
        return webhook(plan["source"], first)
    events = [event(first + n) for n in range(size)]
    organizations = plan["organizations"]
    path = f"/api/v1/organizations/{organizations[first // size % len(organizations)]}/events"
    if size == 1:
        body = json.dumps(events[0], separators=(",", ":")).encode()
    else:
        path += "/batch"
        body = json.dumps(events, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {plan['key']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def webhook(source: dict[str, str], number: int) -> bytes:
    """The bytes of one webhook, signed as its sender would."""
    data = event(number)["data"]
    body = json.dumps({"action": "created", "data": data}, separators=(",", ":")).encode()
    signature = hmac.digest(source["secret"].encode(), body, "sha256").hex()
    head = (
        f"POST {source['path']} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Request-ID: {number:032x}\r\nSentry-Hook-Resource: issue\r\n"
        f"Sentry-Hook-Timestamp: {int(time.time())}\r\nSentry-Hook-Signature: {signature}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Run:
    """What is to be sent, and what came of it."""

    requests: list[bytes]
    per_second: float | None
    accepted: bytes
    began: float = 0.0
    next: int = 0
    answered: int = 0
    refused: list[str] = field(default_factory=list)
    sent_ns: list[int] = field(default_factory=list)
    accepted_ns: list[int] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Client(asyncio.Protocol):
    """One connection; the next request goes out when the last was answered, or when it is due."""

    def __init__(self, run: Run):
        self.run = run
        self.pending = b""
        self.current = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def go(self) -> None:
        run = self.run
        if run.next >= len(run.requests):
            return
        self.current = run.next
        run.next += 1
        if run.per_second is not None:
            wait = run.began + self.current / run.per_second - time.perf_counter()
            if wait > 0:
                asyncio.get_running_loop().call_later(wait, self.send)
                return
        self.send()

    def send(self) -> None:
        self.run.sent_ns[self.current] = time.time_ns()
        self.transport.write(self.run.requests[self.current])

    def data_received(self, data: bytes) -> None:
        data = self.pending + data if self.pending else data
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0:
            self.pending = data
            return
        at = data.lower().find(b"content-length: ", 0, head_end + 2)
        end = head_end + 4 + int(data[at + 16 : data.find(b"\r", at)])
        if len(data) < end:
            self.pending = data
            return
        self.pending = data[end:]
        run = self.run
        run.accepted_ns[self.current] = time.time_ns()
        run.answered += 1
        if not data.startswith(run.accepted):
            run.refused.append(data[:200].decode("latin-1"))
        if run.answered == len(run.requests):
            run.done.set()
        else:
            self.go()


async def main() -> None:
    plan = json.load(sys.stdin)
    size, total = plan["batch"], plan["events"]
    requests = [request(plan, n, size) for n in range(0, total, size)]
    accepted = b"HTTP/1.1 200" if "source" in plan else b"HTTP/1.1 202"
    run = Run(requests, plan.get("per_second"), accepted)
    run.sent_ns = [0] * len(requests)
    run.accepted_ns = [0] * len(requests)
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(plan["connections"]):
        _, client = await loop.create_connection(lambda: Client(run), "127.0.0.1", plan["port"])
        clients.append(client)
    run.began = time.perf_counter()
    for client in clients:
        client.go()
    await asyncio.wait_for(run.done.wait(), 300)
    seconds = time.perf_counter() - run.began
    for client in clients:
        client.transport.close()
    print(
        json.dumps(
            {
                "seconds": seconds,
                "events": total,
                "refused": run.refused[:3],
                "refusals": len(run.refused),
                "sent_ns": run.sent_ns,
                "accepted_ns": run.accepted_ns,
            }
        )
    )


if __name__ == "__main__":
    uvloop.run(main())
