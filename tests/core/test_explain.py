"""The log read aloud: each sentence says what happened, and where it can, what to do."""

import pytest

from hookline.core.explain import explain
from hookline.core.lifecycle import State
from hookline.core.model import Attempt, BodyEncoding, Delivery, Policy, Timings
from hookline.core.outcome import Counted
from hookline.core.schedule import RetrySchedule
from hookline.core.verdict import ParkReason

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
POLICY = Policy(1500, 32, RetrySchedule((0, 5, 30)), BodyEncoding.JAVASCRIPT)
ACCEPTED = (
    "issue.created was accepted at 2027-01-15T08:00:00.000000Z for integration 'app' in "
    "organization 'acme'."
)


def delivery(state: State = State.WAITING, **values) -> Delivery:
    defaults = {
        "id": "00" * 16,
        "state": state,
        "park_reason": None,
        "event": "order-1",
        "resource": "issue",
        "action": "created",
        "organization": "acme",
        "integration": "app",
        "installation": "uuid",
        "webhook_url": "https://receiver.example/",
        "due_at": None,
        "attempts_made": 0,
        "schedule_position": 0,
        "accepted_at": NOW,
        "settled_at": None,
    }
    return Delivery(**defaults | values)


def attempt(outcome: Counted, status: int | None = None, **values) -> Attempt:
    defaults = {
        "number": 2,
        "started_at": NOW,
        "url": "https://hooks.example.com/",
        "outcome": outcome,
        "detail": "",
        "status": status,
        "signature": "ab" * 32,
        "timings": Timings(total=12_345),
        "address": "192.0.2.1:443",
        "http_version": "1.1",
        "response_head": b"",
        "response_body": b"",
        "response_cut": False,
    }
    return Attempt(**defaults | values)


def told(attempts=(), state=State.LEASED, policy=POLICY, **values) -> list[str]:
    return list(explain(delivery(state, **values), attempts, policy, NOW))


def about(one: Attempt, policy=POLICY) -> str:
    _, sentence, _ = told([one], policy=policy)
    assert sentence.startswith("Attempt 2 at 2027-01-15T08:00:00.000000Z ")
    return sentence.removeprefix("Attempt 2 at 2027-01-15T08:00:00.000000Z ")


def test_the_story_begins_and_ends():
    """How it came, each attempt in order, and where it stands."""
    attempts = [attempt(Counted.FAILURE, 500, number=n) for n in (1, 2, 3)]
    first, *middle, last = told(attempts)
    assert first == ACCEPTED
    assert [sentence[:9] for sentence in middle] == ["Attempt 1", "Attempt 2", "Attempt 3"]
    assert last == "An attempt is under way."


@pytest.mark.parametrize(
    ("status", "shown"),
    [(200, "200 OK"), (204, "204 No Content"), (299, "299"), (None, "without a status")],
)
def test_a_success(status, shown):
    """With its status in words where it has a name, and how long it took."""
    assert about(attempt(Counted.SUCCESS, status)) == f"was answered {shown} after 12.3 ms."


@pytest.mark.parametrize(
    ("status", "head", "advice"),
    [
        (500, b"", ""),
        (404, b"", ""),
        (401, b"", " If the receiver checks signatures: hookline verify tells why one fails."),
        (403, b"", " If the receiver checks signatures: hookline verify tells why one fails."),
        (410, b"", " It means that the receiver wants no more of this."),
        (
            301,
            b"HTTP/1.1 301 Moved\r\nServer: x\r\nLOCATION:  https://new.example/a \r\n\r\n",
            " Redirects are never followed: set the webhook URL to 'https://new.example/a'.",
        ),
        (
            302,
            b"HTTP/1.1 302 Found\r\n",
            " Redirects are never followed: set the webhook URL to another place.",
        ),
        (None, b"", ""),
    ],
)
def test_a_failure(status, head, advice):
    """It says that it counts as one, and what to do about it; hostile bytes are shown escaped."""
    sentence = about(attempt(Counted.FAILURE, status, response_head=head))
    assert sentence.startswith(f"was answered {status or 'without a status'}")
    _, _, rest = sentence.partition("which counts as a failure.")
    assert rest == advice


