"""Webhooks in FastAPI: ``WEBHOOK_SECRET=… uvicorn fastapi_app:app``.

The route is an ASGI app of its own and not a mount: a mount answers /webhooks by a redirect to
/webhooks/, and senders follow none.
"""

import os

from fastapi import FastAPI
from starlette.routing import Route

from hookline.receive import InMemory, IssueData, Receiver, Webhook

hooks = Receiver(os.environ["WEBHOOK_SECRET"].split(), deduplicator=InMemory())

app = FastAPI(lifespan=hooks.lifespan)  # which waits, at the end, for handlers that still run
app.routes.append(Route("/webhooks", hooks.asgi()))


@app.get("/")
async def home() -> dict[str, int]:
    """How many webhooks wait."""
    return {"pending": hooks.pending}


@hooks.on("issue", "created")
async def tell_the_team(webhook: Webhook) -> None:
    """An async handler runs on the loop."""
    issue = webhook.data_as(IssueData)["issue"]
    print(f"new issue: {issue['title']!a}", flush=True)


@hooks.on("issue")
def note(webhook: Webhook) -> None:
    """Any other action of an issue; a handler that is not async runs in a thread."""
    print(f"issue: {webhook.action}", flush=True)


@hooks.on()
def note_all_else(webhook: Webhook) -> None:
    """What nobody else takes."""
    print(f"event: {webhook.event}", flush=True)
