"""Secrets are found in text by their shape and by their value, whole, cut, or spelt by a library."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.masking import BEGINNING, LEAST, Mask
from hookline.core.quoting import excerpt
from hookline.core.secret import STARS, Secret

KEY = "hkl_" + "0123456789abcdef" * 4
HEX = "fedcba9876543210" * 4
CHOSEN = 'a "chosen" \\ key, é'
texts = st.text(max_size=80)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (KEY, f"hkl_{STARS}"),
        (f"/api/v1/{KEY}/x", f"/api/v1/hkl_{STARS}/x"),
        (f"see {KEY[:30]}…", f"see hkl_{STARS}…"),
        (f"x{KEY}", f"xhkl_{STARS}"),
        (HEX, STARS),
        (HEX.upper(), STARS),
        (f"secret={HEX[:59]}…", f"secret={STARS}…"),
        (f"secret={HEX[:16]}…", f"secret={STARS}…"),
        (f"begins with {HEX[:20]}...:", f"begins with {STARS}...:"),
        (f"no resource '{HEX[:24]}'...", f"no resource '{STARS}'..."),
        (f"x{HEX}", f"x{STARS}"),
        (f"{HEX}{HEX}", STARS),
        ("Authorization: Bearer opensesame!", f"Authorization: Bearer {STARS}"),
        ('{"authorization": "bearer opensesame"}', f'{{"authorization": "bearer {STARS}"}}'),
        ("http://user:pass@host/x", f"http://{STARS}@host/x"),
        ("smtp://user@host", f"smtp://{STARS}@host"),
    ],
)
def test_by_shape(text, shown):
    """What we make, bearers and the user part of a URL are found without being known."""
    assert Mask()(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "there is no delivery 0199d2f1c0de7aaa8bbbccccddddeeee",  # a Request-ID
        "send the header: Authorization: Bearer <key>",
        "http://127.0.0.1:8800/openapi.json, write to me@example.com",
        "https://hooks.example.com/@team",
        "24b397fc-a86e-43ef-9297-949e21b82480",
        "export HOOKLINE_API_KEY=hkl_…",
        "é " * 50,
        "",
    ],
)
def test_what_is_no_secret_stays(text):
    """Identifiers, hints and addresses are needed by those who read."""
    assert Mask([Secret(CHOSEN)])(text) == text


@pytest.mark.parametrize("spell", [str, json.dumps, repr, lambda text: f"<{text}>"])
@pytest.mark.parametrize("secret", [CHOSEN, "k" * 40, "sekret", "é" * 30])
def test_by_value(secret, spell):
    """A key of any shape is found, as it is and as JSON or Python spell it."""
    shown = Mask([Secret(secret)])(f"before {spell(secret)} after")
    assert STARS in shown
    assert secret not in shown
    assert json.dumps(secret)[1:-1] not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


def test_a_value_that_was_cut():
    """An excerpt of 60 characters shows nothing of a longer key."""
    long = "Zz9!" * 30
    shown = Mask([Secret(long)])(f"there is nothing at {excerpt('/' + long)}")
    assert shown == f'there is nothing at "/{STARS}…"'


def test_the_password_of_a_url_is_a_secret_by_itself():
    """Libraries speak of the password without its URL, decoded too."""
    mask = Mask([Secret("smtp://mailer:p%40ssw0rd@mail.example.com:587")])
    for said in ("535 bad login p%40ssw0rd", "535 bad login p@ssw0rd", "mailer:p%40ssw0rd"):
        assert "ssw0rd" not in mask(said)
    assert mask("mail.example.com:587") == "mail.example.com:587"


def test_one_secret_that_is_a_part_of_another():
    """The longer one goes first, whatever the order they were given in."""
    shown = Mask([Secret("secret"), Secret("secret-and-more")])("secret-and-more, secret")
    assert shown == f"{STARS}, {STARS}"


def test_a_mask_does_not_show_what_it_knows():
    """It holds the very secrets that it hides."""
    assert CHOSEN not in f"{Mask([Secret(CHOSEN)])!r}"


@given(st.text(min_size=LEAST, max_size=60), texts, texts)
def test_a_known_value_is_never_left(secret, before, after):
    """Any text, anywhere."""
    shown = Mask([Secret(secret)])(before + secret + after)
    rest = shown.replace(STARS, "\0")
    assert secret not in rest or secret in STARS


@given(st.text(alphabet="ab", max_size=200), st.text(alphabet="ab", min_size=BEGINNING))
def test_overlapping_and_repeated_values(text, secret):
    """Values that overlap themselves end, and leave nothing whole."""
    assert secret not in Mask([Secret(secret)])(text + secret + secret[3:] + text)


@given(texts)
def test_a_mask_that_knows_nothing_is_idempotent(text):
    """What was masked once is left alone."""
    mask = Mask()
    assert mask(mask(text)) == mask(text)


def test_the_token_in_a_sources_path_is_masked():
    """Whoever has it may post; a path that merely looks like one in a sentence stays."""
    token = "Zk3_" + "a-B9" * 10
    assert Mask()(f"POST http://host/in/{token}/ failed") == "POST http://host/in/********/ failed"
    assert Mask()("see /in/{token} and /in/short") == "see /in/{token} and /in/short"
