"""What is said of a receiver's habits, from answers alone."""

import pytest

from hookline.cli.habits import JUDGES, Finding, Seen, Verdict
from hookline.cli.scenarios import SCENARIOS
from hookline.core.outcome import Answered, Reason, Unanswered

GOOD, BAD, UNCLEAR = Verdict.GOOD, Verdict.BAD, Verdict.UNCLEAR

FORGED = ("bad-signature", "missing-signature")
GARBAGE = ("malformed-body", "empty-body")
UNKNOWN = ("unknown-resource", "unknown-action")
GENUINE = ("valid", "unicode", "duplicate", "rotated-secret", "out-of-order", "slow-receiver")


def seen(what: int | Reason, label: str = "it", **more) -> Seen:
    outcome = Answered(what) if isinstance(what, int) else Unanswered(what, "as it was")
    return Seen(label, outcome, **more)


def judged(name: str, *answers: int | Reason, control: int = 200) -> Finding:
    number = 2 if name == "duplicate" else 1
    given = answers if len(answers) > 1 else answers * number
    return JUDGES[name]([seen(each) for each in given], seen(control, "control"))


def test_every_scenario_has_its_judge():
    """And the other way round; the report has their order."""
    assert list(JUDGES) == list(SCENARIOS)


@pytest.mark.parametrize(
    ("names", "answer", "verdict"),
    [
        (("valid", "unicode", "rotated-secret", "slow-receiver"), 204, GOOD),
        (("duplicate", "out-of-order"), 204, UNCLEAR),
        (GENUINE, 401, BAD),
        (GENUINE, 500, BAD),
        (GENUINE, 301, BAD),
        (GENUINE, Reason.SLOW, BAD),
        (FORGED, 401, GOOD),
        (FORGED, 403, GOOD),
        (FORGED, 400, GOOD),
        (FORGED, 200, BAD),
        (GARBAGE, 400, GOOD),
        (GARBAGE, 200, UNCLEAR),
        ((*UNKNOWN, "old-timestamp"), 200, GOOD),
        ((*UNKNOWN, "old-timestamp"), 400, GOOD),
        (("too-large",), 413, GOOD),
        (("too-large",), 400, GOOD),
        (("too-large",), Reason.RESET, GOOD),
        (("too-large",), Reason.SLOW, UNCLEAR),
        (("too-large",), 200, BAD),
        (("get-request",), 405, GOOD),
        (("get-request",), 200, UNCLEAR),
        ((*FORGED, *GARBAGE, *UNKNOWN, "old-timestamp", "get-request"), Reason.RESET, BAD),
        ((*FORGED, *GARBAGE, *UNKNOWN, "old-timestamp", "get-request", "too-large"), 500, BAD),
        ((*FORGED, *GARBAGE, *UNKNOWN, "old-timestamp", "get-request", "too-large"), 302, BAD),
        ((*FORGED, *GARBAGE, *UNKNOWN, "old-timestamp", "get-request", "too-large"), 410, BAD),
    ],
)
def test_each_answer_has_its_verdict(names, answer, verdict):
    """For each scenario: what a good receiver answers, what a bad one does, what tells nothing."""
    for name in names:
        finding = judged(name, answer)
        assert finding.verdict is verdict, (name, finding)
        assert finding.verdict is GOOD or finding.advice
        assert "\n" not in finding.advice


@pytest.mark.parametrize("name", [*FORGED, *GARBAGE, *UNKNOWN, "old-timestamp", "too-large"])
def test_who_refuses_everything_proves_nothing(name):
    """Where an ordinary webhook is refused too, a refusal tells nothing of the habit."""
    assert judged(name, 401, control=401).verdict is UNCLEAR


@pytest.mark.parametrize("name", FORGED)
def test_one_that_passes_is_enough(name):
    """Of several requests the worst counts, and is named."""
    answers = [seen(401), seen(200, "the altered one"), seen(401)]
    finding = JUDGES[name](answers, seen(200))
    assert (finding.verdict, finding.found) == (BAD, "the altered one: answered 200")


def test_an_old_secret_that_is_not_given_is_not_judged():
    """It is said that nothing was sent, and what to give."""
    finding = JUDGES["rotated-secret"]([], seen(200))
    assert (finding.verdict, finding.found) == (UNCLEAR, "not sent")
    assert "--old-secret" in finding.advice


def test_a_receiver_may_say_that_it_is_a_duplicate():
    """Then it can be told; but not where it says so of all."""
    first, second = (
        seen(200, body='{"status":"accepted"}'),
        seen(200, body='{"status":"Duplicate"}'),
    )
    assert JUDGES["duplicate"]([first, second], seen(200)).verdict is GOOD
    assert JUDGES["duplicate"]([second, second], seen(200)).verdict is UNCLEAR


@pytest.mark.parametrize(
    ("status", "head", "verdict"),
    [
        (503, "HTTP/1.1 503 Busy\r\nRetry-After: 5\r\n", GOOD),
        (429, "HTTP/1.1 429\r\nretry-after: 5\r\n", GOOD),
        (503, "HTTP/1.1 503 Busy\r\n", BAD),
        (500, "HTTP/1.1 500\r\nRetry-After: 5\r\n", BAD),
    ],
)
def test_pushing_back_is_good_manners(status, head, verdict):
    """In a burst, 429 and 503 with Retry-After say when to come again; without it they say nothing."""
    finding = JUDGES["slow-receiver"]([seen(200), seen(status, head=head)], seen(200))
    assert finding.verdict is verdict


def test_what_was_found_is_counted():
    """Each different outcome once; the slowest of a burst is named."""
    answers = [seen(200, took_us=4_000), seen(204, took_us=9_000), seen(200)]
    assert JUDGES["valid"](answers, seen(200)).found == "2 x answered 200, 1 x answered 204"
    assert JUDGES["slow-receiver"](answers, seen(200)).found.endswith(", slowest 9 ms")
