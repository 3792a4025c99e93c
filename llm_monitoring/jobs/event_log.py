"""How a job speaks: a sentence for the reader, an event's name and fields for the filter."""

from __future__ import annotations

import logging
from typing import Any


class Voice:
    """The log lines of one job, each with its event."""

    def __init__(self, name: str) -> None:
        self.log = logging.getLogger(name)

    def say(self, level: int, event: str, sentence: str, **fields: Any) -> None:
        self.log.log(level, sentence, extra={"event": event, **fields})

    def info(self, event: str, sentence: str, **fields: Any) -> None:
        self.say(logging.INFO, event, sentence, **fields)

    def warn(self, event: str, sentence: str, **fields: Any) -> None:
        self.say(logging.WARNING, event, sentence, **fields)

    def error(self, event: str, sentence: str, **fields: Any) -> None:
        self.say(logging.ERROR, event, sentence, **fields)
