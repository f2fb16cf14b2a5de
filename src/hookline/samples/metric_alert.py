"""Samples of ``metric_alert``."""

from hookline.samples.world import APP_ID, ORGANIZATION_ID, PROJECT, Json, World

__all__ = ["metric_alert"]

_STATUS = {"open": 1, "resolved": 2, "warning": 10, "critical": 20}
_TITLE = "Declined payments per quarter of an hour"


def metric_alert(world: World, action: str) -> Json:
    """A measured value crossed a threshold of an alert, or came back."""
    resolved = action == "resolved"
    return {
        "metric_alert": {
            "id": "6204",
            "identifier": "318",
            "organization_id": str(ORGANIZATION_ID),
            "projects": [PROJECT],
            "alert_rule": _rule(world),
            "activities": None,
            "status": _STATUS[action],
            "status_method": 3,
            "type": 2,
            "title": _TITLE,
            "date_started": world.at(minutes=31),
            "date_detected": world.at(minutes=30),
            "date_created": world.at(minutes=30),
            "date_closed": world.at(seconds=40) if resolved else None,
        },
        "description_text": (
            "12 declined in the last 15 minutes\nFilter: error.type:PaymentDeclined"
            if resolved
            else "131 declined in the last 15 minutes\nFilter: error.type:PaymentDeclined"
        ),
        "description_title": f"{action.capitalize()}: {_TITLE}",
        "web_url": world.web("alerts/rules/details/318/"),
    }


def _rule(world: World) -> Json:
    made = world.at(days=40)
    return {
        "id": "2291",
        "name": _TITLE,
        "organization_id": str(ORGANIZATION_ID),
        "status": 0,
        "query": "error.type:PaymentDeclined",
        "aggregate": "count()",
        "dataset": "events",
        "threshold_type": 0,
        "resolve_threshold": 20.0,
        "time_window": 15,
        "resolution": 1,
        "threshold_period": 1,
        # All triggers of the rule are told; the label says which one the action is about.
        "triggers": [
            _trigger(world, "7701", "critical", 100.0),
            _trigger(world, "7702", "warning", 62.5),
        ],
        "environment": None,
        "projects": [PROJECT],
        "include_all_projects": False,
        "created_by": None,
        "date_created": made,
        "date_modified": world.at(days=6, hours=3),
    }


def _trigger(world: World, identity: str, label: str, threshold: float) -> Json:
    made = world.at(days=40)
    return {
        "id": identity,
        "alert_rule_id": "2291",
        "label": label,
        "threshold_type": 0,
        # A float with nothing behind the point: Python writes 100.0 where JavaScript writes 100.
        "alert_threshold": threshold,
        "resolve_threshold": 20.0,
        "date_created": made,
        "actions": [
            {
                "id": f"{identity}1",
                "alert_rule_trigger_id": identity,
                "type": "sentry_app",
                "target_type": "sentry_app",
                "target_identifier": APP_ID,
                "input_channel_id": None,
                "integration_id": None,
                "sentry_app_id": APP_ID,
                "date_created": made,
                "desc": f"Tell {world.integration} about it",
                "priority": None,
                "settings": [{"name": "queue", "value": "payments-night"}],
            }
        ],
    }
