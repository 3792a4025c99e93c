"""The run: hands jobs to workers, takes back what became of them, stops in time. Reads and spends through its desk."""

from __future__ import annotations

import logging
import math
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Final

from llm_monitoring import failpoints
from llm_monitoring.analysis import Analysis
from llm_monitoring.db.database import DatabaseUnavailable, Locked
from llm_monitoring.domain import KeyId, ProviderName, Task
from llm_monitoring.errors import MonitoringError
from llm_monitoring.keys.clients import NoKey
from llm_monitoring.keys.encryption import KeyUnreadable
from llm_monitoring.ledger.payment import BudgetExceeded, SettlementDelayed, Unsettled, Withdrawn
from llm_monitoring.logs.redaction import redact
from llm_monitoring.providers import ProviderError, load_order, load_sdk
from llm_monitoring.registry import NotCallable
from llm_monitoring.runs import tasks
from llm_monitoring.runs.call_errors import (
    FailureLog,
    KeyChecks,
    backoff,
    closed_message,
    effect_of,
    fields,
    log_without_sentiment,
    may_retry,
    reason_of,
    retry_after_of,
    task_reason,
)
from llm_monitoring.runs.dispatcher import Dispatcher, WorkItem
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.held_work import HeldWork
from llm_monitoring.runs.limits import ClosedReason, threads
from llm_monitoring.runs.reasons import stop_text
from llm_monitoring.runs.stats import RunStats

log = logging.getLogger(__name__)

LOCK_CHECK_SECONDS: Final = 2.0

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a job: an analysis for an answer, or the error that ended it."""

    job: WorkItem
    analysis: Analysis | None = None
    error: BaseException | None = None
    key_works: bool = False


@dataclass(frozen=True, slots=True)
class ReplyReceived:
    """The reply to a job's call is there: the provider is free, while its worker still keeps, reads and settles."""

    job: WorkItem


@dataclass(frozen=True, slots=True)
class SdkLoaded:
    """A provider's SDK is there, or the memory for it is not."""

    provider: ProviderName
    error: MemoryError | None = None


