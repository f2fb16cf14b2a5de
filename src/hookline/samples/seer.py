"""Samples of ``seer``: the steps of an automatic analysis."""

from collections.abc import Callable

from hookline.samples.world import ISSUE_ID, REPOSITORY, Json, World

__all__ = ["seer"]

_PATH = "checkout/payments/gateway.py"


def seer(_world: World, action: str) -> Json:
    """An analysis began or finished one of its steps."""
    data: Json = {"run_id": 660193, "group_id": ISSUE_ID}
    if action in _RESULTS:
        name, result = _RESULTS[action]
        data[name] = result()
    return data


def _root_cause() -> Json:
    return {
        "one_line_description": "`capture` raises on answer 51, although a refusal is no failure.",
        "five_whys": [
            "Customers see an error page although their bank only said no.",
            "`capture` raises `PaymentDeclined`, and the view `pay` does not expect it.",
            "Answer 51 used to come as status 200; since v3 of the bank's API it is a 402.",
        ],
        "reproduction_steps": [
            "Pay with the test card whose number ends in 0051.",
            "See status 500 instead of the page that asks for another card.",
        ],
        "relevant_repo": REPOSITORY,
    }


def _solution() -> Json:
    return {
        "one_line_summary": "Return a refused receipt from `capture` and show it in `pay`.",
        "steps": [
            {
                "title": "Let refusals be values",
                "description": "In `gateway.py`, return `Receipt.refused(answer)` for answer 51.",
            },
            {
                "title": "Ask for another card",
                "description": "In `views.py`, show the card form again when a receipt is refused.",
            },
        ],
    }


def _code_changes() -> Json:
    diff = (
        f"--- a/{_PATH}\n+++ b/{_PATH}\n@@ -63,2 +63,2 @@ def capture(self, order):\n"
        "     if answer.code == 51:\n"
        "-        raise PaymentDeclined(answer.reason)\n"
        "+        return Receipt.refused(answer)  # déjà vu\n"
    )
    return {REPOSITORY: [{"diff": diff, "path": _PATH, "type": "M", "added": 1, "removed": 1}]}


def _pull_requests() -> list[Json]:
    return [
        {
            "pull_request": {
                "pr_number": 482,
                "pr_url": f"https://git.northwind.example/{REPOSITORY}/pull/482",
                "pr_id": 91740035,
            },
            "repo_name": REPOSITORY,
            "provider": "github",
        }
    ]


_RESULTS: dict[str, tuple[str, Callable[[], Json | list[Json]]]] = {
    "root_cause_completed": ("root_cause", _root_cause),
    "solution_completed": ("solution", _solution),
    "coding_completed": ("code_changes", _code_changes),
    "pr_created": ("pull_requests", _pull_requests),
}