def redirected(location: bytes, url: str = "https://hooks.example.com/a/b?c=d") -> str:
    head = b"HTTP/1.1 308 Permanent Redirect\r\nLocation: " + location + b"\r\n\r\n"
    sentence = about(attempt(Counted.FAILURE, 308, response_head=head, url=url))
    return sentence.partition(" Redirects are never followed: ")[2]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (b"https://new.example/a?b=c", "https://new.example/a?b=c"),
        (b"/new", "https://hooks.example.com/new"),
        (b"new", "https://hooks.example.com/a/new"),
        (b"../new/", "https://hooks.example.com/new/"),
        (b"?e=f", "https://hooks.example.com/a/b?e=f"),
        (b"//new.example/", "https://new.example/"),
        (b"http://hooks.example.com/a/b", "http://hooks.example.com/a/b"),
        (b"/login#top", "https://hooks.example.com/login"),
    ],
)
def test_where_a_redirect_leads(location, target):
    """A relative target is told as the whole URL that could be set."""
    assert redirected(location) == f"set the webhook URL to '{target}'."


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        (b"\xff\x1b[31m", r"'\\xff\x1b[31m'"),
        (b"javascript:alert(1)", "'javascript:alert(1)'"),
        (b"file:///etc/passwd", "'file:///etc/passwd'"),
        (b"http://[::1", "'http://[::1'"),
        (b"http://user:secret@h/", "'http://user:secret@h/'"),
        ("http://b\u00fccher.example/\u202e".encode(), r"'http://b\xfccher.example/\u202e'"),
        (b"https://h/" + b"x" * 100_000, "'https://h/" + "x" * 190 + r"\u2026'"),
        (b"'\"\\", repr("'\"\\")),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_a_target_that_is_no_good(location, shown):
    """What could not be a webhook URL is shown in quotation marks, escaped and cut."""
    assert (
        redirected(location) == f"the answer points to {shown}, which could not be a webhook URL."
    )


def test_the_target_is_the_final_answers():
    """A Location in an interim answer, or below the head, is not where the redirect leads."""
    head = b"HTTP/1.1 103 Early Hints\r\nLocation: /no\r\n\r\nHTTP/1.1 302 Found\r\nX: y\r\n\r\n"
    sentence = about(attempt(Counted.FAILURE, 302, response_head=head + b"Location: /no\r\n"))
    assert sentence.endswith("set the webhook URL to another place.")


@pytest.mark.parametrize(("policy", "limit"), [(POLICY, " within 1.5 s"), (None, "")])
def test_a_timeout(policy, limit):
    """The transport's own sentence, and the limit while it is known."""
    sentence = about(attempt(Counted.TIMEOUT, detail="connection refused"), policy)
    expected = f"got no complete answer{limit} (connection refused); it counts as a timeout."
    assert sentence == expected


def test_a_blocked_address():
    """The guard's rule, and the setting that would allow it."""
    sentence = about(attempt(Counted.BLOCKED, detail="127.0.0.1 is loopback"))
    expected = "was not made: 127.0.0.1 is loopback. To allow it, set HOOKLINE_ALLOW_ADDRESSES."
    assert sentence == expected


@pytest.mark.parametrize(
    ("reason", "because"),
    [
        ("exhausted", "the retry schedule has no further attempt"),
        ("blocked", "the address is not allowed, and trying again would not change that"),
        ("gone", "the receiver answered 410 Gone"),
        ("deleted", "the integration was deleted"),
        ("something new", "something new"),
    ],
)
def test_parked(reason, because):
    """Why it is not tried again, in words, and what can be done."""
    expected = f"It is parked: {because}. Replay it when the cause is mended."
    assert told(state=State.PARKED, park_reason=reason)[-1] == expected


@pytest.mark.parametrize("reason", list(ParkReason))
def test_every_reason_has_words(reason):
    """No reason is shown as the bare word that the store keeps."""
    assert f": {reason}." not in told(state=State.PARKED, park_reason=reason)[-1]


def test_delivered():
    """Nothing more will be sent."""
    expected = "It is delivered; nothing more will be sent unless it is replayed."
    assert told(state=State.DELIVERED)[-1] == expected


@pytest.mark.parametrize(
    ("due", "when"),
    [
        (NOW - 1, "is due now"),
        (NOW, "is due now"),
        (None, "is due now"),
        (NOW + 5 * SECOND, "is due at 2027-01-15T08:00:05.000000Z"),
    ],
)
@pytest.mark.parametrize(
    ("policy", "position", "rest"),
    [
        (POLICY, 0, "; 2 more may follow."),
        (POLICY, 1, "; 1 more may follow."),
        (POLICY, 2, "; after it, the delivery is parked."),
        (POLICY, 7, "; after it, the delivery is parked."),
        (None, 0, "."),
    ],
)
def test_waiting(due, when, policy, position, rest):
    """When the next attempt is due, and how many may follow; without rules, only when."""
    sentence = told(state=State.WAITING, policy=policy, due_at=due, schedule_position=position)[-1]
    assert sentence == f"Its next attempt {when}{rest}"
