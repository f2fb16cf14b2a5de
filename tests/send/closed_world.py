"""A world of its own for the address guard: every address there is leads here, and names are scripted.

It is run in a network namespace in which the kernel takes each address, IPv4 and IPv6, for one of its
own (``local 0.0.0.0/0 dev lo``): what the guard lets through arrives at a listener, as the database's
port, the neighbour's page and 169.254.169.254 would be reached outside. Nothing leaves the namespace.

Each line of standard input is a script, a JSON object; each line of output says what came of it::

    {"allow": "…", "names": {"a.test": [["8.8.8.8"], ["10.0.0.1"]]}, "listen": [["10.0.0.5", 81, "ok"]],
     "posts": [["http://a.test/"], ["http://a.test:8080/"]]}

``names`` holds what each look-up of a name finds, the last one for ever; a name that finds null gets no
answer at all, an unknown one does not exist. The lists in ``posts`` go out one after the other, what is
in one list at once. Ports 80 and 8080 of every address answer.
"""

import asyncio
import json
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from tests.send.wire import Wire

from hookline.core.address import AllowList
from hookline.send.sender import Completed

RESOLVER = "127.0.0.53"
LONGEST_S = 60
IPV6_FREEBIND = (
    78  # without it, only addresses of an interface can be bound; Python has no name for it
)


@dataclass
class Resolver(asyncio.DatagramProtocol):
    """Answers queries by script."""

    names: dict[str, list[list[str] | None]] = field(default_factory=dict)
    asked: dict[tuple[str, str], int] = field(default_factory=dict)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        found = self._next(name, kind)
        if found is None:
            return
        if name not in self.names:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        fitting = [each for each in found if (":" in each) == (kind == "AAAA")]
        if fitting and kind in ("A", "AAAA"):
            answer.answer.append(dns.rrset.from_text(question.name, 0, "IN", kind, *fitting))
        self._transport.sendto(answer.to_wire(), address)

    def _next(self, name: str, kind: str) -> list[str] | None:
        number = self.asked[name, kind] = self.asked.get((name, kind), 0) + 1
        script = self.names.get(name, [[]])
        return script[min(number, len(script)) - 1]


@dataclass
class Listeners:
    """Whoever connects, to whatever address, is noted."""

    connections: list[str] = field(default_factory=list)
    servers: list[asyncio.Server] = field(default_factory=list)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def listen(self, host: str, port: int, script: str) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                await self._serve(script, reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                pass
            finally:
                self._tasks.discard(task)
                writer.close()

        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in host:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            made.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        made.bind((host, port))
        self.servers.append(await asyncio.start_server(serve, sock=made, backlog=1000))

    async def _serve(self, script: str, reader: Any, writer: Any) -> None:
        host, port = writer.get_extra_info("sockname")[:2]
        self.connections.append(f"{host.removeprefix('::ffff:')} {port}")
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            await reader.readexactly(int(head.partition("Content-Length: ")[2].split("\r\n")[0]))
            path = head.split(" ")[1]
            if script == "never":
                await asyncio.Event().wait()
            if path.startswith("/to/"):
                target = f"Location: http://{path.removeprefix('/to/')}/\r\n"
                writer.write(f"HTTP/1.1 307 Go\r\n{target}Content-Length: 0\r\n\r\n".encode())
            else:
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            if path == "/close":
                return

    def stop(self) -> None:
        for server in self.servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        self.servers.clear()


async def act(script: dict[str, Any], resolver: Resolver) -> dict[str, Any]:
    resolver.names, resolver.asked = script["names"], {}
    listeners = Listeners()
    for host, port, kind in [*script["listen"], ["::", 80, "ok"], ["::", 8080, "ok"]]:
        await listeners.listen(host, port, kind)
    wire = Wire(AllowList.parse(script["allow"]))
    outcomes = []
    for urls in script["posts"]:
        posts = [wire.post(url, timeout_ms=script["timeout_ms"]) for url in urls]
        outcomes += [told(each) for each in await asyncio.gather(*posts)]
    await asyncio.to_thread(wire.sender.close)
    listeners.stop()
    await asyncio.sleep(0)
    threads = len(list(Path("/proc/self/task").iterdir()))
    return {"outcomes": outcomes, "connections": listeners.connections, "threads": threads}


def told(completed: Completed) -> dict[str, Any]:
    kind = type(completed.outcome).__name__
    fields = {name: getattr(completed.outcome, name) for name in type(completed.outcome).__slots__}
    return {"kind": kind, "connected_to": completed.address} | fields


async def main() -> None:
    loop = asyncio.get_running_loop()
    transport, resolver = await loop.create_datagram_endpoint(Resolver, local_addr=(RESOLVER, 53))
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        async with asyncio.timeout(LONGEST_S):
            print(json.dumps(await act(json.loads(line), resolver)), flush=True)
    transport.close()


if __name__ == "__main__":
    asyncio.run(main())
