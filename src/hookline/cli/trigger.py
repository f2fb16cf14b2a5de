"""``hookline trigger``: a signed sample, sent once, without a server."""

import base64
import os
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter
from rich.progress import Progress
from rich.text import Text

from hookline import samples
from hookline.cli.advice import advice, detail
from hookline.cli.client import JsonFlag
from hookline.cli.sample_names import resource_and_action
from hookline.cli.sampling import Source
from hookline.cli.scenarios import SCENARIOS
from hookline.cli.secrets_given import SecretFileFlag, SecretFlag, gather_secrets, read_secrets
from hookline.cli.sending import sending
from hookline.cli.terminal import (
    BAD,
    DIM,
    GOOD,
    TITLE,
    WARN,
    cell,
    err,
    fields,
    harmless,
    out,
    print_json,
)
from hookline.cli.trial import chosen, run_trial
from hookline.core.errors import Invalid, UsageError
from hookline.core.outcome import Answered, Counted, count
from hookline.core.registration import check_organization
from hookline.core.request import Outbound
from hookline.core.urls import check_webhook_url
from hookline.send.clock import wall_us
from hookline.send.sender import Completed

__all__ = ["trigger"]

SHOWN_LINES: Final = 12
MOST: Final = 100_000
MOST_AT_ONCE: Final = 1_000


def trigger(
    name: Annotated[str | None, Parameter(name="NAME", help="RESOURCE.ACTION, see --list.")] = None,
    *,
    to: Annotated[str | None, Parameter(help="The URL to send it to.")] = None,
    secret: SecretFlag = None,
    secret_file: SecretFileFlag = None,
    count: Annotated[int, Parameter(help="How many, each with a Request-ID of its own.")] = 1,
    burst: Annotated[
        int | None,
        Parameter(help="So many at once; without a NAME each is another documented event."),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help=f"Learn a habit of the receiver's: all, or {', '.join(SCENARIOS)}.",
        ),
    ] = None,
    old_secret: Annotated[
        str | None, Parameter(help="A second secret that is still valid, for rotated-secret.")
    ] = None,
    old_secret_file: Annotated[Path | None, Parameter(help="A file that holds it.")] = None,
    timeout: Annotated[float, Parameter(help="Seconds for the whole answer, 0.1 to 30.")] = 1.0,
    organization: Annotated[str, Parameter(help="The organization in the sample.")] = "northwind",
    body_encoding: Annotated[
        Literal["javascript", "ascii"], Parameter(help="How the body is spelt.")
    ] = "javascript",
    only_print: Annotated[
        bool,
        Parameter(
            name="--print",
            negative="",
            show_default=False,
            help="Send nothing: the exact body to stdout, the headers to stderr.",
        ),
    ] = False,
    list_names: Annotated[
        bool, Parameter(name="--list", negative="", show_default=False, help="List the samples.")
    ] = False,
    as_json: JsonFlag = False,
) -> int:
    """Send a sample of a documented event to a URL, signed as the server signs.

    With --scenario: send what tells a receiver's habits, and say what it did right and wrong.
    Exit code 0 if every answer was 2xx, or no habit is bad; 1 if not.

    ```
    hookline trigger issue.created --to http://127.0.0.1:3000/webhooks --secret-file secret.txt
    hookline trigger --burst 100 --to http://127.0.0.1:3000/webhooks --secret-file secret.txt
    hookline trigger --scenario all --to http://127.0.0.1:3000/webhooks --secret-file secret.txt
    hookline trigger --list
    hookline trigger comment.created --secret s3cret --print > body.json 2> headers.txt
    ```
    """
    if list_names:
        _list(as_json=as_json)
        return 0
    _check_together(name, count, burst, scenario, only_print=only_print)
    events = [_split(name)] if name is not None else _all_events(burst)
    scenarios = chosen(scenario or ())
    if not events and not scenarios:
        _split(None)
    _check_numbers(count, burst, timeout)
    check_organization(organization, where="")
    source = Source(
        url="" if only_print and to is None else _checked_url(to),
        secret=_the_secret(gather_secrets(secret, secret_file)),
        now=wall_us,
        chance=os.urandom,
        organization=organization,
        timeout_s=timeout,
        ascii_body=body_encoding == "ascii",
    )
    if scenarios:
        old = read_secrets(
            [old_secret] if old_secret is not None else None,
            [old_secret_file] if old_secret_file is not None else None,
        )
        return run_trial(scenarios, source, _the_secret(old) if old else None, as_json=as_json)
    if burst is not None:
        return _send_at_once(source, list(islice(cycle(events), burst)), as_json=as_json)
    if only_print:
        _print_request(source.request(*events[0]), as_json=as_json)
        return 0
    return _send(lambda: source.request(*events[0]), count, as_json=as_json)


