"""``hookline trigger --scenario``: try a receiver's habits, and report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.progress import Progress
from rich.text import Text

from hookline.cli.advice import advice
from hookline.cli.habits import Finding, Seen, Verdict
from hookline.cli.sampling import Source
from hookline.cli.scenarios import SCENARIOS, Scenario, Shot, Wave, control
from hookline.cli.sending import Sending, sending
from hookline.cli.terminal import (
    BAD,
    DIM,
    GOOD,
    TITLE,
    WARN,
    cell,
    err,
    harmless,
    make_table,
    out,
    print_json,
)
from hookline.core.errors import UsageError
from hookline.core.outcome import Unanswered
from hookline.send.sender import Completed

__all__ = ["chosen", "run_trial"]

ALL: Final = "all"

_STYLES: Final = {Verdict.GOOD: GOOD, Verdict.BAD: BAD, Verdict.UNCLEAR: WARN}
_WORDS: Final = {Verdict.GOOD: "good", Verdict.BAD: "BAD", Verdict.UNCLEAR: "cannot be told"}


@dataclass(frozen=True, slots=True)
class _Tried:
    scenario: Scenario
    finding: Finding
    seen: tuple[Seen, ...]


def chosen(names: Sequence[str]) -> list[Scenario]:
    """The scenarios of these names, each once, in the order of the report.

    Raises:
        UsageError: there is none of such a name.
    """
    for name in names:
        if name != ALL and name not in SCENARIOS:
            raise UsageError(
                "unknown-scenario",
                f"there is no scenario {name[:60]!a}",
                f"known: {ALL}, {', '.join(SCENARIOS)}",
            )
    return [each for each in SCENARIOS.values() if ALL in names or each.name in names]


def run_trial(
    scenarios: Sequence[Scenario], source: Source, old_secret: str | None, *, as_json: bool
) -> int:
    """Send, judge, report; 0 if nothing is bad, 1 if something is."""
    tried: list[_Tried] = []
    with sending() as post:
        seen = _shoot(post, (control(source),))[0]
        # Where nobody answers at all, there is no habit to learn.
        if not isinstance(seen.outcome, Unanswered):
            tried = _try_all(scenarios, source, old_secret, seen, post)
    if as_json:
        print_json(_document(source.url, seen, tried))
    else:
        _show(source.url, seen, tried)
    bad = any(each.finding.verdict is Verdict.BAD for each in tried)
    return 1 if bad or not tried else 0


def _try_all(
    scenarios: Sequence[Scenario],
    source: Source,
    old_secret: str | None,
    seen_control: Seen,
    post: Sending,
) -> list[_Tried]:
    tried = []
    with Progress(console=err(), transient=True, disable=not err().is_terminal) as bar:
        for scenario in bar.track(scenarios, description="trying"):
            waves = scenario.make(source, old_secret)
            seen = tuple(each for wave in waves for each in _shoot(post, wave))
            tried.append(_Tried(scenario, scenario.judge(seen, seen_control), seen))
    return tried


def _shoot(post: Sending, wave: Wave) -> list[Seen]:
    if any(shot.method == "GET" for shot in wave):
        return [_seen(shot, post.get(shot.request)) for shot in wave]
    answers = post.post([shot.request for shot in wave])
    return [_seen(shot, answer) for shot, answer in zip(wave, answers, strict=True)]


def _seen(shot: Shot, answer: Completed) -> Seen:
    return Seen(
        shot.label,
        answer.outcome,
        answer.timings.total,
        answer.response_head.decode("utf-8", "backslashreplace"),
        answer.response_body.decode("utf-8", "backslashreplace"),
    )


def _document(url: str, seen: Seen, tried: Sequence[_Tried]) -> dict[str, Any]:
    return {
        "url": url,
        "control": _answer(seen),
        "scenarios": [
            {
                "name": each.scenario.name,
                "sends": each.scenario.sends,
                "wanted": each.scenario.wanted,
                "verdict": each.finding.verdict.value,
                "found": each.finding.found,
                "advice": each.finding.advice,
                "answers": [_answer(one) for one in each.seen],
            }
            for each in tried
        ],
    }


def _answer(seen: Seen) -> dict[str, Any]:
    return {
        "sent": seen.label,
        "status": seen.status or None,
        "detail": str(seen).removeprefix(f"{seen.label}: "),
        "took_us": seen.took_us,
        "body": seen.body[:1_000],
    }


def _show(url: str, seen: Seen, tried: Sequence[_Tried]) -> None:
    console = out()
    console.print(Text(harmless(url), style=TITLE), soft_wrap=True)
    if not seen.accepted:
        console.print(cell(str(seen), BAD), soft_wrap=True)
        err().print(Text("hint: ", style=WARN) + Text(advice(seen.outcome)), soft_wrap=True)
    if not tried:
        return
    table = make_table("scenario", "a good receiver", "verdict", "found", unbroken=["scenario"])
    for each in tried:
        verdict = each.finding.verdict
        found = cell(each.finding.found)
        if each.finding.advice:
            found += Text("\n") + cell(each.finding.advice, DIM)
        table.add_row(
            cell(each.scenario.name),
            cell(each.scenario.wanted),
            cell(_WORDS[verdict], _STYLES[verdict]),
            found,
        )
    console.print(table)
    counts = {
        verdict: sum(each.finding.verdict is verdict for each in tried) for verdict in Verdict
    }
    console.print(
        f"{counts[Verdict.GOOD]} good, {counts[Verdict.BAD]} bad, "
        f"{counts[Verdict.UNCLEAR]} cannot be told from outside",
        style=BAD if counts[Verdict.BAD] else GOOD,
    )
