"""How the operator's list of addresses and hosts is read; what it opens is in test_address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.allowlist import AllowList
from hookline.core.errors import UsageError


@pytest.mark.parametrize("text", ["", " ", ",", " ,\t\n, "])
def test_an_empty_list_opens_nothing(text):
    """No entries is a valid list, equal to the default."""
    assert AllowList.parse(text) == AllowList()


def test_entries_are_kept_as_written():
    """Commas, blanks and line ends separate; the text of each entry survives for display."""
    allow = AllowList.parse("10.0.0.0/8,127.0.0.1:9000\n [::1]:9000\t*.internal")
    assert str(allow) == "10.0.0.0/8, 127.0.0.1:9000, [::1]:9000, *.internal"
    assert AllowList.parse(str(allow)) == allow
    assert hash(AllowList.parse(str(allow))) == hash(allow)


@pytest.mark.parametrize(
    ("entry", "advice"),
    [
        ("10.0.0.1/8", "10.0.0.0/8"),
        ("fd00::1/8", "fd00::/8"),
        ("10.0.0.0/33", "10.0.0.0/8"),
        ("10.0.0.0/", "10.0.0.0/8"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("/8", "10.0.0.0/8"),
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("256.1.1.1", "127.0.0.1"),
        ("010.0.0.1", "127.0.0.1"),
        ("127.0.0.1:", "127.0.0.1:9000"),
        ("127.0.0.1:0", "127.0.0.1:9000"),
        ("127.0.0.1:65536", "127.0.0.1:9000"),
        ("127.0.0.1:http", "127.0.0.1:9000"),
        ("127.0.0.1:+80", "127.0.0.1:9000"),
        ("127.0.0.1:\u0668\u0660", "127.0.0.1:9000"),
        ("[::1", "[::1]:9000"),
        ("[::1]9000", "[::1]:9000"),
        ("[127.0.0.1]:80", "127.0.0.1:9000"),
        ("fe80::1%eth0", "[::1]:9000"),
        ("*", "0.0.0.0/0, ::/0"),
        ("*:443", "0.0.0.0/0, ::/0"),
        ("a.*.internal", "*.internal"),
        ("*internal", "*.internal"),
        ("a..internal", "receiver.internal"),
        ("-a.internal", "receiver.internal"),
        (f"{'a' * 64}.internal", "receiver.internal"),
        ("m\u00fcller.example", "xn--"),
        ("http://receiver.internal:8443/hook", "receiver.internal:8443"),
        (":9000", "receiver.internal:8443"),
        ("\ud800", "receiver.internal"),
    ],
)
def test_a_wrong_entry_is_named_with_advice(entry, advice):
    """The error shows the entry among good ones, and what would work in its place."""
    with pytest.raises(UsageError) as caught:
        AllowList.parse(f"10.0.0.0/8, {entry}, localhost")
    assert caught.value.code == "invalid-allow-list"
    assert ascii(entry)[:80] in caught.value.message
    assert advice in caught.value.hint


GENUINE = ["10.0.0.0/8", "127.0.0.1:9000", "[::1]:9000", "fd00::/8:443", "*.internal:80", "h.i"]


@given(st.sampled_from(GENUINE), st.integers(0, 16), st.text(max_size=2), st.integers(0, 2))
def test_a_mutated_entry_parses_or_is_refused(entry, at, insert, cut):
    """A genuine entry with a piece replaced raises nothing but the documented error."""
    try:
        AllowList.parse(entry[:at] + insert + entry[at + cut :])
    except UsageError as refusal:
        error = refusal
    else:
        return
    assert error.code == "invalid-allow-list"
    assert error.hint
