"""Webhooks in Django, all in one file: ``WEBHOOK_SECRET=… waitress-serve django_app:app``.

In a project the settings are where they always are, the receiver and its handlers in a module of an app,
and the route in ``urls.py``.
"""

import os
import secrets

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_hex(),
    MIDDLEWARE=[
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
)
django.setup()

from hookline.receive import InMemory, IssueData, Receiver, Webhook  # noqa: E402
from hookline.receive.django import view  # noqa: E402

hooks = Receiver(os.environ["WEBHOOK_SECRET"].split(), deduplicator=InMemory())


@hooks.on("issue", "created")
def tell_the_team(webhook: Webhook) -> None:
    """Handlers run in threads, after the answer, and may use models."""
    issue = webhook.data_as(IssueData)["issue"]
    print(f"new issue: {issue['title']!a}", flush=True)


@hooks.on()
def note_all_else(webhook: Webhook) -> None:
    """What nobody else takes."""
    print(f"event: {webhook.event}", flush=True)


urlpatterns = [path("webhooks", view(hooks))]  # no slash at its end: senders follow no redirect
app = get_wsgi_application()
