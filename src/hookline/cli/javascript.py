"""``JSON.stringify(JSON.parse(body))`` in a real JavaScript engine, for those who check both ways.

Hookline itself needs no JavaScript: the demo and its tests use an engine to prove what receivers
see. V8 comes with the package mini-racer; where that is missing, a ``node`` on the PATH will do.
"""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["HOW_TO_GET_IT", "Javascript", "open_javascript"]

HOW_TO_GET_IT: Final = "install mini-racer (pip install mini-racer) or Node.js"

# The answer goes out escaped to ASCII, so that no other encoder on the way can respell it.
_REPRINT: Final = r"""
text => JSON.stringify(JSON.stringify(JSON.parse(text)))
  .replace(/[\u007f-\uffff]/g, c => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"))
"""
_NODE_LOOP: Final = f"""
const reprint = {_REPRINT.strip()};
require("readline").createInterface({{input: process.stdin}}).on("line", line => {{
  let answer;
  try {{ answer = reprint(JSON.parse(line)) }} catch (error) {{ answer = "null" }}
  process.stdout.write(answer + "\\n");
}});
"""


@dataclass(frozen=True, slots=True)
class Javascript:
    """An engine that is open.

    Attributes:
        name: which one it is, for people.
    """

    name: str
    _reprint: Callable[[str], str | None]

    def reprint(self, body: bytes) -> bytes | None:
        """What is left of a body that was parsed and written again; None if it is not JSON."""
        try:
            text = self._reprint(body.decode("utf-8"))
        except UnicodeDecodeError:
            return None
        return None if text is None else text.encode("utf-8", "surrogatepass")


@contextlib.contextmanager
def open_javascript() -> Iterator[Javascript | None]:
    """The engine that there is, or None; it is closed after the block."""
    with contextlib.ExitStack() as stack:
        yield _v8(stack) or _node(stack)


def _v8(stack: contextlib.ExitStack) -> Javascript | None:
    try:
        import py_mini_racer  # noqa: PLC0415  (not one of our dependencies)
    except ImportError:
        return None
    # Unless it is closed, its threads keep the interpreter from ending.
    context: Any = stack.enter_context(py_mini_racer.MiniRacer())
    context.eval(f"globalThis.reprint = {_REPRINT.strip()}; 0")

    def reprint(text: str) -> str | None:
        try:
            return str(json.loads(context.eval(f"reprint({json.dumps(text)})")))
        except py_mini_racer.JSEvalException:
            return None

    return Javascript(f"V8 {context.v8_version} (mini-racer)", reprint)


def _node(stack: contextlib.ExitStack) -> Javascript | None:
    path = shutil.which("node")
    if path is None:
        return None
    version = subprocess.run(  # noqa: S603
        [path, "--version"], capture_output=True, text=True, check=False
    )
    process = stack.enter_context(
        subprocess.Popen(  # noqa: S603
            [path, "-e", _NODE_LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="ascii",
        )
    )

    def reprint(text: str) -> str | None:
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(json.dumps(text) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline() or "null")
        return None if answer is None else str(answer)

    return Javascript(f"node {version.stdout.strip()}", reprint)
