"""Webhooks without any framework: ``WEBHOOK_SECRET=… python wsgi_app.py 8000``.

The server is the standard library's, which is for trials; any WSGI server takes ``app``. It gets threads
and a longer queue here: with its five places, a burst would wait more than the second that senders give.
"""

import os
import signal
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

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


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection."""

    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    # Python ends at once by SIGTERM; by SystemExit it ends in order, and waits for handlers that run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with make_server("127.0.0.1", int(sys.argv[1]), app, Server) as server:
        print(f"Serving on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
