"""Webhooks in Litestar: ``WEBHOOK_SECRET=… uvicorn litestar_app:app``."""

import os

from litestar import Litestar, asgi
from litestar.types import Receive, Scope, Send

from hookline.receive import InMemory, IssueData, Receiver, Webhook

hooks = Receiver(os.environ["WEBHOOK_SECRET"].split(), deduplicator=InMemory())
receiver = hooks.asgi()


@asgi("/webhooks", copy_scope=True)
async def webhooks(scope: Scope, receive: Receive, send: Send) -> None:
    """Take webhooks."""
    await receiver(scope, receive, send)


@hooks.on("issue", "created")
async def tell_the_team(webhook: Webhook) -> None:
    """An async handler runs on the loop."""
    issue = webhook.data_as(IssueData)["issue"]
    print(f"new issue: {issue['title']!a}", flush=True)


@hooks.on()
def note_all_else(webhook: Webhook) -> None:
    """What nobody else takes; a handler that is not async runs in a thread."""
    print(f"event: {webhook.event}", flush=True)


app = Litestar([webhooks], lifespan=[hooks.lifespan])
