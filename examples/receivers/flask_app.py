"""Webhooks in Flask: ``WEBHOOK_SECRET=… waitress-serve flask_app:app``, or gunicorn."""

import os

from flask import Flask
from flask.typing import ResponseReturnValue

from hookline.receive import InMemory, IssueData, Receiver, Webhook

app = Flask(__name__)
hooks = Receiver(os.environ["WEBHOOK_SECRET"].split(), deduplicator=InMemory())
receiver = hooks.wsgi()


@app.post("/webhooks")
def webhooks() -> ResponseReturnValue:
    """Take webhooks: a view of Flask's may return a WSGI app."""
    return receiver


@hooks.on("issue", "created")
def tell_the_team(webhook: Webhook) -> None:
    """Handlers run in threads, after the answer."""
    issue = webhook.data_as(IssueData)["issue"]
    print(f"new issue: {issue['title']!a}", flush=True)


@hooks.on()
async def note_all_else(webhook: Webhook) -> None:
    """What nobody else takes; an async handler runs on a loop that the receiver keeps for them."""
    print(f"event: {webhook.event}", flush=True)
