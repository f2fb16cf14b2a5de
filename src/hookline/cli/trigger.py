"""``hookline trigger``: a signed sample, sent once, without a server."""

import base64
import json
import os
import queue
import statistics
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, Literal
from uuid import uuid4

from cyclopts import Parameter
from rich.progress import Progress
from rich.text import Text

from hookline import __version__, samples
from hookline.cli.client import JsonFlag
from hookline.cli.sample_names import resource_and_action
from hookline.cli.secrets_given import SecretFileFlag, SecretFlag, gather_secrets
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
from hookline.core.allowlist import AllowList
from hookline.core.errors import Invalid, UsageError
from hookline.core.ids import uuid7
from hookline.core.outcome import Answered, Blocked, Counted, Reason, Unanswered, count
from hookline.core.registration import check_organization
from hookline.core.request import Outbound, build
from hookline.core.urls import check_webhook_url
from hookline.send.clock import wall_us
from hookline.send.intake import Limits, read_event
from hookline.send.sender import Completed, CurlSender

__all__ = ["make_request", "trigger"]

SHOWN_LINES: Final = 12
MOST: Final = 100_000

# The user named the URL on this very command line, so nobody else can lead us anywhere: unlike the
# server, which refuses what is not public, this allows every address there is.
EVERYWHERE: Final = AllowList.parse("0.0.0.0/0, ::/0")


