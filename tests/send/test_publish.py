"""Accepting events: who gets them, what is refused, and what a duplicate is answered."""

import asyncio
import json

import pytest

from hookline.core.errors import Invalid
from hookline.core.lifecycle import State
from hookline.store.values import DeliveryFilter


@pytest.fixture(autouse=True)
def _hang(bench):
    bench.sender.script = None


async def integrations(bench) -> list[str]:
    found = await bench.store.deliveries(DeliveryFilter(limit=100))
    return sorted(each.integration for each in found)


async def test_subscribers_get_it_and_nobody_else(bench):
    """A subscribed resource goes to the organization's subscribers."""
    await bench.register("Wants", resources=["issue", "comment"])
    await bench.register("Wants not", resources=["comment"])
    await bench.register("Elsewhere", organization="other", resources=["issue"])
    (recorded,) = await bench.publish()
    assert recorded.deliveries == 1
    assert await integrations(bench) == ["wants"]


async def test_a_change_counts_from_the_next_event_on(bench):
    """What was told to a caller is what the next event is planned with."""
    await bench.register("App", resources=[])
    assert (await bench.publish())[0].deliveries == 0
    await bench.registry.update_integration("app", {"resources": ["issue"]})
    assert (await bench.publish())[0].deliveries == 1
    await bench.registry.delete_integration("app")
    assert (await bench.publish())[0].deliveries == 0


async def test_an_organization_is_made_on_first_use(bench):
    """An event of an unknown organization is accepted, and goes to nobody."""
    (recorded,) = await bench.publish(organization="brand-new")
    assert recorded.deliveries == 0
    (event,) = await bench.store.events(recorded.id, None)
    assert event.organization == "brand-new"


async def test_the_same_id_is_answered_with_the_first_answer(bench):
    """A publisher that tries again gets what it was told the first time, and nothing is sent twice."""
    await bench.register()
    big = {"n": 2**70}
    (first,) = await bench.publish(id="order-1", data=big)
    (again,) = await bench.publish(id="order-1", data={"other": True})
    assert first.duplicate is False
    assert again == first._replace(duplicate=True)
    assert json.loads(again.warnings)[0]["where"] == "/data/n"
    assert await integrations(bench) == ["pager"]


async def test_the_same_id_many_times_at_once_is_stored_once(bench):
    """Duplicates that share a commit are found as well."""
    await bench.register()
    answers = await asyncio.gather(*(bench.publish(id="same") for _ in range(20)))
    assert sorted(each.duplicate for (each,) in answers) == [False] + [True] * 19
    assert await integrations(bench) == ["pager"]


@pytest.mark.parametrize(
    ("given", "code", "where"),
    [
        ({"resource": "isue"}, "unknown-resource", "/resource"),
        ({"action": "exploded"}, "unknown-action", "/action"),
        ({"targets": ["pager"]}, "targets-not-allowed", "/targets"),
        (
            {"resource": "event_alert", "action": "triggered", "targets": ["pager", "nobody"]},
            "unknown-integration",
            "/targets/1",
        ),
    ],
)
async def test_what_is_refused_names_the_place(bench, given, code, where):
    """A refused event is not stored; in a batch the place begins with its index."""
    await bench.register()
    with pytest.raises(Invalid) as refused:
        await bench.publish(**given)
    assert (refused.value.code, refused.value.where) == (code, where)
    with pytest.raises(Invalid) as refused:
        await bench.publish_batch({}, given)
    assert refused.value.where == f"/1{where}"
    assert await integrations(bench) == []


async def test_alerts_go_to_targets_or_to_all_alertable(bench):
    """Targets decide; without them being alertable does."""
    await bench.register("Alertable", alertable=True)
    await bench.register("Plain")
    alert = {"resource": "metric_alert", "action": "critical"}
    await bench.publish(**alert)
    assert await integrations(bench) == ["alertable"]
    await bench.publish(**alert, targets=["plain"])
    assert await integrations(bench) == ["alertable", "plain"]


