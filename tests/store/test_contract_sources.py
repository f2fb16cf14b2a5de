"""Sources on every store: what is kept of them, who is a route of one, and what they bring."""

import asyncio
from dataclasses import replace

import pytest

from hookline.core.errors import Conflict, NotFound
from hookline.core.model import BodyEncoding
from hookline.core.routing import Filter
from hookline.store.sources import NewSource, Refused

SEALED = b"\x01sealed"
MOST = 2


def new_source(world, slug: str = "sentry", **values) -> NewSource:
    defaults = {
        "uuid": world.new_uuid(),
        "slug": slug,
        "name": "Sentry",
        "organization": "acme",
        "scheme": "sentry",
        "token_digest": world.new_id() * 2,
        "deduplicate": "none",
        "max_body_bytes": 1_048_576,
        "keep_refused": False,
        "sealed": (SEALED,),
        "now": world.START,
    }
    return NewSource(**defaults | values)


async def test_a_source_is_kept_as_it_was_made(world):
    """With its secrets and the digest of its token, its organization made on first use."""
    new = new_source(world, sealed=(b"\x01one", b"\x01two"), keep_refused=True)
    made = await world.store.sources.create(new)
    (kept,) = await world.store.sources.all()
    assert kept.source == made
    assert kept == await world.store.sources.find("sentry")
    assert kept.token_digest == new.token_digest
    assert [each.sealed for each in kept.secrets] == [b"\x01one", b"\x01two"]
    for name in ("uuid", "slug", "name", "organization", "scheme", "deduplicate", "keep_refused"):
        assert getattr(made, name) == getattr(new, name)
    assert (made.created_at, made.updated_at) == (world.START, world.START)
    assert await world.store.ensure_organization("acme", world.START) == made.organization_id


async def test_a_slug_is_taken_until_its_source_is_deleted(world):
    """Of two at once one is made; a deleted one frees it, and its token too."""
    news = [new_source(world) for _ in range(2)]
    results = await asyncio.gather(
        *(world.store.sources.create(new) for new in news), return_exceptions=True
    )
    assert sorted(isinstance(each, Conflict) for each in results) == [False, True]
    (kept,) = await world.store.sources.all()
    await world.store.sources.delete(kept.source.id, world.START + 1)
    assert await world.store.sources.all() == []
    assert await world.store.sources.find("sentry") is None
    again = await world.store.sources.create(new_source(world, token_digest=kept.token_digest))
    assert again.id != kept.source.id


async def test_what_may_change_is_changed(world):
    """Name, duplicates, limit and keeping; nothing else."""
    made = await world.store.sources.create(new_source(world))
    wanted = replace(
        made,
        name="Other",
        deduplicate="body",
        max_body_bytes=4096,
        keep_refused=True,
        updated_at=world.START + 5,
    )
    assert await world.store.sources.update(wanted) == wanted
    assert (await world.store.sources.find("sentry")).source == wanted
    await world.store.sources.replace_token(made.id, b"other", world.START + 6)
    kept = await world.store.sources.find("sentry")
    assert (kept.token_digest, kept.source.updated_at) == (b"other", world.START + 6)


async def test_a_deleted_source_cannot_be_changed(world):
    """Whoever read it before finds it gone."""
    made = await world.store.sources.create(new_source(world))
    await world.store.sources.delete(made.id, world.START)
    for job in (
        world.store.sources.update(made),
        world.store.sources.replace_token(made.id, b"x", world.START),
        world.store.sources.delete(made.id, world.START),
        world.store.sources.add_secret(made.id, SEALED, world.START, MOST),
        world.store.sources.drop_secret(made.id, 1),
    ):
        with pytest.raises(NotFound):
            await job


