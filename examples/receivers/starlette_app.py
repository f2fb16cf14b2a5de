"""Webhooks in Starlette: ``WEBHOOK_SECRET=… uvicorn starlette_app:app``."""

import os

from starlette.applications import Starlette
from starlette.routing import Route

from hookline.receive import InMemory, IssueData, Receiver, Webhook

hooks = Receiver(os.environ["WEBHOOK_SECRET"].split(), deduplicator=InMemory())


@hooks.on("issue", "created")
async def tell_the_team(webhook: Webhook) -> None:
    """An async handler runs on the loop."""
    issue = webhook.data_as(IssueData)["issue"]
    print(f"new issue: {issue['title']!a}", flush=True)


@hooks.on()
def note_all_else(webhook: Webhook) -> None:
    """What nobody else takes; a handler that is not async runs in a thread."""
    print(f"event: {webhook.event}", flush=True)


# A Route and not a Mount: a Mount answers /webhooks by a redirect, and senders follow none.
app = Starlette(routes=[Route("/webhooks", hooks.asgi())], lifespan=hooks.lifespan)
