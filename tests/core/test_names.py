"""Which hosts are looked up, and whose look-up comes next."""

import pytest

from hookline.core.names import (
    MOST_FRESH,
    MOST_HUNG,
    MOST_THREADS,
    RESERVED,
    Standing,
    named_host,
    next_of,
)

KNOWN, NEW, HUNG = Standing
ALL = {KNOWN: 1, NEW: 1, HUNG: 1}


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://hooks.example.com/a", ("hooks.example.com", 443)),
        ("http://hooks.example.com", ("hooks.example.com", 80)),
        ("http://HOOKS.Example.com:8080/?a=b", ("hooks.example.com", 8080)),
        ("https://hooks.example.com./", ("hooks.example.com.", 443)),
        ("https://xn--bcher-kva.example/", ("xn--bcher-kva.example", 443)),
        ("https://a_b.example/", ("a_b.example", 443)),
        ("https://receiver/", ("receiver", 443)),
        ("https://user:word@hooks.example.com/", ("hooks.example.com", 443)),
        ("https://1.2.3.4.example/", ("1.2.3.4.example", 443)),
        ("https://localhost.example/", ("localhost.example", 443)),
    ],
)
def test_a_name_is_looked_up(url, found):
    """What a resolver must be asked for is asked for as libcurl would ask."""
    assert named_host(url) == found


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1.", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "a.0x", "[::1]",
        "[fe80::1%25lo]", "localhost", "LOCALHOST.", "a.localhost", "a.onion", "", "%6c%6fcalhost",
        "127.0.0.1%00.test", "b\u00fccher.example", "\uff11\uff12\uff17.0.0.1", "a.test:x", "a b.test",
        "a.test:70000", "[", "a" * 300 + ".test",
    ],
)  # fmt: skip
def test_what_needs_no_resolver_is_left_to_libcurl(host):
    """Addresses in every spelling, libcurl's own names, and what registration refuses."""
    assert named_host(f"http://{host}/") is None


@pytest.mark.parametrize(
    ("waiting", "busy", "turn"),
    [
        ({}, {}, None),
        (ALL, {}, KNOWN),
        ({NEW: 1, HUNG: 1}, {}, NEW),
        ({HUNG: 1}, {}, HUNG),
        ({HUNG: 1}, {HUNG: MOST_HUNG - 1}, HUNG),
        ({HUNG: 1}, {HUNG: MOST_HUNG}, None),
        ({NEW: 1, HUNG: 1}, {HUNG: MOST_HUNG}, NEW),
        ({NEW: 1}, {NEW: MOST_THREADS - RESERVED - 1}, NEW),
        ({NEW: 1, HUNG: 1}, {NEW: MOST_THREADS - RESERVED}, None),
        ({NEW: 1}, {NEW: MOST_THREADS - RESERVED - MOST_HUNG, HUNG: MOST_HUNG}, None),
        (ALL, {NEW: MOST_THREADS - RESERVED}, KNOWN),
        (ALL, {NEW: MOST_THREADS - RESERVED, KNOWN: RESERVED - 1}, KNOWN),
        (ALL, {NEW: MOST_THREADS - RESERVED, KNOWN: RESERVED}, None),
        ({NEW: 1}, {KNOWN: MOST_THREADS - 1}, NEW),
        (ALL, {KNOWN: MOST_THREADS}, None),
    ],
)
def test_turns(waiting, busy, turn):
    """Known names first, some threads for them alone, few for those that hung."""
    assert next_of(waiting, busy, fresh=MOST_FRESH - 1) == turn
    assert next_of(waiting, busy, fresh=MOST_FRESH) is None  # not that many at once
