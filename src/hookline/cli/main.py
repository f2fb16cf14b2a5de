"""The command line: its commands, and what each way of ending means.

====  ==========================================================
0     done; for ``verify``: it matches; for ``trigger``: 2xx, or no bad habit
1     the server refused or is not there, the webhook failed, the signature is wrong
2     the command line, a setting or a file is wrong
130   Ctrl-C
141   whoever read our output stopped reading
====  ==========================================================

An error is ``error: …`` and ``hint: …`` on stderr. A traceback means a bug of ours.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from cyclopts import App, CycloptsError

from hookline import __version__
from hookline.cli import (
    admin,
    client_secrets,
    deliveries,
    events,
    integrations,
    notices,
    sources,
    subscriptions,
)
from hookline.cli.client import ServerTrouble
from hookline.cli.config import config, version
from hookline.cli.demo import demo
from hookline.cli.listen import listen
from hookline.cli.serve import serve
from hookline.cli.terminal import print_error
from hookline.cli.trigger import trigger
from hookline.cli.verify import verify
from hookline.core.errors import HooklineError, UsageError

__all__ = ["app", "main", "run"]

REFUSED, WRONG_USE, INTERRUPTED, NOBODY_READS = 1, 2, 130, 141

app: Final = App(
    name="hookline",
    help="Webhooks as the integration platform sends them: signed, retried, logged, replayable.\n\n"
    "Exit codes: 0 done; 1 refused, failed, no match; 2 wrong command line, setting or file.",
    version=__version__,
    help_format="markdown",
    suppress_keyboard_interrupt=False,  # it is run() that says what Ctrl-C means
)
_integration = App(name="integration", help="Register integrations, install them, change them.")
_delivery = App(name="delivery", help="See what was sent, what came back, and why; send it again.")
_event = App(name="event", help="Publish events, and see where they went.")
_source = App(name="source", help="Take webhooks of others, and pass them on: retried, logged.")
_notice = App(name="notice", help="See what operators were told: who was warned, or unsubscribed.")
_resource = App(name="resource", help="List resources, and register your own.")
_key = App(name="key", help="Make and revoke keys of the API.")

_COMMANDS: Final[tuple[tuple[App, dict[str, Callable[..., object]]], ...]] = (
    (
        app,
        {
            "serve": serve,
            "demo": demo,
            "listen": listen,
            "trigger": trigger,
            "verify": verify,
            "config": config,
            "version": version,
        },
    ),
    (
        _integration,
        {
            "create": integrations.create,
            "list": integrations.list_all,
            "show": integrations.show,
            "update": integrations.update,
            "delete": integrations.delete,
            "install": integrations.install,
            "uninstall": integrations.uninstall,
            "unsubscribe": subscriptions.unsubscribe,
            "resubscribe": subscriptions.resubscribe,
            "recover": subscriptions.recover,
            "recoveries": subscriptions.recoveries,
            "health": subscriptions.health,
            "rotate": client_secrets.rotate,
            "secrets": client_secrets.list_secrets,
            "sign-with": client_secrets.sign_with,
        },
    ),
    (
        _delivery,
        {
            "list": deliveries.list_all,
            "show": deliveries.show,
            "why": deliveries.why,
            "replay": deliveries.replay,
        },
    ),
    (_event, {"publish": events.publish, "show": events.show}),
    (
        _source,
        {
            "create": sources.create,
            "list": sources.list_all,
            "show": sources.show,
            "update": sources.update,
            "delete": sources.delete,
            "refused": sources.refused,
            "new-url": sources.new_url,
            "secrets": sources.list_secrets,
            "add-secret": sources.add_secret,
            "drop-secret": sources.drop_secret,
        },
    ),
    (_notice, {"list": notices.list_all}),
    (_resource, {"create": admin.create_resource, "list": admin.list_resources}),
    (_key, {"create": admin.create_key, "list": admin.list_keys, "revoke": admin.revoke_key}),
)

for _group, _verbs in _COMMANDS:
    for _verb, _function in _verbs.items():
        _group.command(_function, name=_verb)
    if _group is not app:
        app.command(_group)


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    try:
        code = _dispatch(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered must not be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _dispatch(argv: Sequence[str] | None) -> int:
    try:
        result = app(
            None if argv is None else list(argv),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as mistake:
        print_error(_usage(mistake))
        return WRONG_USE
    except ServerTrouble as trouble:
        print_error(trouble)
        return REFUSED
    except HooklineError as error:
        print_error(error)
        return WRONG_USE
    return result if isinstance(result, int) else 0


def _usage(mistake: CycloptsError) -> UsageError:
    command = " ".join(["hookline", *(mistake.command_chain or ())])
    message = " ".join(str(mistake).split()).removesuffix(".")
    return UsageError("wrong-usage", message, f"`{command} --help` shows what it takes")


def main() -> None:
    """Run the command that the process was started with."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show é must not end the program.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(run())