# --- what was asked for ------------------------------------------------------------


def _split(name: str | None) -> tuple[str, str]:
    if name is None:
        raise UsageError(
            "missing-name", "which event?", "name one, such as issue.created; --list shows all"
        )
    return resource_and_action(name)


def _all_events(burst: int | None) -> list[tuple[str, str]]:
    return [] if burst is None else [resource_and_action(name) for name in samples.names()]


def _the_secret(secrets: list[str]) -> str:
    the_secret, *more = secrets
    if more:
        raise UsageError("two-secrets", "a webhook is signed with one secret", "give one secret")
    return the_secret


def _check_together(
    name: str | None,
    count: int,
    burst: int | None,
    scenario: list[str] | None,
    *,
    only_print: bool,
) -> None:
    asked = {
        "NAME": name is not None and scenario is not None,
        "--count": count != 1,
        "--burst": burst is not None,
        "--scenario": bool(scenario),
        "--print": only_print,
    }
    several = [flag for flag, there in asked.items() if there]
    if len(several) > 1 and several != ["--count", "--print"]:
        raise UsageError(
            "wrong-usage",
            f"{several[0]} and {several[1]} do not go together",
            "give one of --count, --burst, --scenario, --print; a scenario chooses its events",
        )


def _check_numbers(count: int, burst: int | None, timeout: float) -> None:
    if not 1 <= count <= MOST:
        raise UsageError("out-of-range", f"--count {count} is out of range", f"1 to {MOST:,}")
    if burst is not None and not 1 <= burst <= MOST_AT_ONCE:
        raise UsageError(
            "out-of-range", f"--burst {burst} is out of range", f"1 to {MOST_AT_ONCE:,}"
        )
    if not 0.1 <= timeout <= 30:
        raise UsageError(
            "out-of-range", f"--timeout {timeout:g} is out of range", "0.1 to 30 seconds"
        )


def _checked_url(to: str | None) -> str:
    if to is None:
        raise UsageError(
            "missing-url",
            "where to?",
            "give --to http://127.0.0.1:3000/webhooks, or --print to send nothing",
        )
    try:
        return check_webhook_url(to)
    except Invalid as wrong:
        raise UsageError(wrong.code, wrong.message, wrong.hint) from None


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json(list(samples.names()))
        return
    console = out()
    for name in samples.names():
        console.print(name)


def _print_request(request: Outbound, *, as_json: bool) -> None:
    if as_json:
        print_json(_request(request))
        return
    for name, value in request.headers:
        sys.stderr.write(f"{name}: {value}\n")
    sys.stdout.flush()
    sys.stdout.buffer.write(request.body)
    sys.stdout.buffer.flush()
    if sys.stdout.isatty():
        sys.stderr.write("\n")  # not part of the body, only of the look


# --- sending ------------------------------------------------------------


def _send(make: Callable[[], Outbound], count: int, *, as_json: bool) -> int:
    sent: list[tuple[Outbound, Completed]] = []
    quiet = count == 1 or not sys.stderr.isatty()
    with Progress(console=err(), transient=True, disable=quiet) as bar:
        task = bar.add_task("sending", total=count)
        for pair in _attempts(make, count):
            sent.append(pair)
            bar.advance(task)
    return _report(sent, as_json=as_json)


