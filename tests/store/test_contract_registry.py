"""Integrations, resources, keys and facts, on every store."""

import asyncio
from dataclasses import replace

import pytest

from hookline.core.errors import Conflict, NotFound
from hookline.core.lifecycle import State
from hookline.core.model import BodyEncoding, Integration, Kind, Policy
from hookline.core.rate import Period, RateLimit
from hookline.core.schedule import RetrySchedule
from hookline.core.scopes import Scope
from hookline.core.verdict import Delivered, Parked, ParkReason, RetryAt
from hookline.store.credentials import ApiKey

LATER = 1_800_000_000_000_009  # a little after the clock of these tests begins


def registered(new, integration_id: int) -> Integration:
    return Integration(
        id=integration_id,
        uuid=new.uuid,
        slug=new.slug,
        name=new.name,
        kind=new.kind,
        organization=new.organization,
        webhook_url=new.webhook_url,
        client_id=new.client_id,
        resources=new.resources,
        alertable=new.alertable,
        unsubscribed=None,
        policy=new.policy,
        created_at=new.now,
        updated_at=new.now,
    )


@pytest.mark.parametrize("kind", list(Kind))
async def test_an_integration_comes_back_as_registered(world, kind):
    """Every field, by slug and in the list; an internal one is installed, a public one is not."""
    new = replace(
        world.new_integration("app", kind=kind),
        alertable=True,
        resources=("issue", "order"),
        policy=Policy(
            2500,
            7,
            RetrySchedule((0.5, 60)),
            BodyEncoding.ASCII,
            RateLimit(30, Period.MINUTE),
            ordered=True,
        ),
    )
    made = await world.store.create_integration(new)
    assert made == registered(new, made.id)
    assert await world.store.integration("app") == made
    assert await world.store.integrations("", 10) == [made]
    installed = await world.store.installations(integration_id=made.id)
    expected = [(new.installation_uuid, "acme", made.id)] if kind is Kind.INTERNAL else []
    assert [(each.uuid, each.organization, each.integration_id) for each in installed] == expected


async def test_a_taken_slug(world):
    """The second registration is refused whole: nothing of it is left behind."""
    first = await world.app("app")
    second = replace(world.new_integration("app"), organization="unheard-of")
    with pytest.raises(Conflict) as caught:
        await world.store.create_integration(second)
    assert (caught.value.code, caught.value.where) == ("slug-taken", "/slug")
    assert await world.store.integrations("", 10) == [first.integration]
    assert await world.store.installation(second.installation_uuid) is None
    assert await world.store.candidates("unheard-of") == (None, [])


async def test_one_of_two_concurrent_registrations_wins(world):
    """Two that race for a slug: one has it, the other is told."""
    news = [world.new_integration("app") for _ in range(5)]
    results = await asyncio.gather(
        *(world.store.create_integration(new) for new in news), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in results) == ["Conflict"] * 4 + ["Integration"]


async def test_integrations_are_listed_in_pages(world):
    """By slug, those after a slug, up to a limit; deleted ones are left out."""
    apps = {slug: await world.app(slug) for slug in ("d", "b", "a", "c")}
    await world.store.delete_integration(apps["b"].integration.id, world.START)
    page = await world.store.integrations("", 2)
    assert [each.slug for each in page] == ["a", "c"]
    assert [each.slug for each in await world.store.integrations("c", 2)] == ["d"]
    assert await world.store.integrations("d", 2) == []
    assert await world.store.integration("b") is None
    assert await world.store.integration("never") is None


async def test_an_update_replaces_what_may_change(world):
    """Name, URL, resources, alertable and policy change; all else stays."""
    app = await world.app("app")
    changed = replace(
        app.integration,
        name="Other",
        webhook_url="https://other.example/",
        resources=(),
        alertable=True,
        policy=Policy(
            30_000, 1, RetrySchedule((1,)), BodyEncoding.ASCII, RateLimit(1, Period.SECOND)
        ),
        updated_at=world.START + 1,
    )
    assert await world.store.update_integration(changed) == changed
    assert await world.store.integration("app") == changed
    (route,) = await world.store.routes([app.integration.id])
    assert (route.webhook_url, route.policy) == ("https://other.example/", changed.policy)


