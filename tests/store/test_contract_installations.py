"""Installations, their announcements and who might want an event, on every store."""

from dataclasses import replace

import pytest

from hookline.core.errors import Conflict, NotFound
from hookline.core.matching import Candidate
from hookline.core.model import BodyEncoding, Kind
from hookline.store.values import Route


async def test_installing_announces_it_in_the_same_transaction(world):
    """The event is there with the installation, addressed to it whatever id was given."""
    public = await world.store.create_integration(world.new_integration(kind=Kind.PUBLIC))
    decoy = await world.app("decoy")
    announcement = world.event(decoy, resource="installation", organization_id=0)
    (delivery,) = announcement.deliveries
    delivery = delivery._replace(integration_id=public.id, installation_id=0)
    new = world.new_installation(public, "globex")
    made = await world.store.create_installation(new, announcement._replace(deliveries=(delivery,)))
    assert (made.uuid, made.integration, made.organization) == (new.uuid, public.slug, "globex")
    assert (made.integration_id, made.created_at, made.deleted_at) == (public.id, new.now, None)
    (leased,) = await world.leased()
    assert (leased.id, leased.installation, leased.resource) == (
        delivery.id,
        new.uuid,
        "installation",
    )
    (event,) = await world.store.events(announcement.id.hex(), "globex")
    assert event.organization == "globex"


async def test_a_second_installation_in_one_organization(world):
    """It is refused, and its announcement is not recorded."""
    app = await world.app()
    announcement = world.event(app, external_id="announcement")
    with pytest.raises(Conflict) as caught:
        await world.store.create_installation(
            world.new_installation(app.integration, "acme"), announcement
        )
    assert caught.value.code == "already-installed"
    assert app.installation.uuid in caught.value.message
    assert await world.store.events("announcement", None) == []
    assert await world.leased() == []


async def test_an_announcement_that_cannot_be_recorded_undoes_the_installation(world):
    """One transaction: no installation without its announcement."""
    app = await world.app()
    (taken,) = await world.waiting(app)
    public = await world.store.create_integration(world.new_integration(kind=Kind.PUBLIC))
    announcement = world.event(app)
    clash = announcement._replace(deliveries=(announcement.deliveries[0]._replace(id=taken),))
    new = world.new_installation(public, "globex")
    with pytest.raises(Exception):  # noqa: B017 -- a defect of the caller, not a refusal
        await world.store.create_installation(new, clash)
    assert await world.store.installation(new.uuid) is None
    assert await world.store.candidates("globex") == (None, [])


async def test_uninstalling_announces_it_and_can_be_undone(world):
    """The event goes out to the installation that ends; afterwards there is room for another."""
    app = await world.app()
    announcement = world.event(app, resource="installation", action="deleted")
    at = world.START + 1
    gone = await world.store.delete_installation(app.installation.uuid, at, announcement)
    assert gone == replace(app.installation, deleted_at=at)
    assert await world.store.installations(organization="acme") == []
    assert [each.installation for each in await world.leased(at=at)] == [app.installation.uuid]
    again = await world.store.create_installation(
        world.new_installation(app.integration, "acme"), None
    )
    assert await world.store.installations(organization="acme") == [again]


async def test_uninstalling_what_is_not_installed(world):
    """Unknown or gone already: None, and nothing is announced."""
    app = await world.app()
    await world.store.delete_installation(app.installation.uuid, world.START, None)
    for uuid in (app.installation.uuid, world.new_uuid()):
        announcement = world.event(app, external_id=f"announcement of {uuid}")
        assert await world.store.delete_installation(uuid, world.START + 1, announcement) is None
        assert await world.store.events(announcement.external_id, None) == []
    assert (await world.store.installation(app.installation.uuid)).deleted_at == world.START
    assert await world.store.installation(world.new_uuid()) is None


async def test_installations_of_an_organization_or_an_integration(world):
    """Both filters, alone, together and not at all; in the order of installing."""
    public = await world.store.create_integration(world.new_integration(kind=Kind.PUBLIC))
    app = await world.app()
    made = [
        await world.store.create_installation(world.new_installation(public, name), None)
        for name in ("globex", "acme")
    ]
    listed = world.store.installations
    assert await listed() == [app.installation, *made]
    assert await listed(organization="acme") == [app.installation, made[1]]
    assert await listed(integration_id=public.id) == made
    assert await listed(organization="acme", integration_id=public.id) == [made[1]]
    assert await listed(organization="nobody") == []


async def test_an_organization_is_made_on_first_use(world):
    """One id for one slug, however often it is asked for, and another for another."""
    first = await world.store.ensure_organization("acme", world.START)
    assert await world.store.ensure_organization("acme", world.START + 1) == first
    assert await world.store.ensure_organization("globex", world.START) != first
    assert await world.store.candidates("acme") == (first, [])
    assert (await world.app("app")).installation.organization_id == first


async def test_candidates(world):
    """What decides about an event, for each installation of the organization, and no other's."""
    app = await world.app("app", body_encoding=BodyEncoding.ASCII)
    await world.app("theirs", organization="globex")
    public = await world.store.create_integration(world.new_integration("pub", kind=Kind.PUBLIC))
    installation = await world.store.create_installation(
        world.new_installation(public, "acme"), None
    )
    organization_id, found = await world.store.candidates("acme")
    assert organization_id == app.installation.organization_id
    common = (frozenset({"issue"}), False)
    assert found == [
        Candidate(
            app.installation.id,
            app.installation.uuid,
            app.integration.id,
            "app",
            Kind.INTERNAL,
            *common,
            BodyEncoding.ASCII,
        ),
        Candidate(
            installation.id,
            installation.uuid,
            public.id,
            "pub",
            Kind.PUBLIC,
            *common,
            BodyEncoding.JAVASCRIPT,
        ),
    ]


async def test_routes(world):
    """URL, policy and sealed secrets, also of deleted integrations, for each id that there is."""
    news = [world.new_integration() for _ in range(3)]
    made = [await world.store.create_integration(new) for new in news]
    await world.store.delete_integration(made[1].id, world.START)
    routes = await world.store.routes([made[1].id, made[0].id, 999])
    secrets = [tuple(await world.store.secrets(each.id)) for each in made]
    assert sorted(routes, key=lambda route: route.integration_id) == [
        Route(each.id, each.uuid, each.slug, each.webhook_url, each.policy, kept)
        for each, kept in zip(made[:2], secrets, strict=False)
    ]
    assert [[each.sealed for each in kept] for kept in secrets] == [
        [new.sealed_secret] for new in news
    ]


async def test_routes_of_nobody(world):
    """No ids, no routes."""
    await world.app()
    assert await world.store.routes([]) == []


async def test_installing_what_was_deleted(world):
    """Whoever is too late is told so: a deleted integration gets no installation in force."""
    app = await world.app()
    await world.store.delete_integration(app.integration.id, world.START)
    new = world.new_installation(app.integration, "globex")
    with pytest.raises(NotFound):
        await world.store.create_installation(new, None)
    assert await world.store.installation(new.uuid) is None
