"""Which headers go on, and how they are kept and shown."""

from hypothesis import given
from hypothesis import strategies as st

from hookline.core.forwarding import Forwarded, forwarded_headers, shown, without

TOKENS = st.text("abcXYZ-", min_size=1, max_size=12)
VALUES = st.binary(max_size=20).filter(lambda value: not set(value) & set(b"\r\n\0"))
HOPS = [
    "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "TE",
    "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings", "Host", "Content-Length", "Expect",
    "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "x-forwarded-anything", "X-Real-IP",
]  # fmt: skip


def test_what_belongs_to_the_connection_stays_behind():
    """In whatever case it is written."""
    for name in HOPS:
        for spelt in (name, name.lower(), name.upper()):
            assert forwarded_headers([(spelt.encode(), b"x")]) == ()


def test_what_connection_names_stays_behind():
    """However many there are of it, and in whatever case."""
    headers = [
        (b"connection", b"close, X-One"), (b"Connection", b"x-TWO ,"), (b"X-ONE", b"1"),
        (b"x-two", b"2"), (b"X-Three", b"3"),
    ]  # fmt: skip
    assert forwarded_headers(headers) == (("X-Three", "3"),)


@given(st.lists(st.tuples(TOKENS, VALUES), max_size=8))
def test_all_else_goes_on_in_order_and_comes_back_from_where_it_is_kept(headers):
    """Names as they are spelt, values to the byte, duplicates too."""
    pairs = [(f"Z{name}", value) for name, value in headers]
    kept = forwarded_headers([(name.encode(), value) for name, value in pairs])
    assert [(n, v.encode("latin-1")) for n, v in kept] == [(n, v.strip(b" \t")) for n, v in pairs]
    forwarded = Forwarded("sentry", kept)
    assert forwarded.encode().isascii()
    assert Forwarded.decode(forwarded.encode()) == forwarded


def test_what_opens_something_is_shown_as_stars():
    """Nothing else is."""
    headers = [("authorization", "Bearer x"), ("COOKIE", "a=b"), ("X-Signature", "f00")]
    assert shown(headers) == [
        ("authorization", "********"), ("COOKIE", "********"), ("X-Signature", "f00"),
    ]  # fmt: skip


def test_a_client_adds_nothing_that_the_sender_left_out():
    """What the sender did send is not in the way."""
    assert without(()) == ("Accept", "Content-Type", "User-Agent")
    assert without((("USER-agent", "x"), ("accept", "y"))) == ("Content-Type",)