async def test_an_update_of_a_deleted_integration(world):
    """Whoever is too late is told so, also when another integration has the slug by now."""
    app = await world.app("app")
    await world.store.delete_integration(app.integration.id, world.START)
    with pytest.raises(NotFound):
        await world.store.update_integration(app.integration)
    heir = await world.app("app")
    with pytest.raises(NotFound):
        await world.store.update_integration(replace(app.integration, name="Ghost"))
    assert await world.store.integration("app") == heir.integration


async def test_a_higher_cap_takes_effect_at_once(world):
    """What waited for a slot is leased as soon as there are more of them."""
    app = await world.app(max_in_flight=1)
    await world.waiting(app, 5)
    assert len(await world.leased()) == 1
    await world.recap(app, 3)
    assert len(await world.leased()) == 2
    assert await world.leased() == []


async def test_a_lower_cap_lets_what_is_under_way_finish(world):
    """Nothing is taken back; nothing more goes out until the number is below the new cap."""
    app = await world.app(max_in_flight=4)
    await world.waiting(app, 10)
    held = await world.leased()
    await world.recap(app, 2)
    for each in held[:2]:
        await world.settle(each)
        assert await world.leased() == []
    await world.settle(held[2])
    assert len(await world.leased()) == 1


async def test_a_new_cap_for_an_idle_lane(world):
    """A lane in which nothing waits, or nothing is due, is not leased from for being resized."""
    app = await world.app(max_in_flight=1)
    await world.recap(app, 2)
    assert await world.lease() == ([], None)
    await world.waiting(app)
    (held,) = await world.leased()
    due = world.START + world.MINUTE
    await world.settle(held, RetryAt(due))
    await world.recap(app, 3)
    assert await world.lease() == ([], due)


async def test_deleting_parks_what_waits(world):
    """Due now or later, what waits is parked with the reason; other lanes go on."""
    gone, stays = await world.app("gone"), await world.app("stays")
    later, now = await world.waiting(gone, 2)
    other = await world.waiting(stays)
    (held,) = [
        each for each in await world.leased(limit=2) if each.integration_id == gone.integration.id
    ]
    await world.store.rescue(world.START + world.MINUTE)
    at = world.START + world.MINUTE
    first, *_ = [each for each in await world.leased(at=at, limit=2) if each.id in (later, now)]
    await world.settle(first, RetryAt(at + world.MINUTE), at=at)
    await world.store.delete_integration(gone.integration.id, at)
    for each in (later, now):
        found = await world.delivery(each)
        assert (found.state, found.park_reason) == (State.PARKED, "deleted")
        assert (found.settled_at, found.due_at) == (at, None)
    assert held.id in (later, now)
    assert (await world.state(other[0])) == State.LEASED


async def test_deleting_ends_installations(world):
    """The integration has no installations in force; the old one can still be looked up."""
    app = await world.app("app")
    await world.store.delete_integration(app.integration.id, world.START + 1)
    assert await world.store.installations(integration_id=app.integration.id) == []
    found = await world.store.installation(app.installation.uuid)
    assert found == replace(app.installation, deleted_at=world.START + 1)
    assert await world.store.candidates("acme") == (app.installation.organization_id, [])


@pytest.mark.parametrize(
    ("verdict", "state", "reason"),
    [
        (Delivered(), State.DELIVERED, None),
        (RetryAt(LATER), State.PARKED, "deleted"),
        (Parked(ParkReason.GONE), State.PARKED, "gone"),
    ],
)
async def test_an_attempt_under_way_while_its_integration_is_deleted(world, verdict, state, reason):
    """It is settled as usual, and what would be retried is parked: nothing waits for ever."""
    app = await world.app()
    await world.waiting(app)
    (held,) = await world.leased()
    await world.store.delete_integration(app.integration.id, world.START)
    assert await world.state(held.id) == State.LEASED
    assert await world.settle(held, verdict) is True
    found = await world.delivery(held.id)
    assert (found.state, found.park_reason, found.due_at) == (state, reason, None)
    assert [each.number for each in await world.store.attempts(held.id)] == [1]
    assert await world.lease(at=LATER) == ([], None)


async def test_a_lease_that_runs_out_after_its_integration_was_deleted(world):
    """Rescue parks it: there is no lane to wait in."""
    app = await world.app()
    await world.waiting(app)
    (held,) = await world.leased()
    await world.store.delete_integration(app.integration.id, world.START)
    await world.store.rescue(world.START + world.MINUTE)
    found = await world.delivery(held.id)
    assert (found.state, found.park_reason) == (State.PARKED, "deleted")


