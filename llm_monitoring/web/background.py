"""Work that takes longer than a page may: done by one thread, once for all who ask for it.

Those who ask take turns, so that no one waits for all that another has asked for.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from threading import RLock
from types import TracebackType
from typing import Any, Final, Self, TypeVar

T = TypeVar("T")

MOST_TASKS: Final = 20
"""Tasks of one asker that wait, or are done and were not fetched yet; a further one may be asked for again."""
KEPT_SECONDS: Final = 6.0
"""How long an outcome waits for the page that asked for it, which asks again every second or two."""


class InProgress(Exception):
    """The work is not done yet; `ahead` tasks are done before it."""

    def __init__(self, ahead: int) -> None:
        super().__init__(f"{ahead} tasks are done before")
        self.ahead = ahead


@dataclass(slots=True)
class Task:
    """One piece of work, with who asked for it first and the moment at which it was done."""

    asker: Hashable
    work: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)
    done_at: float | None = None


@dataclass(slots=True)
class Background:
    """The tasks of a service. A process that ends loses them: they compute, and whoever wants an outcome asks again.

    `most` is of one asker. `waiting` has the tasks of each asker; the asker with the next turn is first.
    """

    most: int = MOST_TASKS
    clock: Callable[[], float] = time.monotonic
    lock: RLock = field(default_factory=RLock)
    tasks: dict[Hashable, Task] = field(default_factory=dict)
    waiting: OrderedDict[Hashable, deque[Task]] = field(default_factory=OrderedDict)
    is_busy: bool = False
    executor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "background"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.lock:
            for task in chain.from_iterable(self.waiting.values()):
                task.future.cancel()
            self.waiting.clear()
        self.executor.shutdown(cancel_futures=True)

    def begin(self, key: Hashable, work: Callable[[], Any], asker: Hashable = None) -> Future[Any] | None:
        """Begin `work` unless it was begun under this key; None if too much of the asker waits already."""
        with self.lock:
            self.forget_old()
            if key not in self.tasks:
                if sum(each.asker == asker for each in self.tasks.values()) >= self.most:
                    return None
                self.tasks[key] = task = Task(asker, work)
                self.waiting.setdefault(asker, deque()).append(task)
                self.begin_next()
            return self.tasks[key].future

    def begin_next(self) -> None:
        """Begin a task of the asker with the next turn, unless one is being done."""
        with self.lock:
            if self.is_busy or not self.waiting:
                return
            asker, tasks = self.waiting.popitem(last=False)
            task = tasks.popleft()
            if tasks:
                self.waiting[asker] = tasks
            self.is_busy = task.future.set_running_or_notify_cancel()
            self.executor.submit(task.work).add_done_callback(partial(self.finish, task))

    def finish(self, task: Task, done: Future[Any]) -> None:
        """Pass on an outcome to those who wait for it."""
        error = CancelledError() if done.cancelled() else done.exception()
        if error:
            task.future.set_exception(error)
        else:
            task.future.set_result(done.result())
        with self.lock:
            self.is_busy = False
        self.begin_next()

    def result(self, key: Hashable, work: Callable[[], T], patience: float, asker: Hashable = None) -> T:
        """Return what `work` returns, begun now or by an earlier request, or raise what it raises.

        An outcome is given to those who wait for it and forgotten, so that a later request has a new one. Raises
        InProgress if there is none within `patience` seconds.
        """
        future = self.begin(key, work, asker)
        if future is None or not wait((future,), patience).done:
            raise InProgress(self.ahead_of(key, asker))
        self.forget(key)
        found: T = future.result()
        return found

    def forget(self, key: Hashable) -> None:
        """Drop the outcome of a task, if it is done."""
        with self.lock:
            if key in self.tasks and self.tasks[key].future.done():
                del self.tasks[key]

    def ahead_of(self, key: Hashable, asker: Hashable = None) -> int:
        """How many tasks are done before this one, as askers take turns; one that was not begun would be the last."""
        with self.lock:
            task = self.tasks.get(key)
            if task is not None and (task.future.running() or task.future.done()):
                return 0
            asker = task.asker if task else asker
            own = self.waiting.get(asker, deque())
            place, before = own.index(task) if task else len(own), asker in self.waiting
            ahead = place + sum(each.future.running() for each in self.tasks.values())
            for each, tasks in self.waiting.items():
                before = before and each != asker
                ahead += 0 if each == asker else min(len(tasks), place + before)
            return ahead

    def forget_old(self) -> None:
        """Drop the outcomes that no one came for."""
        now = self.clock()
        for key, task in list(self.tasks.items()):
            if task.future.done() and task.done_at is None:
                task.done_at = now
            if task.done_at is not None and now - task.done_at > KEPT_SECONDS:
                del self.tasks[key]
