"""When the request arrived that is being answered: what was measured since then is new enough for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Arrival:
    """One request; `is_open` until it is answered, as tasks that it began may go on afterwards."""

    at: float = field(default_factory=time.monotonic)
    is_open: bool = True


CURRENT: ContextVar[Arrival | None] = ContextVar("arrival", default=None)


@contextmanager
def arriving() -> Iterator[None]:
    """Answer a request in the block."""
    arrival = Arrival()
    CURRENT.set(arrival)
    try:
        yield
    finally:
        arrival.is_open = False


def waited() -> float:
    """For how many seconds the request of this task or thread has waited; 0 outside one."""
    arrival = CURRENT.get()
    return time.monotonic() - arrival.at if arrival is not None and arrival.is_open else 0.0
