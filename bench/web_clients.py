"""Clients of the web service: one connection each, one request at a time, every answer's status and time."""

from __future__ import annotations

import http.client
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Place:
    """A path of the service and what a request for it carries."""

    path: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class Client:
    """One connection to the service; `milliseconds` are those of requests that were answered.

    Of them `measuring` showed that figures are being measured.
    """

    address: str
    milliseconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    measuring: int = 0

    def ask(self, connection: http.client.HTTPConnection, place: Place) -> None:
        began = time.perf_counter()
        try:
            connection.request("GET", place.path, headers=dict(place.headers))
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as exc:
            self.errors[type(exc).__name__] += 1
            connection.close()
            return
        if answer.status in (http.client.OK, http.client.ACCEPTED):
            self.milliseconds.append(1000 * (time.perf_counter() - began))
            self.measuring += answer.status == http.client.ACCEPTED
        else:
            self.errors[str(answer.status)] += 1

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=TIMEOUT_SECONDS)


def answered(address: str, place: Place) -> int:
    """The status of one request."""
    connection = Client(address).connect()
    connection.request("GET", place.path, headers=dict(place.headers))
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def ask_for(client: Client, places: Sequence[Place], end: float) -> None:
    """Ask for the places in turn until the time is over."""
    connection = client.connect()
    for place in cycle(places):
        if time.monotonic() >= end:
            break
        client.ask(connection, place)
    connection.close()


def load(address: str, places_of: Sequence[Sequence[Place]], seconds: float) -> dict[str, Any]:
    """Let one client for each list of places ask for `seconds`; return how many were answered, and how fast."""
    clients = [Client(address) for _ in places_of]
    end = time.monotonic() + seconds
    threads = [
        Thread(target=ask_for, args=(client, places, end)) for client, places in zip(clients, places_of, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = sorted(each for client in clients for each in client.milliseconds)
    errors = sum((client.errors for client in clients), Counter[str]())
    return {
        "clients": len(clients),
        "seconds": seconds,
        "requests": len(times) + errors.total(),
        "errors": dict(errors),
        "measuring": sum(client.measuring for client in clients),
        **{f"p{share}_ms": quantile(times, share) for share in (50, 95, 99)},
    }


def quantile(times: Sequence[float], share: int) -> float | None:
    return round(times[min(len(times) - 1, len(times) * share // 100)], 1) if times else None
