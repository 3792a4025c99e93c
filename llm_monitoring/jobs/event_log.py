"""Logs a message with an event name and structured fields."""

from __future__ import annotations

import logging
from typing import Any, Final

HOW_TO_BEGIN: Final = "véase `python -m llm_monitoring setup`, o `python -m llm_monitoring keys set`"


class EventLog:
    """The log of one job: each line has an event."""

    def __init__(self, name: str) -> None:
        self.log = logging.getLogger(name)

    def write(self, level: int, event: str, message: str, **fields: Any) -> None:
        self.log.log(level, message, extra={"event": event, **fields})

    def info(self, event: str, message: str, **fields: Any) -> None:
        self.write(logging.INFO, event, message, **fields)

    def warn(self, event: str, message: str, **fields: Any) -> None:
        self.write(logging.WARNING, event, message, **fields)

    def error(self, event: str, message: str, **fields: Any) -> None:
        self.write(logging.ERROR, event, message, **fields)
