"""Work that takes longer than a page may: done by one thread, once for all who ask for it, and no more than fits."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock
from types import TracebackType
from typing import Any, Final, Self, TypeVar

T = TypeVar("T")

MOST_TASKS: Final = 40
"""Tasks that wait, or are done and were not fetched yet; a further one is not begun, and may be asked for again."""
KEPT_SECONDS: Final = 6.0
"""How long an outcome waits for the page that asked for it, which asks again every second or two."""


class InProgress(Exception):
    """The work is not done yet; `ahead` tasks are done before it."""

    def __init__(self, ahead: int) -> None:
        super().__init__(f"{ahead} tasks are done before")
        self.ahead = ahead


@dataclass(slots=True)
class Task:
    """One piece of work, with the moment at which it was done."""

    future: Future[Any]
    done_at: float | None = None


@dataclass(slots=True)
class Background:
    """The tasks of a service. A process that ends loses them: they compute, and whoever wants an outcome asks again."""

    most: int = MOST_TASKS
    clock: Callable[[], float] = time.monotonic
    lock: Lock = field(default_factory=Lock)
    tasks: dict[Hashable, Task] = field(default_factory=dict)
    executor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "background"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.executor.shutdown(cancel_futures=True)

    def begin(self, key: Hashable, work: Callable[[], Any]) -> Future[Any] | None:
        """Begin `work` unless it was begun under this key; None if too much waits already."""
        with self.lock:
            self.forget_old()
            if key not in self.tasks:
                if len(self.tasks) >= self.most:
                    return None
                self.tasks[key] = Task(self.executor.submit(work))
            return self.tasks[key].future

    def result(self, key: Hashable, work: Callable[[], T], patience: float) -> T:
        """Return what `work` returns, begun now or by an earlier request, or raise what it raises.

        An outcome is given to those who wait for it and forgotten, so that a later request has a new one. Raises
        InProgress if there is none within `patience` seconds.
        """
        future = self.begin(key, work)
        if future is None or not wait((future,), patience).done:
            raise InProgress(self.ahead_of(key))
        self.forget(key)
        found: T = future.result()
        return found

    def forget(self, key: Hashable) -> None:
        """Drop the outcome of a task, if it is done."""
        with self.lock:
            if key in self.tasks and self.tasks[key].future.done():
                del self.tasks[key]

    def ahead_of(self, key: Hashable) -> int:
        """How many tasks are done before this one."""
        with self.lock:
            earlier = 0
            for each, task in self.tasks.items():
                if each == key:
                    break
                earlier += not task.future.done()
            return earlier

    def forget_old(self) -> None:
        """Drop the outcomes that no one came for."""
        now = self.clock()
        for key, task in list(self.tasks.items()):
            if task.future.done() and task.done_at is None:
                task.done_at = now
            if task.done_at is not None and now - task.done_at > KEPT_SECONDS:
                del self.tasks[key]
