"""The example receivers as processes of their own, each behind a real server."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hookline.receive.testing import SECRET
from hookline.samples import names

FOLDER = Path(__file__).parents[2] / "examples" / "receivers"
DEADLINE_S = 60

_UVICORN = ("-m", "uvicorn", "--port", "0", "--no-access-log")
_WAITRESS = ("-m", "waitress", "--listen", "127.0.0.1:0")
APPS = {
    "fastapi": (*_UVICORN, "fastapi_app:app"),
    "starlette": (*_UVICORN, "starlette_app:app"),
    "litestar": (*_UVICORN, "litestar_app:app"),
    "flask": (*_WAITRESS, "flask_app:app"),
    "django": (*_WAITRESS, "django_app:app"),
    "wsgi": ("wsgi_app.py", "0"),
}
ASGI = ("fastapi", "starlette", "litestar")
ENDS_IN_ORDER = (*ASGI, "wsgi")  # waitress ends at once by SIGTERM

# By the names: where two threads print at once, nothing stands between two events.
_ACTIONS = "|".join(name.partition(".")[2] for name in names() if name.startswith("issue."))
_TOLD = rf"new issue: '[^']*'|issue: (?:{_ACTIONS})|event: (?:{'|'.join(names())})"


@dataclass
class App:
    """An example that runs.

    Attributes:
        lines: what it printed.
    """

    name: str
    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks"

    @property
    def handled(self) -> list[str]:
        """What its handlers printed; threads and the server's log share its lines."""
        return re.findall(_TOLD, "".join(self.lines))

    def wait_until(self, holds: Callable[[], object], what: str) -> None:
        with self.changed:
            assert self.changed.wait_for(holds, DEADLINE_S), f"{what}\n{''.join(self.lines)}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)

    def terminate(self) -> int:
        """End it by SIGTERM, and wait until all it printed was read; its exit code."""
        self.process.terminate()
        code = self.process.wait(DEADLINE_S)
        self.wait_until(lambda: self.lines and self.lines[-1] == "", "the end of its output")
        return code

    def follow(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as out:
            for line in out:
                with self.changed:
                    self.lines.append(line)
                    found = re.search(r"on http://127\.0\.0\.1:(\d+)", line)
                    self.port = self.port or (int(found[1]) if found else 0)
                    self.changed.notify_all()
        with self.changed:
            self.lines.append("")
            self.changed.notify_all()


@contextlib.contextmanager
def running(name: str, secret: str = SECRET) -> Iterator[App]:
    """An example, for the length of the block; warnings are errors there too."""
    process = subprocess.Popen(
        [sys.executable, *APPS[name]],
        cwd=FOLDER,
        env=os.environ | {"WEBHOOK_SECRET": secret, "PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    app = App(name, process)
    thread = threading.Thread(target=app.follow)
    thread.start()
    try:
        app.wait_until(lambda: app.port or process.poll() is not None, "it did not start")
        assert app.port, "".join(app.lines)
        yield app
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(DEADLINE_S)
        thread.join(DEADLINE_S)