async def test_publishing_after_a_commit_failed_works(bench):
    """A publisher that was refused leaves nothing behind that would hold up the next."""
    await bench.register()
    record = bench.store.record

    async def broken(_events):
        raise RuntimeError("a bug")

    bench.store.record = broken
    with pytest.raises(RuntimeError):
        await bench.publish()
    bench.store.record = record
    assert (await bench.publish())[0].deliveries == 1


async def test_an_ascii_integration_gets_its_own_spelling(bench):
    """One event goes out in two spellings, each to those who asked for it."""
    await bench.register("Js")
    await bench.register("Py", body_encoding="ascii")
    await bench.publish(data={"t": "é", "f": 100.0})
    await bench.sender.wait(2)
    sent = sorted(outbound.body.partition(b'"data":')[2] for _, outbound in bench.sender.posted)
    actor = b',"actor":{"type":"application","id":"sentry","name":"Sentry"}}'
    assert sent == [b'{"t":"\\u00e9","f":100.0}' + actor, '{"t":"é","f":100}'.encode() + actor]


async def test_installing_and_uninstalling_is_told_to_a_public_integration(bench):
    """It gets created with the code, then deleted, whatever it subscribes to."""
    fields = {"kind": "public", "organization": None, "resources": []}
    given = {"name": "Hub", "webhook_url": "https://hub.example.com/"} | fields
    await bench.registry.create_integration({k: v for k, v in given.items() if v is not None})
    installation, code = await bench.registry.install("acme", "hub")
    await bench.registry.uninstall(installation.uuid)
    await bench.sender.wait(2)
    bodies = [json.loads(outbound.body) for _, outbound in bench.sender.posted]
    assert {body["action"] for body in bodies} == {"created", "deleted"}
    created = next(body for body in bodies if body["action"] == "created")
    assert created["installation"]["uuid"] == installation.uuid
    document = created["data"]["installation"]
    assert document["uuid"] == installation.uuid
    assert document["code"] == code
    assert document["app"]["slug"] == "hub"
    assert document["organization"]["slug"] == "acme"
    assert [d.state for d in await bench.store.deliveries(DeliveryFilter())] == [State.LEASED] * 2


async def test_changes_at_once_do_not_undo_one_another(bench):
    """Twenty callers change two fields of one integration; the last of each stays."""
    await bench.register("App")
    change = bench.registry.update_integration
    await asyncio.gather(
        *(change("app", {"name": f"N{n}"} if n % 2 else {"timeout": 1 + n}) for n in range(20))
    )
    integration = await bench.registry.integration("app")
    assert (integration.name, integration.policy.timeout_ms) == ("N19", 19_000)


async def test_ids_sort_in_the_order_of_acceptance(bench):
    """One after another, in batches and with others in one commit, while the clock stands still."""
    record, committed = bench.store.record, []

    async def watched(events):
        committed.extend(event.id.hex() for event in events)
        return await record(events)

    bench.store.record = watched
    await bench.register()
    batch = [{"data": {"n": n}} for n in range(4)]
    answers = await asyncio.gather(*(bench.publish_batch(*batch) for _ in range(10)))
    answers += [await bench.publish() for _ in range(3)]
    assert committed == sorted(set(committed))
    assert len(committed) == 43
    assert all(ids == sorted(ids) for ids in ([each.id for each in answer] for answer in answers))


async def test_an_announcement_has_its_place_in_the_order(bench):
    """What says that an app was installed sorts after the event before it, and before the next."""
    hub = {"name": "Hub", "webhook_url": "https://hub.example.com/", "kind": "public"}
    await bench.registry.create_integration(hub | {"resources": ["issue"]})
    installation, _ = await bench.registry.install("acme", "hub")
    await bench.publish()
    await bench.registry.uninstall(installation.uuid)
    (created, published, deleted) = reversed(await bench.store.deliveries(DeliveryFilter()))
    assert [created.action, published.resource, deleted.action] == ["created", "issue", "deleted"]
    assert created.event < published.event < deleted.event
