"""What else than its own due time keeps a delivery waiting, and what parked it, read aloud."""

import pytest

from hookline.core.explain import Surroundings, explain
from hookline.core.gate import Gate
from hookline.core.lifecycle import State
from hookline.core.model import BodyEncoding, Delivery, Integration, Kind, Policy, Unsubscribed
from hookline.core.pace import Pace
from hookline.core.rate import Period, RateLimit
from hookline.core.schedule import RetrySchedule
from hookline.core.unsubscribing import Reason

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
POLICY = Policy(1500, 4, RetrySchedule((0, 5, 30)), BodyEncoding.JAVASCRIPT)


def integration(unsubscribed: Unsubscribed | None = None) -> Integration:
    return Integration(
        id=1,
        uuid="uuid",
        slug="app",
        name="App",
        kind=Kind.INTERNAL,
        organization="acme",
        webhook_url="https://receiver.example/",
        client_id="client",
        resources=("issue",),
        alertable=False,
        unsubscribed=unsubscribed,
        policy=POLICY,
        created_at=NOW,
        updated_at=NOW,
    )


def told(
    gate: Gate | None = None, *, ahead: str | None = None, state: State = State.WAITING, **values
) -> list[str]:
    """All that is said after the story of the attempts."""
    since = values.pop("unsubscribed", None)
    fields = {"due_at": NOW, "park_reason": None} | values
    delivery = Delivery(
        "0" * 32, state, fields["park_reason"], "order-1", "issue", "created", "acme", "app",
        "uuid", "https://receiver.example/", fields["due_at"], 0, 0, NOW, None,
    )  # fmt: skip
    around = Surroundings(integration(since), gate or Gate(1, 0, 4), ahead)
    return list(explain(delivery, (), POLICY, NOW, around))[1:]


def test_nothing_else_holds_it():
    """Then only its own due time is told."""
    assert told() == ["Its next attempt is due now; 2 more may follow."]


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        (
            Gate(1, 4, 4),
            "As many of the integration's attempts are under way as may be: 4.",
        ),
        (
            Gate(1, 0, 4, pace=Pace(window=1, slow=True)),
            "Its receiver only timed out lately, so others go first where slots are scarce.",
        ),
        (
            Gate(1, 0, 4, pace=Pace(held_until=NOW + SECOND)),
            "The receiver said that it is overloaded: nothing is attempted for the integration "
            "before 2027-01-15T08:00:01.000000Z.",
        ),
        (
            Gate(1, 0, 4, RateLimit(10, Period.SECOND), rate_next_at=NOW + SECOND),
            "The rate limit of 10 a second is used up for the moment.",
        ),
    ],
)
def test_what_the_gate_says(gate, sentence):
    """One sentence for each thing that shuts it."""
    assert told(gate)[1:] == [sentence]


def test_a_window_that_is_narrower_than_the_cap():
    """How many there may be for now, and how many when the receiver copes."""
    assert told(Gate(1, 1, 4, pace=Pace(window=1, slow=True)))[1:] == [
        "As many of the integration's attempts are under way as may be: 1.",
        "By how its receiver copes that is 1 for now, and not 4.",
    ]


@pytest.mark.parametrize(
    "gate",
    [
        Gate(1, 4, 4),
        Gate(1, 0, 4, pace=Pace(slow=True)),
        Gate(1, 0, 4, pace=Pace(held_until=NOW + SECOND)),
        Gate(1, 0, 4, RateLimit(10, Period.SECOND), rate_next_at=NOW + SECOND),
    ],
)
def test_what_is_over_before_it_is_due(gate):
    """It is not due yet: what shuts the gate at this moment does not hold it."""
    assert len(told(gate, due_at=NOW + 5 * SECOND)) == 1


def test_a_hold_that_is_longer_than_its_own_wait():
    """The receiver's wish puts it off further."""
    gate = Gate(1, 0, 4, pace=Pace(held_until=NOW + 9 * SECOND))
    assert "before 2027-01-15T08:00:09.000000Z." in told(gate, due_at=NOW + 5 * SECOND)[1]


@pytest.mark.parametrize("due_at", [NOW, NOW + SECOND, None])
def test_behind_another(due_at):
    """In an ordered lane somebody else's turn comes first."""
    assert told(ahead="ab" * 16, due_at=due_at)[1:] == [
        f"The integration is ordered: it waits behind delivery {'ab' * 16}."
    ]


@pytest.mark.parametrize("state", [State.LEASED, State.DELIVERED])
def test_what_does_not_wait_is_held_by_nothing(state):
    """A full gate is no news of what has passed it."""
    assert len(told(Gate(1, 4, 4), state=state, ahead="ab" * 16)) == 1


def test_parked_because_it_is_unsubscribed():
    """Since when and why, and what brings it back."""
    since = Unsubscribed(NOW, Reason.GONE, "The receiver answered 410 Gone.")
    assert told(state=State.PARKED, park_reason="unsubscribed", unsubscribed=since) == [
        "It is parked: the integration is unsubscribed since 2027-01-15T08:00:00.000000Z "
        "(The receiver answered 410 Gone). Resubscribing can recover what it missed."
    ]


def test_parked_because_it_was_unsubscribed():
    """It is subscribed again, and this one was not recovered."""
    assert told(state=State.PARKED, park_reason="unsubscribed") == [
        "It is parked: the integration was unsubscribed then. It receives events again; "
        "recovering sends what it missed."
    ]


def test_parked_for_another_reason():
    """What the gate says has nothing to do with it."""
    (sentence,) = told(Gate(1, 4, 4), state=State.PARKED, park_reason="exhausted")
    assert sentence.startswith("It is parked: the retry schedule has no further attempt.")
