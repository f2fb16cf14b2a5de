"""What a key opens, and what it does not."""

from itertools import combinations

import pytest

from hookline.core.errors import Forbidden, Invalid
from hookline.core.scopes import Scope, check_scopes, require

SETS = [set(chosen) for size in range(4) for chosen in combinations(Scope, size)]


@pytest.mark.parametrize("held", SETS, ids=lambda held: "+".join(sorted(held)) or "none")
@pytest.mark.parametrize("needed", Scope)
def test_a_scope_opens_what_it_says(needed, held):
    """Its own calls, and for admin all; read and publish do not include one another."""
    if needed in held or Scope.ADMIN in held:
        require(needed, held)
        return
    with pytest.raises(Forbidden) as caught:
        require(needed, held)
    assert (caught.value.status, caught.value.code) == (403, "wrong-scope")
    assert f'"{needed}"' in caught.value.hint
    assert all(scope in caught.value.message for scope in held)


def test_scopes_are_kept_once_and_in_order():
    """However they are given."""
    assert check_scopes(["admin", "publish", "admin"]) == (Scope.PUBLISH, Scope.ADMIN)
    assert check_scopes(["read"]) == (Scope.READ,)


@pytest.mark.parametrize(
    ("names", "code", "where"),
    [
        ([], "missing-scope", "/scopes"),
        (["read", "publsh"], "unknown-scope", "/scopes/1"),
        (["ADMIN"], "unknown-scope", "/scopes/0"),
        (["hkl_" + "a" * 64], "unknown-scope", "/scopes/0"),
    ],
)
def test_wrong_scopes(names, code, where):
    """Refused with the place, and without repeating what was given."""
    with pytest.raises(Invalid) as caught:
        check_scopes(names)
    assert (caught.value.code, caught.value.where) == (code, where)
    assert "hkl_" not in f"{caught.value} {caught.value.hint}"
