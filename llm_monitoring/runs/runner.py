"""One run: gives work items to worker threads and processes what became of them, until none is left or it must stop."""

from __future__ import annotations

import logging
import math
import queue
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from llm_monitoring.analysis import Analysis, load_rules
from llm_monitoring.db import DatabaseUnavailable, Hanging, Locked, RowError, hang_in
from llm_monitoring.domain import KeyId, ProviderName
from llm_monitoring.errors import ConfigurationError, MonitoringError
from llm_monitoring.keys import KeyUnreadable, NoKey
from llm_monitoring.ledger import BlockedBy, BudgetExceeded, SettlementDelayed, Unsettled, Withdrawn, WithdrawnFor
from llm_monitoring.logs import redact
from llm_monitoring.providers import ProviderError, RateLimited, load_order, load_sdk
from llm_monitoring.registry import NotCallable
from llm_monitoring.runs.call_errors import (
    KeyChecks,
    ask_at_full_price,
    backoff,
    closed_message,
    effect_of,
    fields,
    may_retry,
    reason_of,
    retry_after_of,
    task_reason,
)
from llm_monitoring.runs.dispatcher import Dispatcher, WorkItem
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.handlers import make_handlers
from llm_monitoring.runs.held_work import HeldWork
from llm_monitoring.runs.limits import ClosedReason, thread_count
from llm_monitoring.runs.stats import RunStats
from llm_monitoring.runs.stop_check import StopCheck

log = logging.getLogger(__name__)

Clock = Callable[[], float]
QUIET_SECONDS: Final = 0.5  # after which the run looks again whether it must stop


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of an item: an analysis for an answer, or the error that ended it."""

    item: WorkItem
    analysis: Analysis | None = None
    error: BaseException | None = None
    key_works: bool = False


@dataclass(frozen=True, slots=True)
class ReplyReceived:
    """The reply to an item's call is there: the provider is free while the worker thread still stores and settles."""

    item: WorkItem


@dataclass(frozen=True, slots=True)
class SdkLoaded:
    """A provider's SDK is imported. `error`: there was no memory for it, or no call can be made on this machine."""

    provider: ProviderName
    error: MemoryError | ConfigurationError | None = None


def last_flex_start(now: float, deadline: float, longest_call: float) -> float:
    """Until when flex calls start: half of the run's time is left for what has to be asked at the standard price.

    The last of them ends before the deadline, or a stop for it would find it in flight.
    """
    return min(now + (deadline - now) / 2, deadline - longest_call)


