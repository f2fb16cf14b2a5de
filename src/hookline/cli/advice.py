"""What an outcome means, in words, and what to do about it: pure."""

from typing import Final

from hookline.core.outcome import Answered, Blocked, Outcome, Reason, Unanswered

__all__ = ["advice", "detail"]


def detail(outcome: Outcome) -> str:
    """What came of a request.

    >>> detail(Answered(204))
    'answered 204'
    """
    match outcome:
        case Answered(status):
            return f"answered {status}"
        case Unanswered(reason, text):
            return f"{reason.value}: {text}"
        case Blocked(address, rule):
            return f"{address} is blocked: {rule}"


def advice(outcome: Outcome) -> str:
    """What its receiver should change; ``""`` where all is well.

    >>> advice(Answered(302))
    'Redirects are never followed: name the URL that it redirects to.'
    """
    match outcome:
        case Answered(status):
            return _on_status(status)
        case Unanswered(reason, _):
            return _ON_REASON.get(reason, "")
        case Blocked():
            return "Name another address."


_ON_REASON: Final = {
    Reason.REFUSED: "Is it running? Nothing listens there, or a firewall refuses.",
    Reason.SLOW: "Answer within the timeout (1 s is the documented one): store the webhook, "
    "answer, and work on it afterwards. --timeout allows more for a trial.",
    Reason.DNS: "The name is not known here: check its spelling.",
    Reason.TLS: "The certificate or the TLS set-up of the receiver is not right.",
    Reason.RESET: "The receiver closed the connection before it answered: look at its log.",
    Reason.MALFORMED: "What answers there does not speak HTTP: check the port.",
}


def _on_status(status: int) -> str:
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
