"""The database's clock, which all machines of an installation share."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Final

from llm_monitoring.db.database import Database
from llm_monitoring.db.queries import load

FRESH_SECONDS: Final = 30.0


class DatabaseClock:
    """The database's time: read every half minute, and continued by this machine's monotonic clock.

    A wrong or jumping clock of this machine has no effect.
    """

    def __init__(self, db: Database) -> None:
        self.db = db
        self.read: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        read, now = self.read, time.monotonic()
        if read is None or now - read[1] > FRESH_SECONDS:
            row = self.db.one(load("database").now)
            assert row is not None
            self.read = read = row["now"], time.monotonic()
        current: datetime = read[0] + timedelta(seconds=time.monotonic() - read[1])
        return current