def trigger(
    name: Annotated[str | None, Parameter(name="NAME", help="RESOURCE.ACTION, see --list.")] = None,
    *,
    to: Annotated[str | None, Parameter(help="The URL to send it to.")] = None,
    secret: SecretFlag = None,
    secret_file: SecretFileFlag = None,
    count: Annotated[int, Parameter(help="How many, each with a Request-ID of its own.")] = 1,
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

    Exit code 0 if every answer was 2xx, 1 if not.

    ```
    hookline trigger issue.created --to http://127.0.0.1:3000/webhooks --secret-file secret.txt
    hookline trigger --list
    hookline trigger comment.created --secret s3cret --print > body.json 2> headers.txt
    ```
    """
    if list_names:
        _list(as_json=as_json)
        return 0
    resource, action = _split(name)
    _check_numbers(count, timeout)
    check_organization(organization, where="")
    url = "" if only_print and to is None else _checked_url(to)
    (the_secret, *more) = gather_secrets(secret, secret_file)
    if more:
        raise UsageError("two-secrets", "a webhook is signed with one secret", "give one secret")

    def make() -> Outbound:
        return make_request(
            resource,
            action,
            url=url,
            secret=the_secret,
            organization=organization,
            timeout_s=timeout,
            ascii_body=body_encoding == "ascii",
        )

    if only_print:
        _print_request(make(), as_json=as_json)
        return 0
    return _send(make, count, timeout, as_json=as_json)


def make_request(
    resource: str,
    action: str,
    *,
    url: str,
    secret: str,
    organization: str = "northwind",
    timeout_s: float = 1.0,
    ascii_body: bool = False,
) -> Outbound:
    """The request that the server would send for this sample, to a new installation."""
    now = wall_us()
    installation = str(uuid4())
    sample = samples.sample(
        resource, action, now=now, installation_uuid=installation, organization=organization
    )
    event: dict[str, Any] = {"resource": resource, "action": action, "data": sample.data}
    if sample.actor is not None:
        event["actor"] = sample.actor
    # The very way that a published event takes, so that the bytes are the server's.
    submission = read_event(json.dumps(event).encode(), Limits())
    tail = (submission.ascii_tail() if ascii_body else None) or submission.tail
    return build(
        delivery_id=uuid7(now, os.urandom(8)),
        url=url,
        resource=resource,
        action=action,
        installation=installation,
        tail=tail,
        secret=secret,
        timeout_ms=round(timeout_s * 1000),
        now=now,
    )


# --- what was asked for ------------------------------------------------------------


def _split(name: str | None) -> tuple[str, str]:
    if name is None:
        raise UsageError(
            "missing-name", "which event?", "name one, such as issue.created; --list shows all"
        )
    return resource_and_action(name)


def _check_numbers(count: int, timeout: float) -> None:
    if not 1 <= count <= MOST:
        raise UsageError("out-of-range", f"--count {count} is out of range", f"1 to {MOST:,}")
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


def _send(make: Callable[[], Outbound], count: int, timeout: float, *, as_json: bool) -> int:
    sent: list[tuple[Outbound, Completed]] = []
    quiet = count == 1 or not sys.stderr.isatty()
    with Progress(console=err(), transient=True, disable=quiet) as bar:
        task = bar.add_task("sending", total=count)
        for pair in _attempts(make, count, timeout):
            sent.append(pair)
            bar.advance(task)
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
        if count > 1:
            _summary([c for _, c in sent], len(failed))
    return 1 if failed else 0


def _attempts(
    make: Callable[[], Outbound], count: int, timeout: float
) -> Iterator[tuple[Outbound, Completed]]:
    """Send one after the other: what a receiver does with many at once is not the question here."""
    answers: queue.Queue[list[Completed]] = queue.Queue()
    sender = CurlSender(
        allow=EVERYWHERE,
        on_completed=answers.put,
        user_agent=f"hookline/{__version__}",
    )
    try:
        for _ in range(count):
            request = make()
            sender.post([(None, request)])
            yield request, answers.get(timeout=timeout + 10)[0]
    finally:
        sender.close()


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
        "detail": _detail(completed),
        "advice": _advice(completed),
        "address": completed.address,
        "timings_us": completed.timings._asdict(),
        "response": {
            "head": completed.response_head.decode("utf-8", "backslashreplace"),
            "body": completed.response_body.decode("utf-8", "backslashreplace"),
            "cut": completed.response_cut,
        },
    }


def _detail(completed: Completed) -> str:
    match completed.outcome:
        case Answered(status):
            return f"answered {status}"
        case Unanswered(reason, text):
            return f"{reason.value}: {text}"
        case Blocked(address, rule):
            return f"{address} is blocked: {rule}"


def _advice(completed: Completed) -> str:
    match completed.outcome:
        case Answered(status):
            return _advice_on_status(status)
        case Unanswered(reason, _):
            return _ADVICE.get(reason, "")
        case Blocked():
            return "Name another address."


_ADVICE: Final = {
    Reason.REFUSED: "Is it running? Nothing listens there, or a firewall refuses.",
    Reason.SLOW: "Answer within the timeout (1 s is the documented one): store the webhook, "
    "answer, and work on it afterwards. --timeout allows more for a trial.",
    Reason.DNS: "The name is not known here: check its spelling.",
    Reason.TLS: "The certificate or the TLS set-up of the receiver is not right.",
    Reason.RESET: "The receiver closed the connection before it answered: look at its log.",
    Reason.MALFORMED: "What answers there does not speak HTTP: check the port.",
}


def _advice_on_status(status: int) -> str:
    if status < 300:
        return ""
    if status < 400:
        return "Redirects are never followed: name the URL that it redirects to."
    if status in (401, 403):
        return (
            "If the receiver checks signatures, let it keep the raw body and the header, and run: "
            "hookline verify"
        )
    if status in (404, 405):
        return "Check the path: the receiver takes no POST there."
    if status == 413:
        return "The receiver's limit for bodies is too small."
    return "Look at the receiver's log." if status >= 500 else ""


def _show(request: Outbound, completed: Completed) -> None:
    console = out()
    console.print(Text(f"POST {harmless(request.url)}", style=TITLE), soft_wrap=True)
    rows: list[tuple[str, object]] = [*request.headers, ("body", f"{len(request.body):,} bytes")]
    console.print(fields(rows))
    console.print()
    style = GOOD if _succeeded(completed) else BAD
    taken = Text(f"  {completed.timings.total / 1000:.1f} ms", style=DIM)
    console.print(cell(_detail(completed), style) + taken, soft_wrap=True)
    _show_body(completed)
    if advice := _advice(completed):
        err().print(Text("hint: ", style=WARN) + Text(advice), soft_wrap=True)


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
    if failed:
        out().print("shown above: the first that failed", style=DIM)
