"""Webhooks without any framework: ``WEBHOOK_SECRET=… python wsgi_app.py 8000``.

The server is the standard library's, which is for trials; any WSGI server takes ``app``.
"""

import os
import signal
import sys
from wsgiref.simple_server import make_server

from hookline.receive import InMemory, IssueData, Receiver, Webhook

hooks = Receiver(os.environ["WEBHOOK_SECRET"].split(), deduplicator=InMemory())
app = hooks.wsgi("/webhooks")


@hooks.on("issue", "created")
def tell_the_team(webhook: Webhook) -> None:
    """Handlers run in threads, after the answer."""
    issue = webhook.data_as(IssueData)["issue"]
    print(f"new issue: {issue['title']!a}", flush=True)


@hooks.on()
def note_all_else(webhook: Webhook) -> None:
    """What nobody else takes."""
    print(f"event: {webhook.event}", flush=True)


if __name__ == "__main__":
    # Python ends at once by SIGTERM; by SystemExit it ends in order, and waits for handlers that run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with make_server("127.0.0.1", int(sys.argv[1]), app) as server:
        print(f"Serving on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
