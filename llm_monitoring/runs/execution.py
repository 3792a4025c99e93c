"""How the calls of a run are made: in this process or by workers, one by one and in batches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from threading import Event
from typing import Final

from llm_monitoring.runs.batches.batch_run import BatchRun
from llm_monitoring.runs.dispatcher import Dispatcher
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.limits import Limits
from llm_monitoring.runs.plan import Plan
from llm_monitoring.runs.report import Coverage, coverage
from llm_monitoring.runs.runner import Runner
from llm_monitoring.runs.stats import RunStats
from llm_monitoring.runs.stop_check import StopCheck
from llm_monitoring.runs.work_items import Wants, wants_all, work_items_by_provider
from llm_monitoring.settings import Settings

LET_GO_SECONDS: Final = 30.0  # in which a worker notices that its run is over and has saved its last call


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to analyse: a day, one project or all; what ends the run early; who is called with its progress.

    `in_batches`: calls may wait in batches; not if a person waits for the run.
    """

    day: date
    project_id: int | None = None
    stop: Event = field(default_factory=Event)
    in_batches: bool = True
    on_start: Callable[[int], None] = lambda pending: None
    on_progress: Callable[[RunStats], None] = lambda stats: None

    @property
    def project_ids(self) -> list[int] | None:
        return None if self.project_id is None else [self.project_id]


@dataclass(frozen=True, slots=True)
class RunContext:
    """What an executor works with. `before`: how far the day was; `owns_run`: no other process took over.

    `wants`: whether the tasks of a provider and project are asked now. `deadline`: of the run, monotonic seconds.
    `limits` and `stop_check`: those of an earlier part of the run, or of one at the same time.
    """

    executor: TaskExecutor
    plan: Plan
    request: RunRequest
    before: Coverage
    owns_run: Callable[[], bool]
    wants: Wants = wants_all
    deadline: float = math.inf
    limits: Limits | None = None
    stop_check: StopCheck | None = None


Executor = Callable[[RunContext], RunStats]


def longest_let_go(settings: Settings) -> float:
    """Seconds in which a worker that is to stop has ended its last call and saved it."""
    return settings.longest_call_seconds + LET_GO_SECONDS


def run_seconds(settings: Settings) -> float:
    """Seconds after which a run starts no call."""
    return 60 * settings.run_deadline_minutes


def execute_locally(context: RunContext, limits: Limits | None = None, seconds: float | None = None) -> RunStats:
    """Ask what is open in this process, for `seconds` at most (by default the run's deadline)."""
    executor, plan = context.executor, context.plan
    limits = limits or context.limits or Limits(executor.settings.concurrency)
    items = work_items_by_provider(executor, context.request.day, plan, context.wants)
    seconds = run_seconds(executor.settings) if seconds is None else seconds
    deadline = min(context.deadline, time.monotonic() + seconds)
    stop_check = context.stop_check or StopCheck(context.request.stop, deadline, context.owns_run)
    runner = Runner(
        executor, Dispatcher(limits, items), plan.judges, stop_check, on_progress=context.request.on_progress
    )
    return runner.run()


def execute_in_modes(context: RunContext, execute: Executor) -> RunStats:
    """Submit batches, have the other calls made, collect the batches, and ask what they leave open one by one."""
    executor, request = context.executor, context.request
    if not (request.in_batches and "batch" in executor.settings.economy.values()):
        return execute(context)
    stop_check = StopCheck(request.stop, context.deadline, context.owns_run)
    batches = BatchRun(
        executor, context.plan.keys, request.day, stop_check, clock=time.monotonic, pause=request.stop.wait
    )
    limits = Limits(executor.settings.concurrency)
    submit = submit_alongside if execute is execute_locally else submit_first
    context = replace(context, limits=limits, stop_check=stop_check)
    stats, is_any_out = submit(context, execute, batches)
    if stats.stopped is not None or not is_any_out:
        return stats
    batches.wait()
    late = batches.late_cells()
    rest = execute_locally(replace(context, wants=lambda *cell: cell in late))
    return stats.followed_by(rest, batches.collected.answers, batches.collected.days)


def submit_alongside(context: RunContext, execute: Executor, batches: BatchRun) -> tuple[RunStats, bool]:
    """Submit while the calls are made that no batch may take, and then those that none has taken.

    A large day takes minutes to submit, for which no other provider waits. Returns whether a batch is out.
    """
    candidates = batches.candidates()
    if not candidates:
        return execute(context), False
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        submission = pool.submit(batches.submit)
        try:
            stats = execute(replace(context, wants=lambda *cell: cell not in candidates))
        except BaseException:
            batches.stop_submitting()
            raise
        is_any_out = submission.result()
    singly = batches.asked_singly()
    if stats.stopped is not None or not singly:
        return stats, is_any_out
    return stats.joined_with(execute(replace(context, wants=lambda *cell: cell in singly))), is_any_out


def submit_first(context: RunContext, execute: Executor, batches: BatchRun) -> tuple[RunStats, bool]:
    """Submit, then have the other calls made: several machines know only then which these are."""
    if not batches.submit():
        return execute(context), False
    return execute(replace(context, before=coverage_now(context))), True


def coverage_now(context: RunContext) -> Coverage:
    """How far the day is, without the tasks that are out in batches."""
    return coverage(context.executor.budget.db, context.plan, context.request.day)
