"""Logs the beginning and the end of a database outage, or of a wait for a locked table, once for all threads."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

log = logging.getLogger(__name__)

SHORT_SECONDS: Final = 60.0  # after a refusal, how long an open connection is waited for before another one is opened
WAIT_OVER_SECONDS: Final = 60.0  # after which a table that is locked again is another wait


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


@dataclass(slots=True)
class TableWait:
    """The wait for a table that another session holds, one for all threads.

    All calls together wait for a limited time: what a loop does row by row would wait that long for each row.
    """

    since: float | None = None
    last: float = 0.0
    given_up: bool = False
    lock: Lock = field(default_factory=Lock)

    def seconds(self) -> float:
        """Return how long the table has been waited for; 0 begins a wait."""
        with self.lock:
            now = time.monotonic()
            if self.since is None or now - self.last > WAIT_OVER_SECONDS:
                self.since, self.given_up = now, False
            self.last = now
            return now - self.since

    def log_beginning(self, error: Exception, retry_seconds: float) -> None:
        """Log which session holds which table."""
        facts = {"event": "table.locked", "retry_seconds": retry_seconds}
        log.warning(
            "⏳ Otra sesión bloquea una tabla entera: %s; se espera hasta %.0f s", error, retry_seconds, extra=facts
        )

    def log_end(self, error: Exception, seconds: float) -> None:
        """Log once that the table is still locked, and what to do."""
        with self.lock:
            if self.given_up:
                return
            self.given_up = True
        facts = {"event": "table.still_locked", "seconds": round(seconds, 1)}
        message = "❌ Otra sesión sigue bloqueando una tabla entera tras %.0f s: espere a que acabe, o termínela (%s)"
        log.error(message, seconds, error, extra=facts)

    def ended(self) -> None:
        """Log that a call that waited has got the table."""
        with self.lock:
            since, self.since = self.since, None
        if since is not None:
            seconds = time.monotonic() - since
            facts = {"event": "table.free", "seconds": round(seconds, 1)}
            log.warning("✅ La tabla vuelve a estar libre tras %.1f s", seconds, extra=facts)


@dataclass(slots=True)
class Shortage:
    """The server opens fewer connections than the pool may have: logged once, and remembered for SHORT_SECONDS."""

    last: float | None = None
    lock: Lock = field(default_factory=Lock)

    def lasts(self) -> bool:
        """Return whether the server has refused a connection a short time ago."""
        last = self.last
        return last is not None and time.monotonic() - last < SHORT_SECONDS

    def began(self, error: Exception) -> None:
        """Log the first refusal: calls share the connections that are open."""
        with self.lock:
            logged, self.last = self.last is not None, time.monotonic()
        if not logged:
            facts = {"event": "database.connections_short"}
            message = "🔌 El servidor no abre más conexiones: se comparten las abiertas (%s)"
            log.warning(message, error, extra=facts)
