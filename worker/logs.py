"""Logging: structlog for ours and everybody's records, as JSON or for people.

Only the shape of log lines is decided here. A line never holds a partner's words: what is not a plain value is
replaced by the name of its type, keys that could carry words are dropped at any depth, and the text of an exception
is shown only for the few types whose text is known to repeat no input. Lines of a workflow (`workflow.logger`, silent
in replay) and of an activity are bound to their programme.
"""

import copy
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger
from temporalio import activity, workflow
from temporalio.runtime import LogForwardingConfig, LoggingConfig, TelemetryFilter
from temporalio.service import RPCError

from duologue.codec import KeyNotAtHand, OtherKeys
from duologue.vault import VaultError
from duologue.worker.errors import SetupError

PRIVATE = frozenset(
    {"words", "text", "sealed", "payload", "payloads", "args", "kwargs", "input", "result", "headers"}
)
"""Keys that are dropped wherever they stand, whatever they hold."""

SPEAKING = (OSError, RPCError, SetupError, KeyNotAtHand, OtherKeys, VaultError)
"""Exceptions whose text is shown: it tells of machines and networks, and repeats nothing that somebody said."""

_PLAIN = (str, int, float, bool, type(None), datetime, date, timedelta, Enum, Path)
_OURS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_FROM_TEMPORAL = ("temporal_workflow", "temporal_activity")
_BOUND = ("run_id", "activity_type", "activity_id", "attempt", "update_name")


def configure(
    format_: Literal["auto", "json", "console"] = "auto", level: str = "info", stream: TextIO | None = None
) -> None:
    """Send every log line of this process to `stream` (standard error) in one shape. May be called again.

    `level` is the least severe one shown, by its lower-case name.
    """
    stream = stream or sys.stderr
    people = format_ == "console" or (format_ == "auto" and stream.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(people=people, colours=people and stream.isatty()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # The programme travels in `extra`, for a processor to bind; appended to the message it would be there twice.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False


def core_logging() -> LoggingConfig:
    """What the SDK's Rust core logs, routed into the same lines: for the `Runtime` of a client.

    Its fields stay out: at a failed task they hold the failure, and with it the message of somebody's exception.
    """
    return LoggingConfig(
        filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
        forwarding=LogForwardingConfig(
            logger=logging.getLogger("temporalio.core"),
            append_target_to_name=False,
            prepend_target_on_message=False,
            append_log_fields_to_message=False,
        ),
    )


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """One line for a record of any library."""

    def __init__(self, *, people: bool, colours: bool) -> None:
        stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if people else "iso", utc=not people)
        common: list[Processor] = [
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            _extras,
        ]
        renderer: Processor = (
            structlog.dev.ConsoleRenderer(colors=colours) if people else structlog.processors.JSONRenderer()
        )
        super().__init__(
            foreign_pre_chain=common,
            processors=[
                stamp,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                bind_programme,
                speak_carefully,
                keep_plain,
                renderer,
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        """The line. Arguments of a message are held to the same rule as everything else."""
        record = copy.copy(record)
        if isinstance(record.args, tuple):
            record.args = tuple(_plain(a) if not isinstance(a, _PLAIN) else a for a in record.args)
        return super().format(record)


def _extras(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The `extra` of a standard record, as fields of the line."""
    record: logging.LogRecord | None = event.get("_record")
    if record is not None:
        event.update({k: v for k, v in vars(record).items() if k not in _OURS and not k.startswith("_")})
    return event


def bind_programme(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """What Temporal tells of its workflow or activity, as `programme` and the few fields an operator looks for."""
    for key in _FROM_TEMPORAL:
        told = event.pop(key, None)
        if isinstance(told, Mapping):
            if told.get("workflow_id"):
                event.setdefault("programme", str(told["workflow_id"]).removeprefix("programme/"))
            for name in _BOUND:
                if told.get(name) is not None:
                    event.setdefault(name, told[name])
    event.pop("temporal_log", None)
    return event


def speak_carefully(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """An exception as its type and where it was raised; its own text only if its type is one of `SPEAKING`."""
    told = event.pop("exc_info", None)
    error = sys.exc_info()[1] if told is True else told[1] if isinstance(told, tuple) else told
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_tell(error))
    return event


def keep_plain(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The line with plain values only, and without the keys in `PRIVATE`."""
    return {k: _plain(v) for k, v in event.items() if k.lower() not in PRIVATE}


def _plain(value: object) -> object:
    if isinstance(value, _PLAIN):
        return value if isinstance(value, str | int | float | None) else str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items() if str(k).lower() not in PRIVATE}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    return f"<{type(value).__name__}>"


def _tell(error: BaseException) -> list[str]:
    text = f": {error}" if isinstance(error, SPEAKING) else ""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    frames = [f"  {f.filename}:{f.lineno} in {f.name}" for f in traceback.extract_tb(error.__traceback__)]
    told = [f"{type(error).__module__}.{type(error).__qualname__}{text}", *frames]
    return told if cause is None else [*told, "because of", *_tell(cause)]
