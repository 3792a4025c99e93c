"""Reports an outage of the database once for all threads: when it begins, and when it is over."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from threading import Lock

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outage:
    """The present outage, if there is one. Safe to share between threads."""

    since: float | None = None
    lock: Lock = field(default_factory=Lock)

    def began(self, error: Exception, retry_seconds: float) -> None:
        """Report the first interruption; the others of the same outage say nothing new."""
        with self.lock:
            if self.since is not None:
                return
            self.since = time.monotonic()
        log.warning("🔌 La base de datos no responde: %s; se reintenta hasta %.0f s", error, retry_seconds,
                    extra={"event": "database.lost", "retry_seconds": retry_seconds})  # fmt: skip

    def ended(self) -> None:
        """Report that the database is back."""
        if self.since is None:
            return
        seconds = self.take()
        if seconds is not None:
            log.warning("✅ La base de datos vuelve a responder tras %.1f s", seconds,
                        extra={"event": "database.back", "seconds": round(seconds, 1)})  # fmt: skip

    def given_up(self, error: Exception) -> None:
        """Report that the database did not come back, and where to look."""
        seconds = self.take()
        if seconds is not None:
            log.error("❌ La base de datos no volvió en %.0f s: revise DATABASE_URL y el servidor (%s)", seconds, error,
                      extra={"event": "database.gone", "seconds": round(seconds, 1)})  # fmt: skip

    def take(self) -> float | None:
        """End the outage and return its length in seconds, None if another thread did so."""
        with self.lock:
            since, self.since = self.since, None
        return None if since is None else time.monotonic() - since
