"""Samples of ``comment``."""

from hookline.samples.world import ISSUE_ID, PROJECT, Json, World

__all__ = ["comment"]

_TEXTS = {
    "created": "Only cards of one bank so far — asking them.\u2028Téo, can you watch the rate?",
    "updated": "Only cards of one bank, confirmed by them.\u2028Téo, can you watch the rate?",
    # A deleted comment still has its text.
    "deleted": "Wrong tab, sorry 🙈",
}


def comment(world: World, action: str) -> Json:
    """Somebody wrote, changed or removed a comment on an issue."""
    return {
        "comment_id": 88213,
        "issue_id": ISSUE_ID,
        "project_slug": PROJECT,
        "timestamp": world.at(seconds=2.25),
        "comment": _TEXTS[action],
    }
