"""Samples of ``error`` and of ``event_alert``: both carry a stored event."""

from hookline.samples.world import (
    APP_ID,
    CULPRIT,
    EVENT_ID,
    ISSUE_ID,
    PROBLEM,
    PROJECT,
    PROJECT_ID,
    TITLE,
    Json,
    World,
)

__all__ = ["error", "event_alert"]


def error(world: World, _action: str) -> Json:
    """An error was stored."""
    return {"error": _event(world)}


def event_alert(world: World, _action: str) -> Json:
    """An alert on events fired."""
    title = "Declined cards — wake somebody"
    return {
        "event": _event(world),
        "triggered_rule": title,
        "issue_alert": {
            "id": 90421,
            "title": title,
            "sentry_app_id": APP_ID,
            "settings": [
                {"name": "queue", "value": "payments-night"},
                {"name": "urgency", "value": "2"},
            ],
        },
    }


def _event(world: World) -> Json:
    issue_path = f"organizations/{world.organization}/issues/{ISSUE_ID}/"
    return {
        "_ref": PROJECT_ID,
        "_ref_version": 2,
        "breadcrumbs": _breadcrumbs(world),
        "contexts": {
            "browser": {"name": "Firefox", "version": "151.0", "type": "browser"},
            "os": {"name": "Debian", "version": "13", "type": "os"},
            "runtime": {"name": "CPython", "version": "3.13.5", "type": "runtime"},
            "trace": {
                "trace_id": "1ba97d04c2f84e8f9a6033cb7d5e1f20",
                "span_id": "b7e04d2f91c35a68",
            },
        },
        "culprit": CULPRIT,
        "datetime": world.at(seconds=4.118),
        "dist": None,
        "environment": "production",
        "event_id": EVENT_ID,
        "exception": {"values": [_exception()]},
        # Keys that look like integers: JavaScript puts these first, whatever the order they have.
        "extra": {
            "attempt": 3,
            "backoff": 0.05,
            "10": "capture",
            "2": "authorise",
            "note": "first line\u2028second line",
        },
        "fingerprint": ["checkout", "payment-declined"],
        "grouping_config": {"id": "newstyle:2026-01-20", "enhancements": "KLUv_SAZiQAAkwKRs26w"},
        "hashes": ["5c1e7f92ab3d48e60f7b9d2410c8a6e3"],
        "issue_id": str(ISSUE_ID),
        "issue_url": world.api(issue_path),
        "key_id": "3390127",
        "level": "error",
        "location": "checkout/payments/gateway.py",
        "logger": "checkout.payments",
        "message": "",
        "metadata": {
            "filename": "checkout/payments/gateway.py",
            "function": "capture",
            "type": "PaymentDeclined",
            "value": PROBLEM,
        },
        "modules": {"django": "6.0.4", "httpx": "0.28.1", "psycopg": "3.3.2"},
        "platform": "python",
        "project": PROJECT_ID,
        "received": world.unix(seconds=3.5),
        "release": "checkout-api@7.12.0",
        "request": _request(),
        "sdk": {
            "name": "sentry.python.django",
            "version": "2.41.0",
            "integrations": ["django", "logging", "stdlib"],
            "packages": [{"name": "pypi:sentry-sdk", "version": "2.41.0"}],
        },
        "tags": [
            ["browser", "Firefox 151.0"],
            ["bank", "Crédit du Fjord"],
            ["environment", "production"],
            ["handled", "no"],
            ["level", "error"],
            ["release", "checkout-api@7.12.0"],
        ],
        "time_spent": None,
        "timestamp": world.unix(seconds=4.118),
        "title": TITLE,
        "type": "error",
        "url": world.api(f"projects/{world.organization}/{PROJECT}/events/{EVENT_ID}/"),
        "user": {"id": "u-20931", "ip_address": "198.51.100.27", "geo": {"country_code": "FR"}},
        "version": "7",
        "web_url": world.web(f"issues/{ISSUE_ID}/events/{EVENT_ID}/"),
    }


def _breadcrumbs(world: World) -> Json:
    return {
        "values": [
            {
                "type": "default",
                "category": "cart",
                "level": "info",
                "message": "3 articles, 84.90 €",
                "timestamp": world.unix(seconds=9.2),
            },
            {
                "type": "http",
                "category": "httpx",
                "level": "warning",
                "data": {"method": "POST", "status_code": 402, "url": "https://pay.example/v3"},
                "timestamp": world.unix(seconds=4.2),
            },
        ]
    }


def _exception() -> Json:
    return {
        "type": "PaymentDeclined",
        "value": PROBLEM,
        "module": "checkout.payments.errors",
        "mechanism": {
            "type": "django",
            "handled": False,
            "synthetic": None,
            "description": None,
            "help_link": None,
            "meta": None,
            "data": {"message": PROBLEM, "mode": "request", "name": "PaymentDeclined"},
        },
        "stacktrace": {
            "frames": [
                _frame(
                    "checkout/views.py",
                    "pay",
                    118,
                    code=(
                        ["    order = Order.of(request)", "    order.lock()"],
                        "    receipt = gateway.capture(order)",
                        ["    return Response(receipt)"],
                    ),
                    names={"order": "<Order 77120>"},
                ),
                _frame(
                    "checkout/payments/gateway.py",
                    "capture",
                    64,
                    code=(
                        ["    answer = self._post('/capture', order)", "    if answer.code == 51:"],
                        "        raise PaymentDeclined(answer.reason)",
                        ["    return Receipt(answer)"],
                    ),
                    names={"answer": {"code": 51, "elapsed": 0.412}, "self": "<Gateway eu-3>"},
                ),
            ]
        },
    }


def _frame(
    path: str, function: str, line: int, *, code: tuple[list[str], str, list[str]], names: Json
) -> Json:
    before, here, after = code
    unused = ("errors", "image_addr", "instruction_addr", "package", "platform", "raw_function")
    return {
        "abs_path": f"/srv/app/{path}",
        "filename": path,
        "module": path.removesuffix(".py").replace("/", "."),
        "function": function,
        "lineno": line,
        "colno": None,
        "in_app": True,
        "context_line": here,
        "pre_context": before,
        "post_context": after,
        "vars": names,
        "data": {"orig_in_app": 1},
        **dict.fromkeys((*unused, "symbol", "symbol_addr", "trust")),
    }


def _request() -> Json:
    return {
        "url": "https://shop.northwind.example/pay",
        "method": "POST",
        "headers": [
            ["Content-Type", "application/json"],
            [
                "User-Agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0",
            ],
        ],
        "data": {"order": 77120, "total": 84.9},
        "query_string": [["step", "3"]],
        "cookies": None,
        "env": None,
        "fragment": None,
        "inferred_content_type": "application/json",
    }
