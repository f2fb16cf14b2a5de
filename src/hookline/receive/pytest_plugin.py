"""Fixtures for the tests of those who receive; pytest loads them where Hookline is installed.

=====================  ==============================================================================
``hookline_secret``    the secret of the two below; override it in your ``conftest.py``
``hookline_scheme``    the scheme of the two below; ``SENTRY`` unless you override it
``hookline_signed``    ``hookline_signed("issue.created")``: body and headers of a signed request
``hookline_receiver``  a ``RecordingReceiver`` that listens on loopback until the test ends
=====================  ==============================================================================

Without them: ``pytest -p no:hookline``.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hookline.receive.schemes import Scheme
    from hookline.receive.testing import RecordingReceiver, SignedRequest

# Each fixture imports for itself: in a run that uses none of them, nothing is loaded.


@pytest.fixture
def hookline_secret() -> str:
    """A secret that every scheme can use; override it to use your own."""
    from hookline.receive.testing import SECRET  # noqa: PLC0415

    return SECRET


@pytest.fixture
def hookline_scheme() -> "Scheme":
    """The documented scheme; override it to test for another sender."""
    from hookline.receive.schemes import SENTRY  # noqa: PLC0415

    return SENTRY


@pytest.fixture
def hookline_signed(
    hookline_secret: str, hookline_scheme: "Scheme"
) -> "Callable[..., SignedRequest]":
    """Makes signed requests, each as body and headers: ``hookline_signed("issue.created")``."""
    from hookline.receive.testing import signed_request  # noqa: PLC0415

    return partial(signed_request, hookline_secret, scheme=hookline_scheme)


@pytest.fixture
def hookline_receiver(
    hookline_secret: str, hookline_scheme: "Scheme"
) -> "Iterator[RecordingReceiver]":
    """A receiver on loopback that records, verifies and answers 200, or as told."""
    from hookline.receive.testing import RecordingReceiver  # noqa: PLC0415

    with RecordingReceiver(hookline_secret, scheme=hookline_scheme) as receiver:
        yield receiver
