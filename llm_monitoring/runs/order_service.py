"""Serves ordered analyses, each as a run of its project, under the lock of the daily run.

A daily run that finds that lock taken leaves the day to its holder. An order is not the day, so a second lock marks
that orders are served: the daily run waits for the order to end, and between any two orders the run lock is free.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from typing import Final

from llm_monitoring.app import App, asking_day
from llm_monitoring.db import Database, SessionLock
from llm_monitoring.runs import orders
from llm_monitoring.runs.daily import Executor, RunRequest, execute_locally, run_day
from llm_monitoring.runs.orders import Order
from llm_monitoring.runs.records import AlreadyRunning, RunLock

log = logging.getLogger(__name__)

LOCK_KEY: Final = 0x4C4C4D5F_4F524452  # "LLM_ORDR"
POLL_SECONDS: Final = 5.0
TURN_SECONDS: Final = 0.5  # how often a daily run asks whether the order has ended: it comes before the next order


@contextmanager
def daily_lock(db: Database, stop: Event) -> Iterator[RunLock]:
    """The run lock for a whole day; an order that is being served is waited for. Raises AlreadyRunning."""
    with ExitStack() as stack:
        lock = RunLock(db)
        while not lock.take():
            if is_served(db):
                stop.wait(TURN_SECONDS)
            elif lock.take():  # the order has ended between the two questions
                break
            elif stop.is_set() or not is_served(db):
                raise AlreadyRunning(lock.holder())
        stack.push(lock)
        yield lock


def is_served(db: Database) -> bool:
    """Whether a process serves an order now."""
    return SessionLock(db, LOCK_KEY).holder() is not None


def serve(app: App, stop: Event, *, once: bool, execute: Executor = execute_locally) -> int:
    """Serve orders as they come, or with `once` those that wait now; return how many were served.

    While a daily run holds the lock they wait: it serves them itself.
    """
    served = 0
    while not stop.is_set():
        found = serve_next(app, stop, execute)
        served += found is not None
        if found is None and once:
            break
        stop.wait(2 * TURN_SECONDS if found is not None else POLL_SECONDS)
    return served


@contextmanager
def serving(app: App, stop: Event) -> Iterator[None]:
    """Serve orders in a thread until the block ends: for a demo, which is one process."""
    thread = Thread(target=serve, args=(app, stop), kwargs={"once": False}, name="orders")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def serve_next(app: App, stop: Event, execute: Executor = execute_locally) -> Order | None:
    """Serve the order that waits longest; None if none waits or a daily run is at work. A stop leaves it waiting."""
    if not orders.is_any_open(app.db):
        return None
    with SessionLock(app.db, LOCK_KEY) as mark:  # before the run lock, so that no daily run finds that one unmarked
        if not mark.take():
            return None
        try:
            with RunLock(app.db) as lock:
                return serve_under(app, stop, lock, execute)
        except AlreadyRunning:
            log.info("⏳ Otra ejecución está en marcha: los encargos esperan", extra={"event": "orders.waiting"})
            return None


def serve_under(app: App, stop: Event, lock: RunLock, execute: Executor) -> Order | None:
    """Serve the order that waits longest, under the run lock."""
    orders.requeue(app.db)
    orders.cancel_before(app.db, asking_day(app))
    orders.cancel_unaskable(app.db)
    order = orders.begin_next(app.db)
    if order is not None:
        report = run_day(app, RunRequest(order.day, order.project_id, stop, in_batches=False), execute, lock=lock)
        if report.stats.stopped is None or report.obstacle is not None:
            orders.close_unserved(app.db, order)
        orders.requeue(app.db)
    return order