class Runner:
    """One run over a schedule. `stop` ends it early: nothing more is sent, what is out is waited for and saved."""

    def __init__(
        self,
        desk: TaskExecutor,
        schedule: Dispatcher,
        judges: Mapping[int, KeyId],
        *,
        still_ours: Callable[[], bool],
        stop: Event,
        deadline: float,
        clock: Clock = time.monotonic,
        on_progress: Callable[[RunStats], None] = lambda tally: None,
    ) -> None:
        self.desk = desk
        self.schedule = schedule
        self.judges = judges
        self.still_ours = still_ours
        self.stop = stop
        self.deadline = deadline
        self.clock = clock
        self.on_progress = on_progress
        self.tally = RunStats()
        self.key_checks = KeyChecks()
        self.failure_log = FailureLog()
        self.news: queue.SimpleQueue[Finished | ReplyReceived | SdkLoaded] = queue.SimpleQueue()
        self.held = HeldWork(desk, schedule, self.tally, clock)
        self.working: set[WorkItem] = set()
        self.calling = 0
        self.lock_checked = clock()

    def run(self) -> RunStats:
        """Work until nothing is left, or until stopped; raises DatabaseUnavailable where the database stays away."""
        with ThreadPoolExecutor(threads(self.desk.settings.max_workers), thread_name_prefix="worker") as pool:
            needed = self.schedule.close_lanes()
            self.load(pool, load_order(needed))
            while True:
                if not self.held.time_is_up(self.working, self.deadline):
                    self.settle_again(pool)
                    self.hand_out(pool)
                elif not self.working:
                    self.held.leave()
                if not self.working and (self.tally.stopped or (self.schedule.empty and not self.held.unsettled)):
                    self.held.leave_unsettled()
                    self.tell_windows()
                    return self.tally
                self.take_back()

    def load(self, pool: ThreadPoolExecutor, providers: Sequence[ProviderName]) -> None:
        """Import the SDKs that are needed one after the other: a provider is called as soon as its own is there."""
        if providers:
            pool.submit(self.load_first, pool, providers)

    def load_first(self, pool: ThreadPoolExecutor, providers: Sequence[ProviderName]) -> None:
        error: MemoryError | None = None
        try:
            load_sdk(providers[0])
        except MemoryError as exc:
            error = exc
        finally:  # an SDK that is broken is told by the worker that opens it
            self.news.put(SdkLoaded(providers[0], error))
            self.load(pool, providers[1:])

    def hand_out(self, pool: ThreadPoolExecutor) -> None:
        """Hand out what may go now. Jobs of closed keys, however many, hold up neither calls nor replies of others."""
        closing: set[ProviderName] = set()
        while self.has_room() and not self.should_stop():
            found = self.schedule.next(self.clock(), last=closing)
            if found is None:
                return
            if found.closed is not None:
                self.give_up(found.job, task_reason(found.closed), found.job.failure or found.closed)
                if found.job.provider in closing and not self.news.empty():
                    return
                closing.add(found.job.provider)
                continue
            self.working.add(found.job)
            self.calling += 1
            pool.submit(self.work, found.job, partial(self.call, found.job))

    def settle_again(self, pool: ThreadPoolExecutor) -> None:
        """Enter the end of one call again that could not be entered; a try may occupy its worker for the lock time."""
        waits = None if self.should_stop() else self.held.next_settlement()
        if waits is not None:
            self.working.add(waits.job)
            pool.submit(self.work, waits.job, waits.finish)

    def has_room(self) -> bool:
        """Whether another call may be out, and a worker is there for it."""
        most = threads(self.desk.settings.max_workers)
        return self.calling < self.desk.settings.max_workers and len(self.working) < most

    def should_stop(self) -> bool:
        now = self.clock()
        if self.tally.stopped is None:
            if self.stop.is_set():
                self.tally.stopped = "signal"
            elif now >= self.deadline:
                self.tally.stopped = "deadline"
            elif now - self.lock_checked >= LOCK_CHECK_SECONDS:
                self.lock_checked = now
                if not self.still_ours():
                    self.tally.stopped = "taken_over"
            if self.tally.stopped:
                log.warning("⏹️ No se inician más llamadas: %s", stop_text(self.tally.stopped, "es"),
                            extra={"event": "run.stopping", "reason": self.tally.stopped})  # fmt: skip
        return self.tally.stopped is not None

    def call(self, job: WorkItem) -> object:
        """One job's call, in a worker; the analysis of its answer if there is one."""

        def landed() -> None:
            self.news.put(ReplyReceived(job))

        if job.is_sentiment:
            self.desk.score(job, landed)
            return None
        return self.desk.answer(job, landed)

    def work(self, job: WorkItem, do: Callable[[], object]) -> None:
        """What a worker does. Whatever happens comes back through the queue, so that one task fails alone."""
        try:
            found = do()
            self.news.put(Finished(job, found if isinstance(found, Analysis) else None))
        except BaseException as exc:  # noqa: BLE001 - around one task (design, section 9); a Rust panic is no Exception
            self.failed(job, exc)

    def failed(self, job: WorkItem, error: BaseException) -> None:
        """Hand back a failed job, with what listing models says of an operator's key that was refused."""
        works = False
        try:
            works = self.key_checks.key_works(error, job.key, lambda: self.desk.clients.get(job.key, job.task.user_id))
        finally:
            self.news.put(Finished(job, error=error, key_works=works))

    def take_back(self) -> None:
        """Wait for a worker, for the next due job, or for half a second, and deal with what came."""
        wake = self.schedule.wake_at()
        wait = 0.5 if wake is None else min(0.5, max(0.01, wake - self.clock()))
        try:
            news = self.news.get(timeout=wait)
        except queue.Empty:
            return
        while True:
            if isinstance(news, SdkLoaded):
                if news.error is not None:
                    raise news.error
                self.schedule.open_lane(news.provider)
            else:
                self.landed(news.job)
            if isinstance(news, Finished):
                self.working.discard(news.job)
                self.handle(news)
                self.on_progress(self.tally)
            try:
                news = self.news.get_nowait()
            except queue.Empty:
                return

    def landed(self, job: WorkItem) -> None:
        if not job.landed:
            self.calling -= 1
            self.schedule.landed(job)

    def handle(self, done: Finished) -> None:
        job, error = done.job, done.error
        again = self.held.settled(job)
        if isinstance(error, SettlementDelayed):
            self.delay(job, error.finish, again=again is not None)
        elif isinstance(error, Locked) and again is not None:
            self.delay(job, again.finish, again=True)
        elif error is None:
            self.schedule.limits.finished(job.key, "ok", self.clock())
            self.schedule.judged(job)
            self.came_back(job)
            self.answered(job, done.analysis)
        elif isinstance(error, ProviderError):
            self.provider_failed(job, error, key_works=done.key_works)
        elif isinstance(error, BudgetExceeded):
            self.blocked(job, error)
        else:
            self.schedule.limits.uncalled(job.key)
            self.came_back(job)
            self.not_called(job, error)

    def came_back(self, job: WorkItem) -> None:
        self.held.freed(job)
        self.schedule.came_back(job)

    def blocked(self, job: WorkItem, error: BudgetExceeded) -> None:
        user, locked = job.task.user_id, error.by == "lock"
        self.schedule.limits.uncalled(job.key)
        if locked:
            self.held.report_lock(job)
        again_at = self.held.again_at(job, error.by) if error.for_now else None
        if self.schedule.blocked(job, again_at, locked=locked):
            if error.by == "budget":
                self.tally.blocked_users.add(user)
            self.give_up(job, error.by, str(error))

    def delay(self, job: WorkItem, finish: Callable[[], object], *, again: bool) -> None:
        """Keep a call that was made until its end can be entered."""
        self.schedule.limits.uncalled(job.key)
        self.held.delay(job, finish, again=again)

    def answered(self, job: WorkItem, analysis: Analysis | None) -> None:
        if job.is_sentiment:
            self.tally.scored += 1
            return
        self.tally.answered += 1
        self.failure_log.answered(job.task.provider)
        judge = self.judges.get(job.task.project_id)
        if judge is not None and analysis is not None and analysis.brand_mentioned and self.desk.settings.sentiment:
            self.schedule.add(WorkItem(job.task, judge.provider, judge, contexts=tuple(analysis.mention_contexts)))

    def provider_failed(self, job: WorkItem, error: ProviderError, *, key_works: bool) -> None:
        now = self.clock()
        message = redact(str(error))
        effect = effect_of(error, job, key_works=key_works)
        narrowed = self.schedule.limits.finished(
            job.key, effect, now, sent_at=job.sent_at, retry_after=retry_after_of(error),
            reason=reason_of(error), use=job.use,
        )  # fmt: skip
        if narrowed:
            self.tell_window(job.key, "pide ir más despacio")
        self.schedule.judged(job)
        self.came_back(job)
        if effect == "dead":
            self.close_key(job.key, reason_of(error))
        job.failure = message
        job.tries += 1
        job.doubtful_tries += error.billed != "no"
        if may_retry(error, job, self.desk.settings.max_attempts):
            self.schedule.wait(job, now + backoff(job.tries))
        elif job.is_sentiment:
            log_without_sentiment(job.task, error.kind, message)
        else:
            self.count_failure(job.task, error.kind, message)

    def close_key(self, key: KeyId, reason: ClosedReason) -> None:
        """Report that a key is used no more in this run; the provider's words stay with the task that got them."""
        self.tally.closed_keys[key] = reason
        log.error(
            "❌ %s", closed_message(reason, key.provider),
            extra={"event": "provider.closed", "provider": key.provider, "user_id": key.user_id, "reason": reason},
        )  # fmt: skip

    def not_called(self, job: WorkItem, error: BaseException) -> None:
        """The call was not made, or broke in a way that nobody foresaw."""
        if isinstance(error, DatabaseUnavailable | MemoryError):  # no other task would fare better
            raise error
        if isinstance(error, Withdrawn):
            self.withdrawn(job)
        elif isinstance(error, KeyUnreadable | NoKey):
            self.tally.closed_keys[job.key] = "key_unreadable"
            self.schedule.limits.kill(job.key, "key_unreadable")
            self.give_up(job, "key_unreadable", str(error))
        elif isinstance(error, NotCallable):
            self.give_up(job, "not_callable", str(error))
        elif isinstance(error, Unsettled):
            self.give_up(job, "unsettled", redact(str(error)))
        elif isinstance(error, MonitoringError):
            self.give_up(job, "error", redact(str(error)))
        else:
            log.error("Fallo inesperado", exc_info=error, extra=fields("task.crashed", job.task))
            self.give_up(job, "crashed", f"{type(error).__name__}: {redact(str(error))}"[:500])

    def withdrawn(self, job: WorkItem) -> None:
        """Another run was faster, or the database's crash took its reservation back: try again."""
        self.lock_checked = -math.inf  # look at the lock before the next call
        job.tries += 1
        if job.tries < self.desk.settings.max_attempts:
            self.schedule.wait(job, self.clock() + backoff(job.tries))
        else:
            self.give_up(job, "withdrawn", "taken_over")

    def tell_windows(self) -> None:
        """Say which keys ended below the concurrency that the operator allows."""
        for key, state in self.schedule.limits.keys.items():
            if state.window.narrowed_at > -math.inf:
                self.tell_window(key, "acaba el día")

    def tell_window(self, key: KeyId, what: str) -> None:
        calls = self.schedule.limits.window(key)
        whose = "del operador" if key.user_id is None else f"de User #{key.user_id}"
        log.info(
            "🐢 %s (API key %s) %s: como máximo %d llamada(s) a la vez", key.provider, whose, what, calls,
            extra={"event": "provider.window", "provider": key.provider, "user_id": key.user_id, "calls": calls},
        )  # fmt: skip

    def give_up(self, job: WorkItem, reason: str, message: str) -> None:
        """Record that a task is not asked; the next start of the day tries it again."""
        if job.is_sentiment:
            log_without_sentiment(job.task, reason, message)
            return
        failpoints.reach("giving_up")
        row = f"Proyecto #{job.task.project_id}, {job.task.provider}, prompt {job.task.query_id}"
        with self.desk.errors.guard("record_failure", row, project_id=job.task.project_id, user_id=job.task.user_id):
            tasks.record_failure(self.desk.budget.db, job.task, tasks.Failure(reason, message), self.desk.run_id)
        failpoints.reach("gave_up")
        self.count_failure(job.task, reason, message)

    def count_failure(self, task: Task, reason: str, message: str) -> None:
        self.tally.failed += 1
        self.tally.reasons[reason] += 1
        self.failure_log.failed(task, reason, message)
