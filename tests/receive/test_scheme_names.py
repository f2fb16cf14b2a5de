"""The names of schemes: what stands in a database gives the scheme back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.errors import Invalid
from hookline.receive import plain_hmac, scheme_named
from hookline.receive.forms import ALGORITHMS


@given(
    header=st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}", fullmatch=True),
    algorithm=st.sampled_from(list(ALGORITHMS)),
    encoding=st.sampled_from(["hex", "base64"]),
    prefix=st.from_regex(r"[\x21-\x7e]{0,20}", fullmatch=True),
    json=st.booleans(),
)
def test_every_scheme_has_a_name(
    header: str, algorithm: str, encoding: str, prefix: str, *, json: bool
) -> None:
    """The name of a plain HMAC gives the scheme back, whatever it is made of."""
    scheme = plain_hmac(
        header=header,
        algorithm=algorithm,
        encoding=encoding,  # type: ignore[arg-type]
        prefix=prefix,
        json=json,
    )
    assert scheme_named(scheme.name) == scheme


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("gitub", "unknown-scheme"),
        ("", "unknown-scheme"),
        ("plain-hmac/sha256", "unknown-scheme"),
        ("plain-hmac/md5/hex/json/X-S/", "unknown-algorithm"),
        ("plain-hmac/sha256/rot13/json/X-S/", "unknown-encoding"),
        ("plain-hmac/sha256/hex/json/X S/", "invalid-header"),
        ("plain-hmac/sha256/hex/json//", "invalid-header"),
        ("plain-hmac/sha256/hex/json/X-S/é", "invalid-prefix"),
        (f"plain-hmac/sha256/hex/json/X-S/{'x' * 51}", "invalid-prefix"),
    ],
)
def test_names_of_nothing(name: str, code: str) -> None:
    """What names no scheme is refused, with the likeliest one."""
    with pytest.raises(Invalid) as caught:
        scheme_named(name)
    assert caught.value.code == code
    if name == "gitub":
        assert caught.value.hint.startswith("Did you mean github? ")
