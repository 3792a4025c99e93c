"""Rate limits: requests of a token within a minute, counted in this process."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Final

from llm_monitoring.web.problems import Problem

WINDOW_SECONDS: Final = 60.0
MOST_CALLERS: Final = 10_000  # beyond them the callers that were idle longest are forgotten


class RateLimit:
    """At most `limit` requests of a caller in a minute. The clock is passed in."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.clock = clock
        self.lock = Lock()
        self.requests: dict[object, deque[float]] = {}

    def take(self, caller: object) -> None:
        """Count a request; raises Problem with Retry-After if there were too many."""
        with self.lock:
            now = self.clock()
            times = self.requests.pop(caller, None) or deque()
            self.requests[caller] = times  # moved to the end: the first is the one that was idle longest
            while times and now - times[0] >= WINDOW_SECONDS:
                times.popleft()
            if len(times) >= self.limit:
                wait = math.ceil(WINDOW_SECONDS - (now - times[0]))
                raise Problem("too_many_requests", headers={"Retry-After": str(max(1, wait))})
            times.append(now)
            while len(self.requests) > MOST_CALLERS:
                del self.requests[next(iter(self.requests))]
