"""Which handlers a webhook is for: pure.

The rule, in one sentence: **of the patterns that fit a webhook the most exact one counts, and all its
handlers run, in the order in which they were registered; nobody else's do.** Most exact is resource
and action, then the resource alone, then nothing named at all.
"""

import inspect
from collections.abc import Callable
from typing import Final, TypeAlias

from hookline.receive.webhook import Webhook

__all__ = ["Handler", "Routes", "is_async"]

Handler: TypeAlias = Callable[[Webhook], object]
"""What is registered: a function, or an async one, that takes the webhook."""

ANY: Final = ""


class Routes:
    """Handlers by what they were registered for.

    >>> routes = Routes()
    >>> routes.add("issue", ("created",), print)
    >>> routes.add("issue", (), repr)
    >>> routes.find("issue", "created"), routes.find("issue", "resolved"), routes.find("error", "")
    ((<built-in function print>,), (<built-in function repr>,), ())
    """

    __slots__ = ("_handlers",)

    def __init__(self) -> None:
        self._handlers: dict[tuple[str, str], list[Handler]] = {}

    def add(self, resource: str, actions: tuple[str, ...], handler: Handler) -> None:
        """Register a handler for some actions of a resource; for all of them where none is named.

        Raises:
            ValueError: actions without a resource, or an empty name. That is a mistake in the code,
                and is found when it is loaded.
            TypeError: the handler cannot be called, as in ``@hooks.on`` without its brackets.
        """
        if not callable(handler):
            raise TypeError(
                "a handler is a function that takes the webhook: @hooks.on(...) above it"
            )
        if not resource and actions:
            raise ValueError("an action needs its resource: @hooks.on('issue', 'created')")
        if not all(actions):
            raise ValueError("an action cannot be empty; for all of them name the resource alone")
        for action in actions or (ANY,):
            self._handlers.setdefault((resource, action), []).append(handler)

    def find(self, resource: str, action: str) -> tuple[Handler, ...]:
        """The handlers that run, in their order."""
        for key in ((resource, action), (resource, ANY), (ANY, ANY)):
            if key in self._handlers:
                return tuple(self._handlers[key])
        return ()


def is_async(handler: Handler) -> bool:
    """Whether calling it gives something to await: an async function, or an object that is called so."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004  (the method itself is looked at)
    )
