"""Unsubscribing and coming back, over the API of a real server with real receivers.

The server unsubscribes at ten timeouts. A receiver that is silent is a port on which nobody listens.
"""

import hmac
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

import pytest
from tests.server.conftest import Live, Loop

LIMIT = 10
DEADLINE_S = 20.0
NEVER = "2020-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server whose integrations are unsubscribed soon, and which may send to any loopback port."""
    loop = Loop()
    rules = {"HOOKLINE_UNSUBSCRIBE_TIMEOUTS": str(LIMIT), "HOOKLINE_ALLOW_ADDRESSES": "127.0.0.1"}
    try:
        found = loop.run(loop.live(tmp_path_factory.mktemp("live"), **rules))
        with closing(found.client):
            yield found
    finally:
        loop.close()


@pytest.fixture(scope="module")
def nowhere() -> Iterator[str]:
    """A URL at which every connection is refused."""
    with socket.socket() as held:  # bound, so that nobody else listens there
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/"


def until(holds: Any, what: str) -> Any:
    """Wait until something holds; what it was."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.01)
    return found


def path_of(app: dict[str, Any], verb: str = "") -> str:
    return f"/api/v1/integrations/{app['slug']}{verb and '/' + verb}"


def act(live: Live, app: dict[str, Any], verb: str, status: int = 200, **body: Any) -> Any:
    return live.ok(live.client.post(path_of(app, verb), json=body), status)


def silent(live: Live, nowhere: str, **given: Any) -> dict[str, Any]:
    """An integration of a silent receiver in an organization of its own, each delivery tried once."""
    slug = live.name("silent")
    fields = {"resources": ["issue"], "retry_schedule": [0], "organization": slug, "slug": slug}
    return live.register(webhook_url=nowhere, **(fields | given))


def publish(live: Live, app: dict[str, Any], count: int) -> list[dict[str, Any]]:
    made = [live.publish(app["slug"], data={"n": n}) for n in range(count)]
    return [live.delivery_of(each) for each in made]


def time_out(live: Live, app: dict[str, Any], count: int) -> None:
    """Let so many attempts time out."""
    for each in publish(live, app, count):
        live.settled(each["id"], "parked")


def missed(live: Live, count: int, **given: Any) -> dict[str, Any]:
    """An integration with a good receiver that was unsubscribed while so many events came."""
    slug = live.name("missed")
    given = {"resources": ["issue"], "organization": slug, "slug": slug} | given
    app = live.register(**given)
    act(live, app, "unsubscribe")
    publish(live, app, count)
    return app


def done(live: Live, app: dict[str, Any]) -> dict[str, Any]:
    """Wait until the newest recovery is done."""
    return until(lambda: _newest_done(live, app), "the recovery")


def _newest_done(live: Live, app: dict[str, Any]) -> Any:
    newest = live.get(path_of(app, "recoveries"))[0]
    return newest if newest["done"] else None


def notices(live: Live, app: dict[str, Any]) -> list[str]:
    found = live.get("/api/v1/notices", integration=app["slug"])["notices"]
    return [each["kind"] for each in reversed(found)]


def test_the_documented_rule(live, nowhere):
    """Nine timeouts warn twice, the tenth unsubscribes; what waits and what comes later is kept."""
    app = silent(live, nowhere, retry_schedule=[0, 3600])
    publish(live, app, LIMIT - 1)
    health = until(lambda: _timeouts(live, app, LIMIT - 1), "nine timeouts")
    assert (health["status"], health["unsubscribed"]) == ("subscribed", None)
    assert (health["timeouts_allowed"], health["timeouts_within"]) == (LIMIT, 86_400)
    assert (health["waiting"], health["parked"], health["slow"]) == (LIMIT - 1, 0, True)
    assert notices(live, app) == ["warned", "warned"]
    publish(live, app, 1)
    found = until(lambda: _if_unsubscribed(live, app), "the tenth timeout")
    assert found["unsubscribed"]["reason"] == "timeouts"
    assert found["unsubscribed"]["detail"] == f"{LIMIT} attempts within 24 hours timed out."
    assert datetime.fromisoformat(found["unsubscribed"]["at"]).tzinfo is not None
    assert notices(live, app) == ["warned", "warned", "unsubscribed"]
    later = live.publish(app["slug"])
    assert later["deliveries"] == 1
    delivery = live.delivery_of(later)
    assert (delivery["state"], delivery["park_reason"]) == ("parked", "unsubscribed")
    query = {"integration": app["slug"], "park_reason": "unsubscribed", "limit": 200}
    parked = until(lambda: _all_parked(live, query, LIMIT + 1), "all of it to be parked")
    assert {each["attempts_made"] for each in parked} == {0, 1}
    assert live.get("/api/v1/deliveries", **(query | {"park_reason": "gone"}))["deliveries"] == []


def _timeouts(live: Live, app: dict[str, Any], count: int) -> Any:
    health = live.get(path_of(app, "health"))
    return health if health["timeouts"] == count and not health["in_flight"] else None


def _if_unsubscribed(live: Live, app: dict[str, Any]) -> Any:
    found = live.get(path_of(app))
    return found if found["status"] == "unsubscribed" else None


def _all_parked(live: Live, query: dict[str, Any], count: int) -> Any:
    found = live.get("/api/v1/deliveries", **query)["deliveries"]
    return found if len(found) == count else None


def test_it_begins_anew_after_resubscribing(live, nowhere):
    """The old timeouts count no more: it takes the whole number again."""
    app = silent(live, nowhere)
    time_out(live, app, LIMIT)
    assert live.get(path_of(app))["status"] == "unsubscribed"
    answer = act(live, app, "resubscribe")
    assert answer["recovery"] is None
    assert (answer["integration"]["status"], answer["integration"]["unsubscribed"]) == (
        "subscribed",
        None,
    )
    assert live.get(path_of(app, "health"))["timeouts"] == 0
    time_out(live, app, LIMIT - 1)
    assert live.get(path_of(app))["status"] == "subscribed"
    time_out(live, app, 1)
    assert live.get(path_of(app))["status"] == "unsubscribed"


def test_gone(live):
    """410 parks the delivery as gone, the others as unsubscribed, and says so."""
    slug = live.name("gone")
    app = live.register(slug=slug, organization=slug, resources=["issue"], max_in_flight=1)
    live.receiver.answers[f"/{slug}"] = (410, {})
    first, *rest = publish(live, app, 3)
    assert live.settled(first["id"], "parked")["park_reason"] == "gone"
    assert live.get(path_of(app))["unsubscribed"]["reason"] == "gone"
    assert {live.settled(each["id"], "parked", 0)["park_reason"] for each in rest} == {
        "unsubscribed"
    }
    assert len(live.receiver.at(f"/{slug}")) == 1
    assert notices(live, app) == ["unsubscribed"]
    story = live.get(f"/api/v1/deliveries/{rest[0]['id']}/explain")["sentences"][-1]
    assert "unsubscribed since" in story
    assert "(The receiver answered 410 Gone). Resubscribing can recover" in story


def test_recovering_what_was_missed(live):
    """A dry run changes nothing and counts what then arrives, each once, with its own id."""
    app = missed(live, 25)
    counted = act(live, app, "resubscribe", recover=True, dry_run=True)
    assert counted == {"dry_run": True, "deliveries": 25, "by": {"unsubscribed": 25}}
    assert live.get(path_of(app))["status"] == "unsubscribed"
    assert act(live, app, "resubscribe", dry_run=True) == counted
    answer = act(live, app, "resubscribe", recover=True)
    assert answer["integration"]["status"] == "subscribed"
    assert done(live, app)["recovered"] == 25
    came = live.receiver.wait(f"/{app['slug']}", 25)
    assert len({each.header("Request-ID") for each in came}) == 25
    publish(live, app, 1)
    assert len(live.receiver.wait(f"/{app['slug']}", 26)) == 26
    assert notices(live, app) == ["unsubscribed", "resubscribed"]


def test_an_ordered_one_gets_it_in_order(live):
    """As accepted, and what comes after it after it."""
    app = missed(live, 12, ordered=True)
    act(live, app, "resubscribe", recover=True)
    live.publish(app["slug"], data={"n": 12})
    came = live.receiver.wait(f"/{app['slug']}", 13)
    assert [each.json()["data"]["n"] for each in came] == list(range(13))


def test_recovering_a_span(live):
    """A dry run answers 200 and its counts, a real one 202 and how far it got."""
    app = missed(live, 4)
    act(live, app, "resubscribe")
    span = {"since": NEVER, "states": ["parked"]}
    assert act(live, app, "recover", **span, dry_run=True) == {
        "dry_run": True,
        "deliveries": 4,
        "by": {"unsubscribed": 4},
    }
    before = act(live, app, "recover", since=NEVER, until="2021-01-01T00:00:00Z", dry_run=True)
    assert before["deliveries"] == 0
    begun = act(live, app, "recover", 202, **span)
    assert set(begun) == {"id", "states", "recovered", "done", "begun_at", "done_at"}
    assert done(live, app)["recovered"] == 4
    came = live.receiver.wait(f"/{app['slug']}", 4)
    for each in came:
        live.settled(each.header("Request-ID"), "delivered")
    both = act(live, app, "recover", 202, since=NEVER, states=["parked", "delivered"])
    assert both["states"] == ["delivered", "parked"]
    again = live.receiver.wait(f"/{app['slug']}", 8)[4:]
    assert {each.header("Request-ID") for each in again} == {
        each.header("Request-ID") for each in came
    }
    assert [each["id"] for each in live.get(path_of(app, "recoveries"))] == [
        both["id"],
        begun["id"],
    ]


def test_recovered_ones_are_retried(live):
    """The receiver fails at first; the retry delivers."""
    app = missed(live, 2, retry_schedule=[0, 0.2])
    path = f"/{app['slug']}"
    live.receiver.answers[path] = (500, {})
    act(live, app, "resubscribe", recover=True)
    live.receiver.wait(path, 2)
    live.receiver.answers[path] = (204, {})
    for each in live.receiver.wait(path, 4):
        live.settled(each.header("Request-ID"), "delivered", 2)


def test_an_operators_webhook(live):
    """A notice is delivered like any event: signed, and its signature verifies at the receiver."""
    desk = live.register(organization="hookline", resources=["hookline"])
    app = missed(live, 0)
    path = f"/{desk['slug']}"
    came = until(lambda: _about(live, path, app["slug"]), "the notice")
    expected = hmac.digest(desk["client_secret"].encode(), came.body, "sha256").hex()
    assert came.header("Sentry-Hook-Signature") == expected
    assert came.header("Sentry-Hook-Resource") == "hookline"
    assert came.json()["action"] == "unsubscribed"
    assert came.json()["data"]["notice"]["message"] == "An operator unsubscribed it."
    (notice,) = live.get("/api/v1/notices", integration=app["slug"])["notices"]
    assert notice["published_at"] is not None


def _about(live: Live, path: str, slug: str) -> Any:
    found = [
        each
        for each in live.receiver.at(path)
        if each.json()["data"]["integration"]["slug"] == slug
    ]
    return found[0] if found else None


def test_notices_are_refused_elsewhere(live):
    """Nobody but operators subscribes to them, and nobody publishes them."""
    fields = {
        "name": "Spy",
        "organization": "acme",
        "webhook_url": live.receiver.url("/spy"),
        "resources": ["hookline"],
    }
    answer = live.client.post("/api/v1/integrations", json=fields)
    live.refused(answer, 422, "notices-elsewhere", "/resources")
    event = {"resource": "hookline", "action": "unsubscribed", "data": {}}
    answer = live.client.post("/api/v1/organizations/hookline/events", json=event)
    live.refused(answer, 422, "reserved-resource", "/resource")


def test_notices_come_a_page_at_a_time(live):
    """Newest first; the cursor leads to the end, over all integrations or of one."""
    app = missed(live, 0)
    for verb in ("resubscribe", "unsubscribe", "resubscribe"):
        act(live, app, verb)
    query: dict[str, Any] = {"integration": app["slug"], "limit": 3}
    first = live.get("/api/v1/notices", **query)
    second = live.get("/api/v1/notices", **query, before=first["next"])
    kinds = [each["kind"] for each in first["notices"] + second["notices"]]
    assert kinds == ["resubscribed", "unsubscribed"] * 2
    assert second["next"] is None
    ids = [each["id"] for each in live.get("/api/v1/notices", limit=200)["notices"]]
    assert ids == sorted(ids, reverse=True)


def test_with_words_of_whoever_did_it(live):
    """The reason is shown on the integration."""
    app = live.register()
    found = act(live, app, "unsubscribe", detail="moves to another host")
    assert (found["unsubscribed"]["reason"], found["unsubscribed"]["detail"]) == (
        "manual",
        "moves to another host",
    )
    assert live.get(path_of(app, "health"))["unsubscribed"] == found["unsubscribed"]


def test_why_one_waits(live):
    """Behind its ordered lane's first; because the receiver asked for rest; because of the rate."""
    slug = live.name("why")
    app = live.register(
        slug=slug, organization=slug, resources=["issue"], ordered=True, retry_schedule=[0, 3600]
    )
    live.receiver.answers[f"/{slug}"] = (503, {"Retry-After": "7200"})
    first, second = publish(live, app, 2)
    live.settled(first["id"], "waiting")
    told = live.get(f"/api/v1/deliveries/{first['id']}/explain")["sentences"]
    assert not any("waits behind" in each for each in told)
    told = live.get(f"/api/v1/deliveries/{second['id']}/explain")["sentences"]
    assert f"The integration is ordered: it waits behind delivery {first['id']}." in told
    held = live.get(path_of(app, "health"))["held_until"]
    assert held is not None
    limited = live.register(
        slug=live.name("why"),
        organization=slug + "-2",
        resources=["issue"],
        rate_limit={"number": 1, "per": "minute"},
    )
    made = [live.publish(slug + "-2") for _ in range(2)]
    live.receiver.wait(f"/{limited['slug']}")
    last = live.delivery_of(made[-1])
    told = live.get(f"/api/v1/deliveries/{last['id']}/explain")["sentences"]
    assert "The rate limit of 1 a minute is used up for the moment." in told
