"""Sending from the command line: through the server's own sender, to wherever its user says."""

import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import httpx

from hookline import __version__
from hookline.core.allowlist import AllowList
from hookline.core.model import Timings
from hookline.core.outcome import Answered, Outcome, Reason, Unanswered
from hookline.core.request import Outbound
from hookline.send.sender import RESPONSE_CAP, Completed, CurlSender

__all__ = ["Sending", "sending"]

# The user named the URL on this very command line, so nobody else can lead us anywhere: unlike the
# server, which refuses what is not public, this allows every address there is.
EVERYWHERE: Final = AllowList.parse("0.0.0.0/0, ::/0")

PATIENCE_S: Final = 10.0
"""The sender ends every request by its timeout; this much later something is broken."""

AGENT: Final = f"hookline/{__version__}"


class Sending:
    """Sends, and waits for what comes of it."""

    def __init__(self, sender: CurlSender, answers: "queue.Queue[list[Completed]]") -> None:
        self._sender = sender
        self._answers = answers

    def post(self, requests: Sequence[Outbound]) -> list[Completed]:
        """Send all at once; what came of each, in the order of the requests."""
        self._sender.post(list(enumerate(requests)))
        patience = max(request.timeout_ms for request in requests) / 1000 + PATIENCE_S
        done: dict[int, Completed] = {}
        while len(done) < len(requests):
            done.update({each.key: each for each in self._answers.get(timeout=patience)})
        return [done[number] for number in range(len(requests))]

    def get(self, request: Outbound) -> Completed:
        """A GET to the URL of a request: what a browser or a scanner does."""
        outcome: Outcome
        head, body = b"", b""
        try:
            with (
                httpx.Client(trust_env=False, timeout=request.timeout_ms / 1000) as client,
                client.stream("GET", request.url, headers={"User-Agent": AGENT}) as answer,
            ):
                outcome = Answered(answer.status_code)
                head = b"".join(b"%b: %b\r\n" % pair for pair in answer.headers.raw)
                body = next(answer.iter_raw(RESPONSE_CAP), b"")
        except httpx.TimeoutException as trouble:
            outcome = Unanswered(Reason.SLOW, str(trouble))
        except httpx.ConnectError as trouble:
            outcome = Unanswered(Reason.REFUSED, str(trouble))
        except httpx.HTTPError as trouble:
            outcome = Unanswered(Reason.RESET, str(trouble))
        return Completed(0, outcome, Timings(), "", "", head, body, response_cut=False)


@contextmanager
def sending() -> Iterator[Sending]:
    """Something to send with, for the length of the block."""
    answers: queue.Queue[list[Completed]] = queue.Queue()
    sender = CurlSender(allow=EVERYWHERE, on_completed=answers.put, user_agent=AGENT)
    try:
        yield Sending(sender, answers)
    finally:
        sender.close()