def _send_at_once(source: Source, events: list[tuple[str, str]], *, as_json: bool) -> int:
    requests = [source.request(*event) for event in events]
    with sending() as post:
        completed = post.post(requests)
    return _report(list(zip(requests, completed, strict=True)), as_json=as_json)


def _report(sent: list[tuple[Outbound, Completed]], *, as_json: bool) -> int:
    failed = [pair for pair in sent if not _succeeded(pair[1])]
    if as_json:
        print_json(
            {
                "sent": len(sent),
                "succeeded": len(sent) - len(failed),
                "attempts": [{"request": _request(r), **_answer(c)} for r, c in sent],
            }
        )
    else:
        _show(*(failed or sent)[0])
        if len(sent) > 1:
            _summary([c for _, c in sent], len(failed))
    return 1 if failed else 0


def _attempts(make: Callable[[], Outbound], count: int) -> Iterator[tuple[Outbound, Completed]]:
    """Send one after the other: what a receiver does with many at once is not the question here."""
    with sending() as post:
        for _ in range(count):
            request = make()
            yield request, post.post([request])[0]


def _succeeded(completed: Completed) -> bool:
    return count(completed.outcome) is Counted.SUCCESS


def _request(request: Outbound) -> dict[str, Any]:
    return {
        "url": request.url,
        "headers": [list(pair) for pair in request.headers],
        "body": request.body.decode("utf-8", "backslashreplace"),
        "body_base64": base64.b64encode(request.body).decode(),
    }


def _answer(completed: Completed) -> dict[str, Any]:
    outcome = completed.outcome
    return {
        "outcome": count(outcome).value,
        "status": outcome.status if isinstance(outcome, Answered) else None,
        "detail": detail(completed.outcome),
        "advice": advice(completed.outcome),
        "address": completed.address,
        "timings_us": completed.timings._asdict(),
        "response": {
            "head": completed.response_head.decode("utf-8", "backslashreplace"),
            "body": completed.response_body.decode("utf-8", "backslashreplace"),
            "cut": completed.response_cut,
        },
    }


def _show(request: Outbound, completed: Completed) -> None:
    console = out()
    console.print(Text(f"POST {harmless(request.url)}", style=TITLE), soft_wrap=True)
    rows: list[tuple[str, object]] = [*request.headers, ("body", f"{len(request.body):,} bytes")]
    console.print(fields(rows))
    console.print()
    style = GOOD if _succeeded(completed) else BAD
    taken = Text(f"  {completed.timings.total / 1000:.1f} ms", style=DIM)
    console.print(cell(detail(completed.outcome), style) + taken, soft_wrap=True)
    _show_body(completed)
    if hint := advice(completed.outcome):
        err().print(Text("hint: ", style=WARN) + Text(hint), soft_wrap=True)


def _show_body(completed: Completed) -> None:
    lines = completed.response_body.decode("utf-8", "backslashreplace").splitlines()
    for line in lines[:SHOWN_LINES]:
        out().print(cell(f"  {line[:500]}"), soft_wrap=True)
    if len(lines) > SHOWN_LINES or completed.response_cut:
        out().print("  …", style=DIM)


def _summary(completed: list[Completed], failed: int) -> None:
    times = sorted(each.timings.total / 1000 for each in completed)
    slowest = times[-1]
    text = (
        f"\n{len(completed)} sent, {len(completed) - failed} answered 2xx, {failed} failed; "
        f"median {statistics.median(times):.1f} ms, slowest {slowest:.1f} ms"
    )
    out().print(text, style=BAD if failed else GOOD)
    ways = Counter(detail(each.outcome) for each in completed)
    for words, number in ways.most_common(SHOWN_LINES) if len(ways) > 1 else ():
        out().print(cell(f"{number:>6} {words}"), soft_wrap=True)
    if failed:
        out().print("shown above: the first that failed", style=DIM)