class Runner:
    """One run over a dispatcher's items. Once it must stop nothing more is sent; calls in flight end and are saved."""

    def __init__(
        self,
        executor: TaskExecutor,
        dispatcher: Dispatcher,
        judges: Mapping[int, KeyId],
        stop_check: StopCheck,
        *,
        clock: Clock = time.monotonic,
        on_progress: Callable[[RunStats], None] = lambda stats: None,
    ) -> None:
        self.executor = executor
        self.dispatcher = dispatcher
        self.stop_check = stop_check
        self.clock = clock
        self.on_progress = on_progress
        self.stats = RunStats()
        self.handlers = make_handlers(executor, self.stats, judges)
        self.key_checks = KeyChecks()
        self.events: queue.SimpleQueue[Finished | ReplyReceived | SdkLoaded] = queue.SimpleQueue()
        self.held = HeldWork(executor, dispatcher, self.stats, clock)
        self.working: set[WorkItem] = set()
        self.calls_in_flight = 0
        self.not_loaded: deque[ProviderName] = deque()
        self.loading = False
        self.flex_until = last_flex_start(clock(), stop_check.deadline, executor.settings.flex_timeout_seconds)

    def run(self) -> RunStats:
        """Work until nothing is left or the run must stop; raises DatabaseUnavailable if the database stays away."""
        with ThreadPoolExecutor(thread_count(self.executor.settings.max_workers), thread_name_prefix="worker") as pool:
            self.not_loaded.extend(load_order(self.dispatcher.mark_not_ready()))
            self.load_next_sdk(pool)
            while True:
                if not self.held.time_is_up(self.working, self.stop_check.deadline):
                    self.retry_settlement(pool)
                    self.start_items(pool)
                elif not self.working:
                    self.held.give_up()
                if not self.working and (self.stats.stopped or (self.dispatcher.empty and not self.held.unsettled)):
                    self.held.leave_unsettled()
                    self.log_windows()
                    return self.stats
                if self.process_events():
                    self.load_next_sdk(pool)

    def load_next_sdk(self, pool: ThreadPoolExecutor) -> None:
        """Import the next SDK that is needed, unless one is being imported: a provider is called once its own is there.

        An import takes the interpreter from the calls that are about to leave, so it begins when they have left.
        """
        if self.not_loaded and not self.loading:
            self.loading = True
            pool.submit(self.load, self.not_loaded.popleft())

    def load(self, provider: ProviderName) -> None:
        error: MemoryError | ConfigurationError | None = None
        try:
            load_sdk(provider)
        except (MemoryError, ConfigurationError) as exc:
            error = exc
        finally:  # a broken SDK is reported by the worker thread that opens it
            self.events.put(SdkLoaded(provider, error))

    def start_items(self, pool: ThreadPoolExecutor) -> None:
        """Start what may go now. Items of closed keys, however many, delay neither calls nor replies of others."""
        closing: set[ProviderName] = set()
        while self.has_room() and not self.should_stop():
            following = self.dispatcher.next_item(self.clock(), last=closing)
            if following is None:
                return
            item, closed = following.item, following.closed
            if closed is not None:
                self.give_up(item, task_reason(closed), item.last_error or closed)
                if item.provider in closing and not self.events.empty():
                    return
                closing.add(item.provider)
                continue
            if item.task.user_id in self.executor.errors.hanging:
                self.leave(item)
                continue
            if self.clock() >= self.flex_until:
                item.mode = "standard"
            self.working.add(item)
            self.calls_in_flight += 1
            pool.submit(self.work, item, partial(self.execute, item))

    def retry_settlement(self, pool: ThreadPoolExecutor) -> None:
        """Try one delayed settlement again; this may occupy its worker thread for the whole lock timeout."""
        pending = None if self.should_stop() else self.held.next_settlement()
        if pending is not None:
            self.working.add(pending.item)
            pool.submit(self.work, pending.item, pending.finish)

    def has_room(self) -> bool:
        """Whether another call may be in flight, and a worker thread is there for it."""
        most = self.executor.settings.max_workers
        return self.calls_in_flight < most and len(self.working) < thread_count(most)

    def should_stop(self) -> bool:
        stopping = self.stop_check.should_stop(self.clock())
        self.stats.stopped = self.stop_check.reason
        return stopping

    def execute(self, item: WorkItem) -> Analysis | None:
        """Make an item's call, in a worker thread."""
        return self.handlers[item.use].execute(item, lambda: self.events.put(ReplyReceived(item)))

    def work(self, item: WorkItem, do: Callable[[], object]) -> None:
        """What a worker thread does. Whatever happens comes back as an event, so that one task fails alone."""
        try:
            result = do()
            self.events.put(Finished(item, result if isinstance(result, Analysis) else None))
        except BaseException as exc:  # noqa: BLE001 - around one task (design, section 9); a Rust panic is no Exception
            self.report_error(item, exc)

    def report_error(self, item: WorkItem, error: BaseException) -> None:
        """Report a failed item, and whether an operator's key that was refused still lists models."""
        works = False
        try:
            client = partial(self.executor.clients.get, item.key, item.task.user_id)
            works = self.key_checks.key_works(error, item.key, client)
        finally:
            self.events.put(Finished(item, error=error, key_works=works))

    def process_events(self) -> bool:
        """Wait for an event, for the next due item, or for QUIET_SECONDS, and process all events that are there.

        Return whether the calls that were started have left: something of a call has come, or nothing at all.
        """
        due = self.dispatcher.next_due_at()
        wait = QUIET_SECONDS if due is None else min(QUIET_SECONDS, max(0.01, due - self.clock()))
        try:
            event = self.events.get(timeout=wait)
        except queue.Empty:
            if not self.loading:
                load_rules()  # while the calls are on their way, so that the first answer finds them imported
            return True
        left = False
        while True:
            left = left or not isinstance(event, SdkLoaded)
            self.process(event)
            try:
                event = self.events.get_nowait()
            except queue.Empty:
                return left

    def process(self, event: Finished | ReplyReceived | SdkLoaded) -> None:
        if isinstance(event, SdkLoaded):
            if event.error is not None:
                raise event.error
            self.loading = False
            self.dispatcher.mark_ready(event.provider)
            return
        self.on_reply(event.item)
        if isinstance(event, Finished):
            self.working.discard(event.item)
            self.on_finished(event)
            self.on_progress(self.stats)

    def on_reply(self, item: WorkItem) -> None:
        if not item.replied:
            self.calls_in_flight -= 1
            self.dispatcher.on_reply(item)

    def on_finished(self, event: Finished) -> None:
        item, error = event.item, event.error
        retried = self.held.end_settlement(item)
        hang = hang_in(error)
        if hang is not None:
            self.stats.unsettled += isinstance(error, SettlementDelayed)
            self.on_hang(item, hang)
        elif isinstance(error, SettlementDelayed):
            self.on_settlement_delayed(item, error.finish, again=retried is not None)
        elif isinstance(error, Locked) and retried is not None:
            self.on_settlement_delayed(item, retried.finish, again=True)
        elif error is None:
            self.on_success(item, event.analysis)
        elif isinstance(error, ProviderError):
            self.on_provider_error(item, error, key_works=event.key_works)
        elif isinstance(error, BudgetExceeded):
            self.on_budget_exceeded(item, error)
        else:
            self.on_not_called(item, error)

    def release_account(self, item: WorkItem) -> None:
        """The item's reservation is closed: other items of its user may fit now."""
        self.held.on_account_free(item)
        self.dispatcher.on_finished(item)

    def on_settlement_delayed(self, item: WorkItem, finish: Callable[[], object], *, again: bool) -> None:
        """Keep a call that was made until its settlement can be stored."""
        self.dispatcher.limits.on_not_called(item.key)
        self.held.add_settlement(item, finish, again=again)

    def on_hang(self, item: WorkItem, hang: Hanging) -> None:
        """A statement of the item took all its time: what is left of its user is left to the next start."""
        user, errors = item.task.user_id, self.executor.errors
        errors.note_hang(user, hang)
        errors.add(RowError("reserve_call", f"User #{user}", Hanging.__name__, str(hang), (("user_id", user),)))
        self.leave(item)

    def leave(self, item: WorkItem) -> None:
        """Leave an item to the next start, as each statement of its user's rows may hang."""
        self.dispatcher.on_reply(item)
        self.dispatcher.limits.on_not_called(item.key)
        self.release_account(item)
        self.give_up(item, "account_held", "account_held")

    def on_success(self, item: WorkItem, analysis: Analysis | None) -> None:
        self.dispatcher.limits.on_result(item.key, "ok", self.clock())
        self.dispatcher.on_result_known(item)
        self.release_account(item)
        follow_up = self.handlers[item.use].on_success(item, analysis)
        if follow_up is not None:
            self.dispatcher.add(follow_up)

    def on_budget_exceeded(self, item: WorkItem, error: BudgetExceeded) -> None:
        locked = error.by == BlockedBy.LOCK
        self.dispatcher.limits.on_not_called(item.key)
        if locked:
            self.held.report_lock(item)
        again_at = self.held.retry_at(item, error.by) if error.retry else None
        if self.dispatcher.on_budget_exceeded(item, again_at, locked=locked):
            if error.by == BlockedBy.BUDGET:
                self.stats.blocked_users.add(item.task.user_id)
            self.give_up(item, error.by, str(error))

    def on_provider_error(self, item: WorkItem, error: ProviderError, *, key_works: bool) -> None:
        now, message = self.clock(), redact(str(error))
        effect = effect_of(error, item, key_works=key_works)
        narrowed = self.dispatcher.limits.on_result(
            item.key,
            effect,
            now,
            sent_at=item.sent_at,
            retry_after=retry_after_of(error),
            reason=reason_of(error),
            use=item.use,
        )
        if narrowed:
            self.log_window(item.key, "pide ir más despacio")
        self.dispatcher.on_result_known(item)
        self.release_account(item)
        if effect == "dead":
            self.report_closed_key(item.key, reason_of(error))
        item.last_error = message
        seconds = ask_at_full_price(error, item)
        if seconds is not None:
            self.dispatcher.wait(item, now + seconds)
            return
        if not isinstance(error, RateLimited):
            item.mode = "standard"  # what failed otherwise, such as at the end of its time, is not asked slowly again
        item.attempts += 1
        item.possibly_billed += error.billed != "no"
        if may_retry(error, item, self.executor.settings.max_attempts):
            self.dispatcher.wait(item, now + backoff(item.attempts))
        else:
            self.handlers[item.use].on_failure(item, error.kind, message)

    def report_closed_key(self, key: KeyId, reason: ClosedReason) -> None:
        """Report that a key is used no more in this run; the provider's words stay with the task that got them."""
        self.stats.closed_keys[key] = reason
        log.error(
            "❌ %s",
            closed_message(reason, key.provider),
            extra={"event": "provider.closed", "provider": key.provider, "user_id": key.user_id, "reason": reason},
        )

    def on_not_called(self, item: WorkItem, error: BaseException) -> None:
        """The call was not made, or an unexpected error ended it."""
        self.dispatcher.limits.on_not_called(item.key)
        self.release_account(item)
        if isinstance(error, DatabaseUnavailable | MemoryError):  # no other task would fare better
            raise error
        if isinstance(error, Withdrawn):
            self.on_withdrawn(item, error.reason)
        elif isinstance(error, KeyUnreadable | NoKey):
            self.stats.closed_keys[item.key] = "key_unreadable"
            self.dispatcher.limits.close_key(item.key, "key_unreadable")
            self.give_up(item, "key_unreadable", str(error))
        elif isinstance(error, NotCallable):
            self.give_up(item, "not_callable", str(error))
        elif isinstance(error, Unsettled):
            self.give_up(item, "unsettled", redact(str(error)))
        elif isinstance(error, MonitoringError):
            self.give_up(item, "error", redact(str(error)))
        else:
            log.error("Fallo inesperado", exc_info=error, extra=fields("task.crashed", item.task))
            self.give_up(item, "crashed", f"{type(error).__name__}: {redact(str(error))}"[:500])

    def on_withdrawn(self, item: WorkItem, reason: WithdrawnFor) -> None:
        """Another run was faster, or a crash of the database undid the reservation: try again."""
        self.stop_check.check_ownership_next()
        item.attempts += 1
        if item.attempts < self.executor.settings.max_attempts:
            self.dispatcher.wait(item, self.clock() + backoff(item.attempts))
        else:
            self.give_up(item, "withdrawn", reason)

    def give_up(self, item: WorkItem, reason: str, message: str) -> None:
        self.handlers[item.use].give_up(item, reason, message)

    def log_windows(self) -> None:
        """Log the keys that ended below the concurrency that the operator allows."""
        for key, state in self.dispatcher.limits.keys.items():
            if state.window.narrowed_at > -math.inf:
                self.log_window(key, "acaba el día")

    def log_window(self, key: KeyId, what: str) -> None:
        calls = self.dispatcher.limits.window(key)
        owner = "del operador" if key.user_id is None else f"de User #{key.user_id}"
        facts = {"event": "provider.window", "provider": key.provider, "user_id": key.user_id, "calls": calls}
        text = "🐢 %s (API key %s) %s: como máximo %d llamada(s) a la vez"
        log.info(text, key.provider, owner, what, calls, extra=facts)
