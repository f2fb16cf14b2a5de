"""Which handlers run: the rule, over every way to register them."""

import functools
from itertools import product

import pytest

from hookline.receive import GITHUB, STRIPE, Receiver, Webhook
from hookline.receive.routing import Routes, is_async

PATTERNS = (("issue", "created"), ("issue", ""), ("", ""))


def name(label: str):
    def handler(_: Webhook) -> str:
        return label

    return handler


@pytest.mark.parametrize("registered", list(product((False, True), repeat=3)))
def test_the_most_exact_pattern_counts(registered):
    """Whichever patterns are there, those of the most exact one that fits run, and no others."""
    routes = Routes()
    labels = [pattern for pattern, there in zip(PATTERNS, registered, strict=True) if there]
    for pattern in reversed(labels):
        routes.add(pattern[0], (pattern[1],) if pattern[1] else (), name(repr(pattern)))
    for fitting, event in (
        (0, ("issue", "created")),
        (1, ("issue", "resolved")),
        (2, ("error", "x")),
    ):
        expected = [repr(label) for label in labels if PATTERNS.index(label) >= fitting][:1]
        assert [found(None) for found in routes.find(*event)] == expected


def test_those_of_one_pattern_run_in_their_order():
    """Several handlers of one pattern all run, as they were registered."""
    routes = Routes()
    for label in ("b", "a", "c"):
        routes.add("issue", ("created", "resolved"), name(label))
    for action in ("created", "resolved"):
        assert [found(None) for found in routes.find("issue", action)] == ["b", "a", "c"]


def test_on_returns_the_handler():
    """So that one function can be registered for several patterns, and be called."""
    hooks = Receiver("s", scheme=GITHUB)

    @hooks.on("issues", "opened", "closed")
    @hooks.on("push")
    def handler(webhook: Webhook) -> str:
        return "itself"

    assert handler(None) == "itself"


def test_dotted_resources_are_other_senders():
    """Stripe's resources have dots; the documented ones have none, so a dot is a slip of the pen."""
    Receiver("s", scheme=STRIPE).on("customer.subscription", "updated")
    with pytest.raises(ValueError, match=r"@hooks\.on\('issue', 'created'\)"):
        Receiver("s").on("issue.created")


@pytest.mark.parametrize(
    ("arguments", "handler", "kind"),
    [
        (("", "created"), print, ValueError),
        (("issue", ""), print, ValueError),
        (("issue",), "no function", TypeError),
    ],
)
def test_mistakes_are_found_when_the_code_is_loaded(arguments, handler, kind):
    """A pattern or a handler that can never run is refused when it is registered."""
    with pytest.raises(kind):
        Receiver("s").on(*arguments)(handler)


def test_async_handlers_are_known_in_every_form():
    """Functions, methods, partials and objects."""

    class Called:
        async def __call__(self, webhook: Webhook) -> None: ...

        async def method(self, webhook: Webhook) -> None: ...

    async def plain(number: int, webhook: Webhook) -> None: ...

    for handler in (Called(), Called().method, functools.partial(plain, 1)):
        assert is_async(handler)
    assert not is_async(print)
