"""A source of a live server, and its sender."""

from typing import Any

import httpx

from hookline.receive import scheme_named
from hookline.receive.testing import signed_request

SECRET = "s3cret of the sender"
NEW_SECRET = "0123456789abcdef" * 3 + "12345678"


class Sender:
    """A source, and how its sender posts to it."""

    def __init__(self, live: Any, scheme: str = "sentry", **more: Any):
        self.live = live
        self.scheme = scheme_named(scheme)
        self.slug = live.name("source")
        given = {
            "name": self.slug,
            "slug": self.slug,
            "organization": "acme",
            "scheme": scheme,
            "secrets": [SECRET],
        }
        self.made = live.ok(live.client.post("/api/v1/sources", json=given | more), 201)
        self.path = self.made["path"]

    def route(self, **given: Any) -> str:
        """An application behind it; the path where its requests come."""
        made = self.live.register(source=self.slug, organization="acme", **given)
        return f"/{made['slug']}"

    def post(self, body: bytes, headers: Any, path: str | None = None) -> httpx.Response:
        """POST these very bytes, with nothing of the API's key."""
        url = self.live.served.url + (self.path if path is None else path)
        with httpx.Client(trust_env=False, timeout=10) as client:
            return client.post(url, content=body, headers=headers)

    def send(self, name: str = "issue.created", secret: str = SECRET, **more: Any) -> Any:
        """Send a sample, and what it was answered."""
        body, headers = signed_request(secret, name, scheme=self.scheme, **more)
        return self.live.ok(self.post(body, headers), 200)

    def refused(self, limit: int = 50) -> list[Any]:
        """What it kept of what it refused."""
        return self.live.get(f"/api/v1/sources/{self.slug}/refused", limit=limit)["refused"]
