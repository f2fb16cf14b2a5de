"""The Django view by itself, in a process of its own: settings are made once in a process."""

import json
import subprocess
import sys

from hookline.receive.testing import SECRET, signed_request

PROGRAM = """
import io, json, sys
import django
from django.conf import settings
told = json.load(sys.stdin)
settings.configure(DATA_UPLOAD_MAX_MEMORY_SIZE=9_000, DATABASES={}, USE_TZ=True)
django.setup()
from django.core.handlers.wsgi import WSGIRequest
from hookline.receive import Receiver
from hookline.receive.django import view

hooks, ran = Receiver(told["secret"], max_body=20_000), []
hooks.on()(lambda webhook: ran.append(webhook.event))
receive = view(hooks)
assert hooks.tidy is not None
body = told["body"].encode()
names = {f"HTTP_{n.upper().replace('-', '_')}": v for n, v in told["headers"].items()}

class Reset(io.BytesIO):
    def read(self, *_):
        raise ConnectionResetError

def status(given=body, stream=None, method="POST", **more):
    environ = {"REQUEST_METHOD": method, "PATH_INFO": "/", "CONTENT_LENGTH": str(len(given)),
               "SERVER_NAME": "a", "SERVER_PORT": "80",
               "wsgi.input": stream or io.BytesIO(given), **names, **more}
    answer = receive(WSGIRequest(environ))
    code = json.loads(answer.content)
    return [answer.status_code, code.get("status") or code["error"]["code"]]

seen = {
    "good": status(),
    "short": status(body[:-1], CONTENT_LENGTH=str(len(body))),
    "django's limit": status(b" " * 9_001),
    "our limit": status(b" " * 20_001),
    "reset": status(stream=Reset()),
    "no length": status(CONTENT_LENGTH=""),
    "no number": status(CONTENT_LENGTH="x"),
    "many digits": status(CONTENT_LENGTH="9" * 5_000),
    "GET": status(method="GET"),
}
assert hooks.drain_sync(20)
print(json.dumps([seen, ran, receive.csrf_exempt]))
"""


def test_each_way_to_fail_has_its_answer():
    """Django's own limit is 413 like ours; a reset, a short body, a senseless length are 400."""
    body, headers = signed_request()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        input=json.dumps({"secret": SECRET, "body": body.decode(), "headers": headers}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    seen, ran, exempt = json.loads(done.stdout)
    assert seen == {
        "good": [200, "accepted"],
        "short": [400, "body-incomplete"],
        "django's limit": [413, "body-too-large"],
        "our limit": [413, "body-too-large"],
        "reset": [400, "body-incomplete"],
        "no length": [401, "signature-mismatch"],
        "no number": [400, "length-malformed"],
        "many digits": [400, "length-malformed"],
        "GET": [405, "method-not-allowed"],
    }
    assert (ran, exempt) == (["issue.created"], True)