async def test_secrets_are_added_and_dropped(world):
    """Up to so many, and never the last one."""
    made = await world.store.sources.create(new_source(world))
    ((first, _, _),) = (await world.store.sources.find("sentry")).secrets
    second = await world.store.sources.add_secret(made.id, b"\x01new", world.START + 1, MOST)
    with pytest.raises(Conflict) as caught:
        await world.store.sources.add_secret(made.id, b"\x01third", world.START, MOST)
    assert caught.value.code == "too-many-secrets"
    await world.store.sources.drop_secret(made.id, first)
    (left,) = (await world.store.sources.find("sentry")).secrets
    assert left == (second, world.START + 1, b"\x01new")
    with pytest.raises(NotFound):
        await world.store.sources.drop_secret(made.id, first)
    with pytest.raises(Conflict) as caught:
        await world.store.sources.drop_secret(made.id, second)
    assert caught.value.code == "last-secret"


async def test_of_each_source_the_newest_refused_requests_are_kept(world):
    """So many of each, newest first; they go with what asked for them."""
    one = await world.store.sources.create(new_source(world, "one", keep_refused=True))
    two = await world.store.sources.create(new_source(world, "two", keep_refused=True))

    def refused(source, number: int) -> Refused:
        return Refused(source.id, world.START + number, "code", "why", b"{}", b"%d" % number, 9)

    await world.store.sources.keep_refused([refused(one, n) for n in range(5)], 3)
    await world.store.sources.keep_refused([refused(one, 5), refused(two, 6)], 3)
    found = await world.store.sources.refused(one.id, 10)
    assert [each.body for each in found] == [b"5", b"4", b"3"]
    assert found[0][1:] == (world.START + 5, "code", "why", b"{}", b"5", 9)
    assert [each.body for each in await world.store.sources.refused(one.id, 1)] == [b"5"]
    assert len(await world.store.sources.refused(two.id, 10)) == 1
    await world.store.sources.update(replace(one, keep_refused=False))
    await world.store.sources.delete(two.id, world.START)
    assert await world.store.sources.refused(one.id, 10) == []
    assert await world.store.sources.refused(two.id, 10) == []


async def test_an_integration_can_be_a_route(world):
    """It keeps its source and its filter, and says both where it is a candidate."""
    made = await world.store.sources.create(new_source(world))
    wanted = Filter(("issue",), None, "data.a == 'b'")
    new = replace(world.new_integration("route"), source_id=made.id, filter=wanted)
    integration = await world.store.create_integration(new)
    assert (integration.source, integration.filter) == ("sentry", wanted)
    other = await world.app("other")
    assert (other.integration.source, other.integration.filter) == (None, None)
    _, candidates = await world.store.candidates("acme")
    assert [(each.integration, each.source_id, each.filter) for each in candidates] == [
        ("route", made.id, wanted),
        ("other", None, None),
    ]
    changed = await world.store.update_integration(replace(integration, filter=None))
    assert changed.filter is None
    assert (await world.store.integration("route")).source == "sentry"


async def test_what_a_source_brought_is_leased_and_shown_with_what_is_kept_beside_it(world):
    """The body byte for byte, whatever bytes; of ordinary events there is nothing beside."""
    app = await world.app(body_encoding=BodyEncoding.ASCII)
    body, beside = bytes(range(256)) * 40, b'{"source":"s","headers":[]}'
    brought = world.event(app, in_ascii=True, tail=body, forwarded=beside, action="")
    ordinary = world.event(app)
    await world.record(brought, ordinary)
    first, second = await world.leased()
    assert (first.tail, first.forwarded, first.action) == (body, beside, "")
    assert second.forwarded is None
    (event,) = await world.store.events(brought.id.hex(), None)
    assert (event.tail, event.forwarded) == (body, beside)
    parts = await world.store.attempt_body(brought.deliveries[0].id)
    assert (parts.tail, parts.forwarded) == (body, beside)


async def test_what_a_source_brought_is_told_from_its_duplicates(world):
    """Like publishers' events, by an id in its organization."""
    app = await world.app()
    events = [world.event(app, external_id="source-1 4f", forwarded=b"{}") for _ in range(3)]
    first = await world.record(events[0], events[1])
    (again,) = await world.record(events[2])
    assert [each.duplicate for each in (*first, again)] == [False, True, True]
    assert len(await world.leased()) == 1
