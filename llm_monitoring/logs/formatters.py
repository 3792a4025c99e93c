"""The two forms of a log record: a line for people, or one JSON object."""

from __future__ import annotations

import json
import logging
import math
import traceback
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from llm_monitoring.logs.redaction import redact, visible

RAILWAY_LEVELS: Final = {"DEBUG": "debug", "INFO": "info", "WARNING": "warn"}

ORDINARY: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def sentence(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except (
        TypeError,
        ValueError,
        KeyError,
    ):  # arguments that do not fit the message: show both
        text = f"{record.msg} {record.args}"
    return visible(redact(text))


def trace(record: logging.LogRecord) -> str:
    """Return the record's traceback in readable lines, or an empty string."""
    # Never record.exc_text: another handler may have left an unredacted traceback there.
    error = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
    lines = redact(f"{error}{record.stack_info or ''}").rstrip("\n").split("\n")
    return "\n".join(visible(line) for line in lines)


def plain_value(value: Any) -> Any:
    """Return what JSON can hold of `value`; amounts stay exact as text."""
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {str(plain_value(str(key))): plain_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_value(item) for item in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    return visible(redact(value.isoformat() if isinstance(value, date) else str(value)))


class PlainFormatter(logging.Formatter):
    """The message, after its level unless that is INFO; a traceback below it, indented."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname:<8}"
        source = f"{record.name}: " if record.levelno < logging.INFO else ""
        below = trace(record).replace("\n", "\n    ")
        return f"{level}{source}{sentence(record)}" + (below and f"\n    {below}")


class JsonFormatter(logging.Formatter):
    """One line of JSON for each event, as Railway reads it, with every `extra=` field as a field."""

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__()
        self.ascii_only = ascii_only

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        extra = {name: plain_value(value) for name, value in vars(record).items() if name not in ORDINARY}
        fixed = {
            "message": sentence(record),
            "level": RAILWAY_LEVELS.get(record.levelname, "error"),
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "logger": record.name,
            "event": extra.pop("event", "log"),
        }
        fields = {**fixed, **extra, **fixed}
        if record.exc_info or record.stack_info:
            fields["exception"] = trace(record)
        return json.dumps(fields, ensure_ascii=self.ascii_only)
