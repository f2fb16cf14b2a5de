"""The kit alone: a bare interpreter with nothing installed imports it and verifies."""

import json
import subprocess
import sys
from pathlib import Path

from hookline.receive.testing import SECRET, signed_request

SRC = Path(__file__).parents[2] / "src"

PROGRAM = """
import json, pkgutil, importlib, sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
from hookline.receive import InMemory, STANDARD, WebhookError, verify
told = json.load(sys.stdin)
webhook = verify(told["body"].encode(), told["headers"], told["secret"])
first = InMemory().first(webhook.key)
loaded = sorted(set(sys.modules) - before)
try:
    verify(b"{}", told["standard"], "whpk_" + "A" * 43 + "=", scheme=STANDARD, now=1)
    ed25519 = None
except WebhookError as error:
    ed25519 = [error.code, error.hint]
import hookline.receive
names = [m.name for m in pkgutil.iter_modules(hookline.receive.__path__, "hookline.receive.")]
missing = {}
for name in names:
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing[name] = error.name
print(json.dumps({"event": webhook.event, "first": first, "loaded": loaded, "missing": missing,
                  "ed25519": ed25519, "names": names}))
"""

# What would make a program heavier that only wants to verify.
HEAVY = {
    *("asyncio", "concurrent.futures", "decimal", "difflib", "email", "http", "http.client"),
    *("logging", "multiprocessing", "pathlib", "random", "selectors", "socket", "sqlite3", "ssl"),
    *("subprocess", "tempfile", "unittest", "urllib", "urllib.parse", "zlib"),
}


def test_it_needs_the_standard_library_and_little_of_it() -> None:
    """Every module but the adapters is imported without site-packages; verifying loads no more."""
    body, headers = signed_request()
    standard = {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1a,AAAA"}
    told = {"body": body.decode(), "headers": headers, "secret": SECRET, "standard": standard}
    made = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", PROGRAM, str(SRC)],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    seen = json.loads(made.stdout)
    assert (seen["event"], seen["first"]) == ("issue.created", True)
    assert len(seen["names"]) > 10
    assert seen["missing"] == {"hookline.receive.pytest_plugin": "pytest"}
    assert seen["ed25519"] == ["ed25519-missing", 'Install it: pip install "hookline[ed25519]"']
    assert HEAVY & set(seen["loaded"]) == set()
    ours = {name for name in seen["loaded"] if name.startswith("hookline.core.")}
    assert ours == {"hookline.core.errors", "hookline.core.headers", "hookline.core.mistakes"}
    assert len(seen["loaded"]) < 120, seen["loaded"]
