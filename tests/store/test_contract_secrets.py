"""Client secrets on every store: one, two during a rotation, and gone when their time is over."""

import asyncio

import pytest

from hookline.core.errors import Conflict, NotFound
from hookline.core.rotation import SignWith, Term
from hookline.store.credentials import Erased

NEW, OLD = SignWith.NEW, SignWith.OLD


async def rotate(world, app, sealed: bytes, *, at: int = 1, overlap: int = 10, sign_with=NEW):
    """Rotate ``at`` µs after the clock of these tests begins."""
    now = world.START + at
    await world.store.rotate_secret(
        app.integration.id, sealed, now=now, until=now + overlap, sign_with=sign_with
    )


async def terms(world, app):
    """What is kept of an app's secrets, in µs after the clock begins."""
    return [
        (
            each.sealed,
            each.term.created_at - world.START,
            each.term.expires_at and each.term.expires_at - world.START,
            each.term.chosen,
        )
        for each in await world.store.secrets(app.integration.id)
    ]


def first(app) -> bytes:
    """The sealed secret that an app of these tests was registered with."""
    return b"sealed " + app.integration.uuid.encode()


async def test_the_first_secret(world):
    """It has no end, and there is no other."""
    app = await world.app()
    (only,) = await world.store.secrets(app.integration.id)
    assert only.sealed == first(app)
    assert only.term == Term(only.term.id, world.START, None, False)
    assert await world.store.secrets(999) == []


@pytest.mark.parametrize("sign_with", SignWith)
async def test_rotating(world, sign_with):
    """The old one gets an end and the choice, the new one has neither; others' stay as they are."""
    app, other = await world.app(), await world.app()
    await rotate(world, app, b"second", sign_with=sign_with)
    chosen = sign_with is OLD
    assert await terms(world, app) == [(first(app), 0, 11, chosen), (b"second", 1, None, False)]
    assert await terms(world, other) == [(first(other), 0, None, False)]
    (route,) = await world.store.routes([app.integration.id])
    assert list(route.secrets) == await world.store.secrets(app.integration.id)
    ids = [each.term.id for each in route.secrets]
    assert ids == sorted(ids)


async def test_rotating_again_during_an_overlap(world):
    """The oldest stops at once, and the choice that was made for it is forgotten."""
    app = await world.app()
    await rotate(world, app, b"second", sign_with=OLD)
    await rotate(world, app, b"third", at=5)
    assert await terms(world, app) == [(b"second", 1, 15, False), (b"third", 5, None, False)]


async def test_rotating_without_an_overlap(world):
    """Only the new one is left, also of two."""
    app = await world.app()
    await rotate(world, app, b"second", overlap=0)
    assert await terms(world, app) == [(b"second", 1, None, False)]
    await rotate(world, app, b"third")
    await rotate(world, app, b"fourth", at=3, overlap=0)
    assert await terms(world, app) == [(b"fourth", 3, None, False)]


async def test_many_rotations_at_once(world):
    """However they race, two are left: the newest without an end, the one before with one."""
    app = await world.app()
    await asyncio.gather(*(rotate(world, app, b"secret %d" % n) for n in range(20)))
    left = await terms(world, app)
    assert [(end, chosen) for _, _, end, chosen in left] == [(11, False), (None, False)]


async def test_choosing(world):
    """The old one and the new one again, as often as one likes, until the overlap ends."""
    app, other = await world.app(), await world.app()
    await rotate(world, app, b"second")
    await rotate(world, other, b"other")
    for sign_with in (OLD, OLD, NEW, NEW, OLD):
        await world.store.choose_secret(app.integration.id, sign_with, world.START + 10)
        assert [chosen for *_, chosen in await terms(world, app)] == [sign_with is OLD, False]
    assert [chosen for *_, chosen in await terms(world, other)] == [False, False]
    with pytest.raises(Conflict) as caught:
        await world.store.choose_secret(app.integration.id, OLD, world.START + 11)
    assert (caught.value.code, caught.value.where) == ("no-overlap", "/sign_with")


async def test_choosing_where_there_is_no_choice(world):
    """The old one is refused; the new one signs already, and nothing changes."""
    app = await world.app()
    before = await terms(world, app)
    with pytest.raises(Conflict):
        await world.store.choose_secret(app.integration.id, OLD, world.START)
    await world.store.choose_secret(app.integration.id, NEW, world.START)
    assert await terms(world, app) == before


async def test_a_deleted_integration(world):
    """Nothing is rotated or chosen any more."""
    app = await world.app()
    await world.store.delete_integration(app.integration.id, world.START)
    with pytest.raises(NotFound):
        await rotate(world, app, b"second")
    with pytest.raises(NotFound):
        await world.store.choose_secret(app.integration.id, NEW, world.START)
    assert await terms(world, app) == [(first(app), 0, None, False)]


async def test_erasing(world):
    """What is expired goes, at the instant of its end and not before; the rest stays."""
    early, late = await world.app(), await world.app()
    assert await world.store.erase_secrets(world.START) == Erased(0, True, None)
    await rotate(world, early, b"early", overlap=10)
    await rotate(world, late, b"late", overlap=20)
    end = world.START + 11
    assert await world.store.erase_secrets(end - 1) == Erased(0, True, end)
    assert await world.store.erase_secrets(end) == Erased(1, True, end + 10)
    assert await terms(world, early) == [(b"early", 1, None, False)]
    assert len(await terms(world, late)) == 2
    assert await world.store.erase_secrets(end + 10) == Erased(1, True, None)
    assert await terms(world, late) == [(b"late", 1, None, False)]