async def test_a_slug_is_free_again_after_deletion(world):
    """The heir has a lane and a life of its own; the log keeps both under the slug."""
    old = await world.app("app")
    (parked,) = await world.waiting(old)
    await world.store.delete_integration(old.integration.id, world.START)
    heir = await world.app("app")
    assert heir.integration.id != old.integration.id
    (fresh,) = await world.waiting(heir)
    assert [each.id for each in await world.leased()] == [fresh]
    assert await world.state(parked) == State.PARKED


async def test_deleting_twice(world):
    """The second time changes nothing, not even the instant."""
    app = await world.app()
    (delivery_id,) = await world.waiting(app)
    for at in (world.START + 1, world.START + 2):
        await world.store.delete_integration(app.integration.id, at)
    assert (await world.store.installation(app.installation.uuid)).deleted_at == world.START + 1
    assert (await world.delivery(delivery_id)).settled_at == world.START + 1


# -- resources, keys, facts -----------------------------------------------------------------------


async def test_resources(world):
    """Registered once, listed with their actions in order; a second time is refused."""
    await world.store.define_resource("order", ("placed", "cancelled"), world.START)
    await world.store.define_resource("bill", ("paid",), world.START)
    with pytest.raises(Conflict) as caught:
        await world.store.define_resource("order", ("other",), world.START)
    assert (caught.value.code, caught.value.where) == ("resource-exists", "/name")
    assert await world.store.resources() == {"bill": ("paid",), "order": ("placed", "cancelled")}


async def test_api_keys(world):
    """Kept in order; revoked once, and listed with the instant of it."""
    assert await world.store.api_keys() == []
    scopes = (Scope.PUBLISH, Scope.READ)
    one = await world.store.add_api_key("one", b"digest 1", scopes, world.START)
    two = await world.store.add_api_key("two", b"digest 2", (Scope.ADMIN,), world.START + 1)
    assert one == ApiKey(one.id, "one", b"digest 1", scopes, world.START, None)
    for at, revoked in enumerate((True, False), world.START + 2):
        assert await world.store.revoke_api_key(one.id, at, keep_admin=True) is revoked
    assert await world.store.revoke_api_key(99, world.START + 3, keep_admin=True) is False
    assert await world.store.api_keys() == [replace(one, revoked_at=world.START + 2), two]


async def test_the_last_key_that_may_do_everything(world):
    """It stays where that is asked for; revoked ones and those of lesser scopes do not count."""
    add = world.store.add_api_key
    admins = [await add(f"key {n}", b"digest %d" % n, (Scope.ADMIN,), 0) for n in range(2)]
    lesser = await add("lesser", b"lesser", (Scope.PUBLISH, Scope.READ), 0)
    assert await world.store.revoke_api_key(admins[0].id, 1, keep_admin=True) is True
    with pytest.raises(Conflict) as caught:
        await world.store.revoke_api_key(admins[1].id, 2, keep_admin=True)
    assert caught.value.code == "last-admin-key"
    assert await world.store.revoke_api_key(lesser.id, 3, keep_admin=True) is True
    assert await world.store.revoke_api_key(admins[1].id, 4, keep_admin=False) is True
    assert [key.revoked_at for key in await world.store.api_keys()] == [1, 4, 3]


async def test_two_who_revoke_the_last_two_keys(world):
    """Each would leave the other one; together they leave one."""
    keys = [await world.store.add_api_key(name, name.encode(), (Scope.ADMIN,), 0) for name in "ab"]
    results = await asyncio.gather(
        *(world.store.revoke_api_key(key.id, 1, keep_admin=True) for key in keys),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in results) == ["Conflict", "bool"]


async def test_facts(world):
    """A fact is None until it is set, and the last word counts."""
    assert await world.store.fact("key") is None
    for value in ("one", "two"):
        await world.store.set_fact("key", value)
        assert await world.store.fact("key") == value
    assert await world.store.fact("other") is None


async def test_ping(world):
    """A healthy store says nothing, and nothing changes."""
    await world.store.set_fact("key", "value")
    assert await world.store.ping() is None
    assert await world.store.fact("key") == "value"
