"""Samples of ``issue`` and of ``activity_alert``, which carries an issue."""

from hookline.samples.world import (
    APP_ID,
    CULPRIT,
    ISSUE_ID,
    PROBLEM,
    PROJECT,
    PROJECT_ID,
    TEO,
    TITLE,
    Json,
    World,
)

__all__ = ["activity_alert", "issue"]

_STATUS = {
    "created": ("unresolved", "new"),
    "resolved": ("resolved", None),
    "assigned": ("unresolved", "ongoing"),
    "unresolved": ("unresolved", "regressed"),
    "ignored": ("ignored", "archived_until_condition_met"),
    "archived": ("ignored", "archived_until_condition_met"),
    "alerted": ("unresolved", "escalating"),
}
_DETAILS: dict[str, Json] = {
    "resolved": {"inRelease": "checkout-api@7.12.1"},
    "ignored": {"ignoreCount": 250, "ignoreWindow": 120},
    "archived": {"ignoreCount": 250, "ignoreWindow": 120},
}


def issue(world: World, action: str) -> Json:
    """Something happened to an issue."""
    data: Json = {}
    if action == "resolved":
        data["resolution_type"] = "in_release"
    elif action == "assigned":
        data["assignee"] = {
            "type": "user",
            "name": TEO["name"],
            "id": TEO["id"],
            "email": TEO["email"],
        }
    data["issue"] = (_urls(world) if action == "created" else {}) | _issue(world, action)
    if action == "created":
        # Documented: only here are these two spelt with an offset instead of a Z.
        data["issue"]["firstSeen"] = world.offset_at(minutes=3, seconds=12.604)
        data["issue"]["lastSeen"] = world.offset_at(seconds=4.118)
    return data


def activity_alert(world: World, _action: str) -> Json:
    """An alert on an issue's activity fired."""
    told = _urls(world) | _issue(world, "alerted")
    told["seerAutofixLastTriggered"] = world.at(minutes=2)
    told["seerExplorerAutofixLastTriggered"] = world.at(minutes=2)
    return {
        "issue": told,
        "activity": {
            "type": "seer_root_cause_completed",
            "details": {
                "summary": "The gateway's answer 51 is read as a crash instead of as a refusal."
            },
        },
        "alert": {
            "id": 733,
            "title": "Payments: tell the café team ☕",
            "sentry_app_id": APP_ID,
            "url": world.api(f"organizations/{world.organization}/workflows/733/"),
            "web_url": world.web("monitors/alerts/733/"),
            "settings": [
                {"name": "queue", "value": "payments-night"},
                {"name": "note", "value": "Page after the third one, not before"},
            ],
        },
    }


def _urls(world: World) -> Json:
    return {
        "url": world.api(f"organizations/{world.organization}/issues/{ISSUE_ID}/"),
        "web_url": world.web(f"issues/{ISSUE_ID}/"),
        "project_url": world.web(f"issues/?project={PROJECT_ID}"),
    }


def _issue(world: World, action: str) -> Json:
    status, substatus = _STATUS[action]
    assigned = {"type": "user", "id": str(TEO["id"]), "name": TEO["name"], "email": TEO["email"]}
    return {
        "id": str(ISSUE_ID),
        "shareId": None,
        "shortId": "CHECKOUT-API-3K",
        "title": TITLE,
        "culprit": CULPRIT,
        "permalink": world.web(f"issues/{ISSUE_ID}/"),
        "logger": "checkout.payments",
        "level": "error",
        "status": status,
        "statusDetails": dict(_DETAILS.get(action, {})),
        "substatus": substatus,
        "isPublic": False,
        "platform": "python",
        "project": {
            "id": str(PROJECT_ID),
            "name": "Checkout API",
            "slug": PROJECT,
            "platform": "python-django",
        },
        "type": "error",
        "metadata": {
            "title": TITLE,
            "type": "PaymentDeclined",
            "value": PROBLEM,
            "filename": "checkout/payments/gateway.py",
            "function": "capture",
            "sdk": {"name": "sentry.python.django", "name_normalized": "sentry.python"},
            "severity": 0.625,
            "severity_reason": "ml",
            "initial_priority": 75,
        },
        "numComments": 2,
        "assignedTo": assigned if action == "assigned" else None,
        "isBookmarked": False,
        "isSubscribed": False,
        "subscriptionDetails": None,
        "hasSeen": action != "created",
        "annotations": [],
        "issueType": "error",
        "issueCategory": "error",
        "priority": "high",
        "priorityLockedAt": None,
        "seerFixabilityScore": 0.7331,
        "seerAutofixLastTriggered": None,
        "isUnhandled": True,
        "count": "17",
        "userCount": 11,
        "firstSeen": world.at(minutes=3, seconds=12.604),
        "lastSeen": world.at(seconds=4.118),
    }
