"""Rate limits: requests of a caller within a minute, counted in this process; and the address that a caller has."""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address
from threading import Lock
from typing import Final

from starlette.requests import HTTPConnection

from llm_monitoring.web.problems import Problem

WINDOW_SECONDS: Final = 60.0
MOST_REQUESTS: Final = 200_000  # of all callers; beyond them those that were idle longest are forgotten
CLIENT_PREFIX: Final = 64  # bits of an IPv6 address that one client has for itself


class RateLimit:
    """At most `limit` requests of a caller in a minute. The clock is passed in.

    Each request of the last minute is kept as its time, MOST_REQUESTS at most, so that callers under made-up names do
    not fill the memory.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic, most: int = MOST_REQUESTS) -> None:
        self.limit = limit
        self.clock = clock
        self.most = most
        self.lock = Lock()
        self.kept = 0
        self.requests: OrderedDict[object, deque[float]] = OrderedDict()  # the first was idle longest

    def take(self, caller: object) -> None:
        """Count a request; raises Problem with Retry-After if there were too many."""
        with self.lock:
            now = self.clock()
            self.forget(now)
            times = self.requests.setdefault(caller, deque())
            self.requests.move_to_end(caller)
            self.check(times, now)
            times.append(now)
            self.kept += 1

    def require_room(self, caller: object) -> None:
        """Raise the Problem of `take` if a request would be one too many, and count none."""
        with self.lock:
            now = self.clock()
            self.forget(now)
            if caller in self.requests:
                self.check(self.requests[caller], now)

    def check(self, times: deque[float], now: float) -> None:
        while times and now - times[0] >= WINDOW_SECONDS:
            times.popleft()
            self.kept -= 1
        if len(times) >= self.limit:
            wait = math.ceil(WINDOW_SECONDS - (now - times[0]))
            raise Problem("too_many_requests", headers={"Retry-After": str(max(1, wait))})

    def forget(self, now: float) -> None:
        """Drop callers without a request in the last minute, and the most idle ones beyond what is kept."""
        while self.requests:
            caller, times = next(iter(self.requests.items()))
            if times and now - times[-1] < WINDOW_SECONDS and self.kept < self.most:
                return
            del self.requests[caller]
            self.kept -= len(times)


class Slots:
    """At most `limit` things of a caller at once."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.lock = Lock()
        self.taken: Counter[object] = Counter()

    @contextmanager
    def held(self, caller: object) -> Iterator[None]:
        """Hold one of the caller's slots; raises Problem with Retry-After if none is free."""
        with self.lock:
            if self.taken[caller] >= self.limit:
                raise Problem("too_many_requests", headers={"Retry-After": "10"})
            self.taken[caller] += 1
        try:
            yield
        finally:
            with self.lock:
                self.taken[caller] -= 1
                self.taken += Counter()  # without callers that hold none


class LastSeen:
    """The last `most` things that were noted."""

    def __init__(self, most: int = 10_000) -> None:
        self.most = most
        self.lock = Lock()
        self.seen: OrderedDict[object, None] = OrderedDict()

    def note(self, thing: object) -> None:
        with self.lock:
            self.seen[thing] = None
            self.seen.move_to_end(thing)
            while len(self.seen) > self.most:
                self.seen.popitem(last=False)

    def __contains__(self, thing: object) -> bool:
        return thing in self.seen


def client_of(connection: HTTPConnection, *, behind_edge: bool) -> str:
    """The address of a client, for its rate: of IPv6 its network, since one client has all addresses of that.

    Behind Railway's edge every connection is the edge's, which writes the client's address itself. What a client sends
    under X-Forwarded-For stands on the left of it, so that only the last entry is the edge's own.
    """
    given = connection.client.host if connection.client else ""
    if behind_edge:
        forwarded = connection.headers.getlist("x-real-ip") or connection.headers.getlist("x-forwarded-for") or [given]
        given = forwarded[-1].rpartition(",")[2]
    return network_of(given.strip())


def network_of(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> CLIENT_PREFIX << CLIENT_PREFIX))
