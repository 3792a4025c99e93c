"""Logs the beginning and the end of a database outage once for all threads."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from threading import Lock

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outage:
    """The current outage, if there is one. Threads may share it."""

    since: float | None = None
    lock: Lock = field(default_factory=Lock)

    def began(self, error: Exception, retry_seconds: float) -> None:
        """Log the first interruption; further ones of the same outage are not logged."""
        with self.lock:
            if self.since is not None:
                return
            self.since = time.monotonic()
        facts = {"event": "database.lost", "retry_seconds": retry_seconds}
        log.warning("🔌 La base de datos no responde: %s; se reintenta hasta %.0f s", error, retry_seconds, extra=facts)

    def ended(self) -> None:
        """Log that the database is back."""
        if self.since is None:
            return
        seconds = self.take()
        if seconds is not None:
            facts = {"event": "database.back", "seconds": round(seconds, 1)}
            log.warning("✅ La base de datos vuelve a responder tras %.1f s", seconds, extra=facts)

    def given_up(self, error: Exception) -> None:
        """Log that the database did not come back, and what to check."""
        seconds = self.take()
        if seconds is not None:
            facts = {"event": "database.gone", "seconds": round(seconds, 1)}
            message = "❌ La base de datos no volvió en %.0f s: revise DATABASE_URL y el servidor (%s)"
            log.error(message, seconds, error, extra=facts)

    def take(self) -> float | None:
        """End the outage and return its length in seconds, None if another thread did so."""
        with self.lock:
            since, self.since = self.since, None
        return None if since is None else time.monotonic() - since
