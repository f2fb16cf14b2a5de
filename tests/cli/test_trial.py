"""``hookline trigger --scenario`` and ``--burst`` against receivers of known habits."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from itertools import count

import pytest
from tests.cli.receiving import receiving

from hookline import samples
from hookline.cli.sampling import Source
from hookline.cli.scenarios import SCENARIOS, TOO_LARGE, control
from hookline.core.headers import SIGNATURE
from hookline.core.signing import matches, sign
from hookline.receive import WebhookError, verify
from hookline.receive.testing import SECRET, Answer, RecordingReceiver

PATIENT = ("--timeout", "20")
URL = "http://127.0.0.1:1/hook"


def source(**more) -> Source:
    numbers = count(1)
    return Source(
        URL,
        SECRET,
        lambda: 1_795_428_000_000_000 + next(numbers),
        lambda size: next(numbers).to_bytes(size),
        **more,
    )


def verdicts(told: dict) -> dict[str, str]:
    return {each["name"]: each["verdict"] for each in told["scenarios"]}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_what_is_sent_is_what_the_scenario_says(scenario):
    """The same source makes the same requests; where they are to be genuine, they are."""
    waves = scenario.make(source(), "old")
    assert waves == scenario.make(source(), "old")
    shots = [shot for wave in waves for shot in wave]
    assert shots
    for shot in shots:
        given = dict(shot.request.headers).get(SIGNATURE, "")
        right = matches(SECRET, shot.request.body, given)
        forged = scenario.name in {"bad-signature", "missing-signature", "rotated-secret"}
        assert right is not forged, (scenario.name, shot.label)
        assert shot.request.url == URL


def test_the_valid_ones_are_all_that_are_documented():
    """Each resource and action once, in order, and the kit verifies them."""
    shots = [wave[0] for wave in SCENARIOS["valid"].make(source(), None)]
    assert [shot.label for shot in shots] == list(samples.names())
    for shot in shots:
        assert verify(shot.request.body, shot.request.headers, SECRET).event == shot.label


def test_the_special_ones_are_special():
    """The old secret signs, the large one is large, the broken ones are refused for what they are."""
    ((rotated,),) = SCENARIOS["rotated-secret"].make(source(), "old")
    assert rotated.request.signature == sign("old", rotated.request.body)
    assert SCENARIOS["rotated-secret"].make(source(), None) == ()
    ((large,),) = SCENARIOS["too-large"].make(source(), None)
    assert len(large.request.body) == TOO_LARGE
    for wave in SCENARIOS["malformed-body"].make(source(), None):
        with pytest.raises(WebhookError) as caught:
            verify(wave[0].request.body, wave[0].request.headers, SECRET)
        assert caught.value.status == 400, wave[0].label
    spelt, in_ascii = (wave[0].request.body for wave in SCENARIOS["unicode"].make(source(), None))
    assert "🧾".encode() in spelt
    assert in_ascii.isascii()
    assert b"100.0" in in_ascii
    first, second = (wave[0].request for wave in SCENARIOS["duplicate"].make(source(), None))
    assert first == second


def test_one_that_takes_everything_is_found_out(call):
    """Nobody checks a signature there: bad, exit code 1, and what to do about it."""
    with RecordingReceiver() as receiver:
        flags = ("--scenario", "all", "--to", receiver.url, "--secret", SECRET, *PATIENT)
        result = call("trigger", *flags, "--json")
        told = json.loads(result.out)
        assert result.code == 1
        bad = {name for name, verdict in verdicts(told).items() if verdict == "bad"}
        assert bad == {"bad-signature", "missing-signature", "too-large"}
        shown = call("trigger", *flags)
    assert shown.code == 1
    assert "BAD" in shown.text
    assert "answer 401" in shown.text
    assert "3 bad" in shown.text
    assert told["control"]["status"] == 200
    assert all(each["answers"] for each in told["scenarios"] if each["name"] != "rotated-secret")
    assert {"sends", "wanted", "found", "advice"} < set(told["scenarios"][0])


def test_a_wrong_secret_is_said_first(call):
    """It refuses all: what is genuine fails, and of the refusals nothing can be told."""
    with RecordingReceiver("another") as receiver:
        flags = ("--scenario", "bad-signature", "--scenario", "valid", "--to", receiver.url)
        result = call("trigger", *flags, "--secret", SECRET, *PATIENT)
    assert result.code == 1
    assert "an ordinary webhook: answered 401" in result.text
    assert "hookline verify" in result.err
    assert "cannot be told" in result.text


def test_a_good_habit_is_exit_code_0(call):
    """Only what was asked for is sent, after the control."""
    with RecordingReceiver(SECRET) as receiver:
        flags = ("--scenario", "missing-signature", "--to", receiver.url, "--secret", SECRET)
        result = call("trigger", *flags, *PATIENT, "--json")
        assert [each.status for each in receiver.requests] == [200, 401]
    assert result.code == 0
    assert verdicts(json.loads(result.out)) == {"missing-signature": "good"}


def test_nobody_there_is_one_answer(call):
    """No habit is judged where nothing listens."""
    with RecordingReceiver() as receiver:
        url = receiver.url
    flags = ("--scenario", "all", "--to", url, "--secret", SECRET)
    result = call("trigger", *flags)
    assert result.code == 1
    assert "Is it running?" in result.err
    told = json.loads(call("trigger", *flags, "--json").out)
    assert (told["control"]["status"], told["scenarios"]) == (None, [])


def test_a_slow_receiver_is_found_out(call):
    """The control is answered at once, the burst is not."""
    late = Answer(200, delay_s=5)
    with RecordingReceiver(SECRET, answers=[200], answer=late) as receiver:
        flags = ("--scenario", "slow-receiver", "--to", receiver.url, "--secret", SECRET)
        result = call("trigger", *flags, "--timeout", "1", "--json")
    (only,) = json.loads(result.out)["scenarios"]
    assert (result.code, only["verdict"]) == (1, "bad")
    assert "store the webhook" in only["advice"]


@contextmanager
def parsing_receiver() -> Iterator[str]:
    """A receiver as the snippets make it: it signs the parsed body written again."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            again = json.dumps(json.loads(body), separators=(",", ":")).encode()
            right = matches(SECRET, again, self.headers[SIGNATURE])
            self.send_response(200 if right else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with receiving(Handler) as url:
        yield url


def test_who_signs_parsed_json_is_found_out(call):
    """Ordinary webhooks pass by luck, é does not; the other habits are judged by themselves."""
    names = ("unicode", "valid", "duplicate", "bad-signature", "out-of-order", "slow-receiver")
    with parsing_receiver() as url:
        chosen = [word for name in names for word in ("--scenario", name)]
        flags = (*chosen, "--to", url, "--secret", SECRET, *PATIENT, "--json")
        result = call("trigger", *flags)
    told = json.loads(result.out)
    assert (told["control"]["status"], result.code) == (200, 1)
    bad = [name for name, verdict in verdicts(told).items() if verdict == "bad"]
    assert bad == ["valid", "unicode"]
    assert "raw bytes" in told["scenarios"][1]["advice"]


def test_a_burst_is_of_different_events(call):
    """All at once, each another documented one, over and over, each with an id of its own."""
    number = len(samples.names()) + 3
    with RecordingReceiver(SECRET) as receiver:
        flags = ("--burst", str(number), "--to", receiver.url, "--secret", SECRET, *PATIENT)
        result = call("trigger", *flags)
        got = receiver.webhooks
    assert result.code == 0
    assert f"{number} sent, {number} answered 2xx, 0 failed" in result.text
    assert len({webhook.id for webhook in got}) == number
    assert {webhook.event for webhook in got} == set(samples.names())


def test_a_burst_tells_how_each_fared(call):
    """Of one event; the failures are counted by what came of them, and the first is shown."""
    with RecordingReceiver(SECRET, answers=[503, 503, 500]) as receiver:
        flags = ("issue.created", "--burst", "9", "--to", receiver.url, "--secret", SECRET)
        result = call("trigger", *flags, *PATIENT)
        events = {webhook.event for webhook in receiver.webhooks}
    assert (result.code, events) == (1, {"issue.created"})
    for words in ("6 answered 200", "2 answered 503", "1 answered 500", "9 sent, 6 answered 2xx"):
        assert words in result.text


def test_an_answer_of_a_scenario_cannot_play_with_the_terminal(call):
    """A stranger's bytes are shown escaped, in both forms of the report."""
    answer = Answer(200, body=b"\x1b[2J\x9b\xe2\x80\xae")
    with RecordingReceiver(SECRET, answer=answer) as receiver:
        flags = ("--scenario", "duplicate", "--to", receiver.url, "--secret", SECRET, *PATIENT)
        for more in ((), ("--json",)):
            shown = call("trigger", *flags, *more).text
            assert all(char.isprintable() or char == "\n" for char in shown)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scenario", "al"], "no scenario 'al'"),
        (["issue.created", "--scenario", "all"], "NAME and --scenario do not go together"),
        (["--scenario", "all", "--burst", "3"], "--burst and --scenario"),
        (["issue.created", "--count", "2", "--burst", "3"], "--count and --burst"),
        (["--burst", "0"], "--burst 0"),
        (["--burst", "1001"], "--burst 1001"),
        (["--scenario", "all", "--print"], "--scenario and --print"),
        (["--scenario", "all", "--old-secret", ""], "a secret is empty"),
    ],
)
def test_wrong_use_is_exit_code_2(call, arguments, words):
    """What contradicts itself is refused before anything is sent."""
    result = call("trigger", *arguments, "--to", URL, "--secret", "s")
    assert (result.code, words in result.err) == (2, True), result.err


def test_the_control_is_ordinary():
    """No receiver that works trips over it: it is the same in every spelling of JSON."""
    shot = control(source())
    parsed = json.loads(shot.request.body)
    assert (
        json.dumps(parsed, separators=(",", ":"), ensure_ascii=False) == shot.request.body.decode()
    )
    assert shot.request.body.isascii()
    assert verify(shot.request.body, shot.request.headers, SECRET).event == "comment.created"
    assert replace(SCENARIOS["valid"]).judge is SCENARIOS["valid"].judge
