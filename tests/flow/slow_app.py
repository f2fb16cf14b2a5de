"""A slow application behind a gateway: verifies what comes, takes its time, and notes what it handled.

    python slow_app.py PORT SECONDS FILE

It prints its port. What it has handled stands in FILE, one JSON document a line, before it answers: so
whoever kills it in the middle of its work finds there what was done, and nothing else.
"""

import asyncio
import base64
import json
import os
import sys
from pathlib import Path

from hookline.receive import WebhookError, verify

SECRET = "s3cret of the sender"


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float, notes: Path
) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")[1:-2]
            headers = [
                (name, value.strip()) for name, _, value in (s.partition(":") for s in lines)
            ]
            length = next(int(value) for name, value in headers if name.lower() == "content-length")
            body = await reader.readexactly(length)
            try:
                said = verify(body, headers, SECRET).event
            except WebhookError as error:
                said = error.code
            await asyncio.sleep(seconds)
            note = {"said": said, "headers": headers, "body": base64.b64encode(body).decode()}
            with notes.open("a") as file:
                file.write(json.dumps(note) + "\n")
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    port, seconds, notes = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    server = await asyncio.start_server(
        lambda r, w: serve(r, w, seconds, notes), "127.0.0.1", port, limit=4 * 1_048_576
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(os.read, 0, 1)  # until whoever started it is gone


if __name__ == "__main__":
    asyncio.run(main())
