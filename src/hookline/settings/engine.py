"""What an engine must be told, of what was set: the same for a server and inside a program."""

from hookline.send.attempt_log import AttemptLog
from hookline.send.engine import EngineConfig
from hookline.send.retention import Keep
from hookline.send.slots import Limits
from hookline.settings import Settings

__all__ = ["engine_config"]


def engine_config(settings: Settings, attempt_log: AttemptLog | None = None) -> EngineConfig:
    """The part of the settings that concerns an engine.

    Args:
        settings: as read.
        attempt_log: is shown each attempt that ended; None: nobody is.

    Raises:
        UsageError: settings that do not go together.
    """
    return EngineConfig(
        database=settings.database_at(),
        allow=settings.allow_addresses,
        secret_key=settings.secret_key,
        limits=Limits(max_in_flight=settings.max_in_flight),
        rules=settings.rules(),
        mailing=settings.mailing(),
        keep=Keep(settings.keep_events_days, settings.keep_attempts_days),
        attempt_log=attempt_log,
        role=settings.checked_role(),
    )
