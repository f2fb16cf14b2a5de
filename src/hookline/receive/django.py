"""A ``Receiver`` as a Django view: ``path("webhooks", view(hooks))``.

The one module of the receiver's kit that imports Django. The view takes the raw body, so no middleware
may read the form of a request before it. Django's own limit, ``DATA_UPLOAD_MAX_MEMORY_SIZE`` (2.5 MB),
counts beside ``max_body``. Handlers that are not async may use models: after each one the thread's
connections are looked after as after a request.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.core.exceptions import RequestDataTooBig
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from hookline.receive.answering import Taken, refuse
from hookline.receive.wsgi import headers_of

if TYPE_CHECKING:
    from hookline.receive.receiver import Receiver

__all__ = ["view"]


def view(hooks: "Receiver") -> Callable[[HttpRequest], HttpResponse]:
    """Make the view; it is exempt from CSRF, for the sender has no cookie and has a signature."""
    hooks.tidy = close_old_connections

    @csrf_exempt  # type: ignore[untyped-decorator]
    def receive(request: HttpRequest) -> HttpResponse:
        taken = _take(hooks, request)
        headers = {name: value for name, value in taken.headers if name != "Content-Type"}
        return HttpResponse(
            taken.body, status=taken.status, headers=headers, content_type="application/json"
        )

    made: Callable[[HttpRequest], HttpResponse] = receive
    return made


def _take(hooks: "Receiver", request: HttpRequest) -> Taken:
    if request.method != "POST":
        return refuse("method-not-allowed")
    text = request.META.get("CONTENT_LENGTH") or "0"
    length = int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else -1
    if length < 0:
        return refuse("length-malformed")
    body, code = _read(request) if length <= hooks.max_body else (b"", "body-too-large")
    if not code and len(body) < length:
        code = "body-incomplete"
    return refuse(code) if code else hooks.answer_sync(body, headers_of(request.META))


def _read(request: HttpRequest) -> tuple[bytes, str]:
    try:
        return request.body, ""
    except RequestDataTooBig:
        return b"", "body-too-large"
    except UnreadablePostError:
        return b"", "body-incomplete"
