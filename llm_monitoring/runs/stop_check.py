"""When a run stops before its work is done: a signal, its deadline, or another process that has taken over."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Final

from llm_monitoring.runs.reason_texts import stop_text
from llm_monitoring.runs.reasons import StopReason

log = logging.getLogger(__name__)

OWNERSHIP_CHECK_SECONDS: Final = 2.0


@dataclass(slots=True)
class StopCheck:
    """Decides, and logs once, that no more calls are made. `owns_run` looks at the run's lock and record.

    Threads may share it.
    """

    stop: Event
    deadline: float
    owns_run: Callable[[], bool]
    next_check: float = -math.inf
    reason: StopReason | None = field(default=None, init=False)
    lock: Lock = field(default_factory=Lock, init=False)

    def should_stop(self, now: float) -> bool:
        with self.lock:
            if self.reason is None:
                self.reason = self.find_reason(now)
                if self.reason is not None:
                    log.warning(
                        "⏹️ No se inician más llamadas: %s",
                        stop_text(self.reason, "es"),
                        extra={"event": "run.stopping", "reason": self.reason},
                    )
            return self.reason is not None

    def find_reason(self, now: float) -> StopReason | None:
        if self.stop.is_set():
            return StopReason.SIGNAL
        if now >= self.deadline:
            return StopReason.DEADLINE
        if now >= self.next_check:
            self.next_check = now + OWNERSHIP_CHECK_SECONDS
            if not self.owns_run():
                return StopReason.TAKEN_OVER
        return None

    def check_ownership_next(self) -> None:
        """Look at the run's lock before the next call."""
        self.next_check = -math.inf
