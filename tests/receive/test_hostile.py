"""Strangers' bytes: whatever comes, ``verify`` gives a webhook or the one exception."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hookline.receive import Scheme, WebhookError, explain, names, plain_hmac, scheme_named, verify
from hookline.receive.errors import REASONS
from hookline.receive.testing import SECRET, signed_request

NOW = 1_767_225_600
SCHEMES = [
    *map(scheme_named, names()),
    plain_hmac(header="X-Sig", encoding="base64", prefix="sha512=", algorithm="sha512"),
]
ANY_TEXT = st.text(st.characters(exclude_categories=()))
WHPK = "whpk_" + base64.b64encode(bytes(range(32))).decode()


def outcome(body: Any, headers: Any, scheme: Scheme, secrets: Any = SECRET) -> str:
    """The event, or the code of the one exception; anything else is raised."""
    try:
        return verify(body, headers, secrets, scheme=scheme, now=NOW).scheme
    except WebhookError as caught:
        error = caught
    assert REASONS[error.code] == (error.status, error.hint)
    for private in ("aG9va2xpbmUgdGVzdCBzZWNyZXQ", "hookline test secret"):
        assert private not in f"{error}{error.hint}{error!r}"
    return error.code


def cut_in(text: str, at: int, cut: int, spice: str) -> str:
    return text[:at] + spice + text[at + cut :]


SPICE = st.sampled_from(
    ["", "\n", " ", ",", "=", ";", "v1,", "v1a,", "\x00", "é", "\ud800", "9", "9" * 400, "-", "."]
)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_mutated_headers(data: st.DataObject) -> None:
    """A genuine request of each scheme, with one header spoilt, missing, doubled or renamed."""
    scheme = data.draw(st.sampled_from(SCHEMES))
    body, headers = signed_request(scheme=scheme, now=NOW)
    name = data.draw(st.sampled_from(sorted(headers)))
    pairs: list[tuple[Any, Any]] = [each for each in headers.items() if each[0] != name]
    value = headers[name]
    at, cut = data.draw(st.integers(0, len(value))), data.draw(st.integers(0, 70))
    spoilt = cut_in(value, at, cut, data.draw(SPICE))
    change = data.draw(st.sampled_from(["spoil", "drop", "double", "rename", "bytes", "empty"]))
    pairs += {
        "spoil": [(name, spoilt)],
        "drop": [],
        "double": [(name, value), (name.upper(), spoilt)],
        "rename": [(name.replace("-", "_"), value)],
        "bytes": [(name.encode(), spoilt.encode("utf-8", "surrogatepass"))],
        "empty": [(name, ""), (data.draw(ANY_TEXT), data.draw(ANY_TEXT))],
    }[change]
    secrets = data.draw(st.sampled_from([SECRET, [SECRET, WHPK], [WHPK], ["old", SECRET]]))
    outcome(body, pairs, scheme, secrets)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_bodies(data: st.DataObject) -> None:
    """A genuine body of each scheme with bytes changed, added or lost never passes."""
    scheme = data.draw(st.sampled_from(SCHEMES))
    body, headers = signed_request(scheme=scheme, now=NOW)
    at, cut = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 3))
    spoilt = body[:at] + data.draw(st.binary(max_size=4)) + body[at + cut :]
    code = outcome(spoilt, headers, scheme)
    assert code == (scheme.name if spoilt == body else "signature-mismatch")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_signed_nonsense(data: st.DataObject) -> None:
    """A sender that signs what is no webhook of its own: bytes, numbers, lists, deep and odd JSON."""
    scheme = data.draw(st.sampled_from(SCHEMES))
    value = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["action", "data", "type", "event", "id", "actor", "installation"])
                | ANY_TEXT,
                inner,
            )
        ),
        max_leaves=8,
    )
    body = data.draw(
        st.binary() | value.map(lambda each: json.dumps(each).encode("utf-8", "surrogatepass"))
    )
    _, headers = signed_request(scheme=scheme, body=body, now=NOW)
    if data.draw(st.booleans()):
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    code = outcome(body, headers, scheme)
    assert code == scheme.name or REASONS[code].status == 400


class _Bad:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class _BadItems(dict[str, str]):
    def items(self) -> Any:
        raise KeyError("items")


@pytest.mark.parametrize(
    "headers",
    [
        *(None, 7, "a: b", b"a: b", object(), _Bad(), _BadItems(), [None], [()], [("a",)], [[]]),
        *([(None, None)], {"a": None}, {1: "a"}, {"a": [None]}, {"a": {"b": "c"}}, iter([1])),
        *([("a", "b"), "cd", "efg"], {"a": ["b", [None]]}),
    ],
    ids=repr,
)
def test_hostile_headers(headers: Any) -> None:
    """What is no set of headers is one error, and never any other."""
    assert outcome(b"{}", headers, SCHEMES[0]) == "headers-unreadable"


@pytest.mark.parametrize("body", [None, 7, "{}", [], {}, object(), _Bad()], ids=repr)
def test_hostile_bodies(body: Any) -> None:
    """What is no bytes is one error, and never any other."""
    assert outcome(body, {}, SCHEMES[0]) == "body-not-bytes"


@settings(max_examples=150, deadline=None)
@given(data=st.data(), secrets=st.lists(ANY_TEXT, max_size=3))
@example(data=None, secrets=["\ud800"])
def test_odd_secrets(data: st.DataObject | None, secrets: list[str]) -> None:
    """Any texts as secrets: they open nothing and raise nothing else."""
    for scheme in [data.draw(st.sampled_from(SCHEMES))] if data else SCHEMES:
        body, headers = signed_request(scheme=scheme, now=NOW)
        code = outcome(body, headers, scheme, secrets)
        assert code in {"signature-mismatch", "no-secret", "secret-unusable"}


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_explanation_never_raises(data: st.DataObject) -> None:
    """Whatever is refused can be explained, by a cause, a sentence and a hint; no secret is shown."""
    scheme = data.draw(st.sampled_from(SCHEMES))
    body, headers = signed_request(scheme=scheme, now=NOW)
    spoil: Callable[[str], str] = data.draw(
        st.sampled_from([str.upper, lambda s: s[:9], lambda s: f" sha256={s}", lambda s: s + "é"])
    )
    name = data.draw(st.sampled_from([*sorted(headers), "nothing"]))
    spoilt = {n: spoil(v) if n == name else v for n, v in headers.items()}
    content = data.draw(st.sampled_from([body, body + b"\n", b"", b"\xff", body[:-1]]))
    secret = data.draw(st.sampled_from([SECRET, "other", "whsec_QUJD", WHPK]))
    found = explain(content, spoilt, secret, scheme=scheme, old_secrets=[SECRET], now=NOW)
    assert found.cause
    assert found.explanation.endswith(".")
    for private in ("aG9va2xpbmUgdGVzdCBzZWNyZXQ", *headers.values()):
        shown = f"{found.explanation} {found.hint}"
        assert len(private) < 20 or private not in shown
