"""The batches of one run: submitted before its other calls, waited for and collected after them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from llm_monitoring import failpoints
from llm_monitoring.domain import ProviderName
from llm_monitoring.keys import KeyUnreadable, NoKey
from llm_monitoring.logs import redact
from llm_monitoring.providers import ProviderError
from llm_monitoring.runs.batches import records
from llm_monitoring.runs.batches.collection import Collected, collect, open_client
from llm_monitoring.runs.batches.groups import Keys, group_plans, held_cells
from llm_monitoring.runs.batches.records import Batch
from llm_monitoring.runs.batches.submission import Room, Submitter
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.stop_check import StopCheck

log = logging.getLogger(__name__)

FIRST_POLL_SECONDS: Final = 60.0
LONGEST_POLL_SECONDS: Final = 600.0
POLL_GROWTH: Final = 1.5
WORKING_TIME: Final = timedelta(hours=24)  # after which a provider has ended a batch
CANCEL_SECONDS: Final = 900.0  # in which a cancelled batch ends
Cell = tuple[ProviderName, int]


@dataclass(slots=True)
class BatchRun:
    """The batches of one run and day. `clock` and `pause` are in seconds; `pause` ends early if the run must stop.

    `collected`: what came while the run waited. `held`: the providers and projects of which tasks were kept back for
    the batches. `wait_until`: when the wait ends, by the clock.
    """

    executor: TaskExecutor
    keys: Keys
    day: date
    stop_check: StopCheck
    clock: Callable[[], float]
    pause: Callable[[float], object]
    collected: Collected = field(default_factory=Collected)
    held: set[Cell] = field(default_factory=set)
    wait_until: float = math.inf
    submitter: Submitter | None = None
    is_called_off: bool = False

    @property
    def wait_seconds(self) -> float:
        return 60 * self.executor.settings.economy_wait_minutes

    def submit(self) -> bool:
        """Submit what may go in batches; False if no batch is out, so that there is nothing to wait for.

        Half of the run's time at most is spent on waiting.
        """
        now = self.clock()
        self.wait_until = now + min(self.wait_seconds, (self.stop_check.deadline - now) / 2)
        budget = self.executor.budget
        room = Room(budget.standings(start_month=False), budget.default_budget_usd)
        self.submitter = Submitter(self.executor, self.day, room, self.is_stopped)
        for plan in group_plans(self.executor, self.keys):
            if self.is_stopped():
                break
            with self.executor.errors.guard("submit_batch", f"Lote de {plan.group.key.provider}"):
                self.submitter.submit(plan)
        self.held = held_cells(self.executor, self.keys)
        return self.is_any_out()

    def candidates(self) -> set[Cell]:
        """The providers and projects of which tasks may go into batches: they are asked after the submission."""
        return {
            (plan.model.provider, tracked.project.id)
            for plan in group_plans(self.executor, self.keys)
            for tracked in plan.projects
        }

    def wait(self) -> None:
        """Collect until no batch is out or the time is up; then end the punctual ones and collect what they brought."""
        minutes = max(0.0, self.wait_until - self.clock()) / 60
        log.info(
            "⏳ Se espera a los lotes, %.0f min como máximo",
            minutes,
            extra={"event": "batch.waiting", "minutes": minutes},
        )
        self.poll(self.wait_until, self.is_any_out)
        if self.is_stopped() or not self.punctual():
            return
        end = min(self.clock() + CANCEL_SECONDS, self.stop_check.deadline)
        self.poll(end, self.cancel_punctual)

    def poll(self, until: float, is_needed: Callable[[], object]) -> None:
        """Collect at once and then less and less often, as long as it is needed."""
        seconds = min(FIRST_POLL_SECONDS, self.wait_seconds / 90)
        longest = min(LONGEST_POLL_SECONDS, self.wait_seconds / 9)
        while not self.is_stopped():
            self.collect()
            left = until - self.clock()
            if left <= 0 or not is_needed():
                return
            self.pause(min(seconds, left))
            seconds = min(longest, seconds * POLL_GROWTH)

    def collect(self) -> None:
        """Collect what has come, and submit the groups with a trial that has brought an answer."""
        self.collected.add(collect(self.executor, should_stop=self.is_stopped))
        if self.submitter is not None and self.submitter.trials and self.clock() < self.wait_until:
            with self.executor.errors.guard("submit_batch", "Lotes tras la prueba"):
                self.submitter.submit_proven()
            self.held |= held_cells(self.executor, self.keys)

    def is_stopped(self) -> bool:
        return self.is_called_off or self.stop_check.should_stop(self.clock())

    def stop_submitting(self) -> None:
        """Post no more batches, and end the request that is on its way, as the run has failed."""
        self.is_called_off = True
        self.executor.clients.end_batches()

    def is_any_out(self) -> bool:
        """Whether a batch is out that may still come within its day."""
        now = self.executor.budget.database_clock()
        found = records.uncollected(self.executor.budget.db)
        return any(batch.posted_at is not None and now - batch.posted_at < WORKING_TIME for batch in found)

    def punctual(self) -> list[Batch]:
        """The running batches of which the answers are due within this run."""
        found = records.uncollected(self.executor.budget.db)
        return [batch for batch in found if batch.group.pace == "punctual" and batch.state == "running"]

    def cancel_punctual(self) -> list[Batch]:
        """Return the punctual batches that are out; each is asked to end, and again if the provider did not hear it."""
        found = self.punctual()
        for batch in found:
            if batch.cancelled_at is None:
                self.cancel(batch)
        return found

    def cancel(self, batch: Batch) -> None:
        """Ask the provider to end a batch; what has run is charged and collected, the rest is asked one by one."""
        assert batch.remote_id is not None
        try:
            with open_client(self.executor, batch) as client:
                client.cancel(batch.remote_id)
        except (ProviderError, KeyUnreadable, NoKey) as exc:
            fields = {"event": "batch.not_cancelled", "batch_id": str(batch.id)}
            log.warning("⚠️ %s: no se puede cancelar: %s", batch.label, redact(str(exc)), extra=fields)
            return
        records.mark_cancelled(self.executor.budget.db, batch)
        failpoints.reach("batch_cancelled")
        fields = {"event": "batch.cancelled", "batch_id": str(batch.id)}
        log.info("⏱️ %s no acabó a tiempo: se cancela y el resto se pregunta ahora", batch.label, extra=fields)

    def asked_singly(self) -> set[Cell]:
        """The candidates of which no batch was made: their tasks are asked one by one before the wait."""
        return self.candidates() - self.held

    def late_cells(self) -> set[Cell]:
        """The providers and projects with tasks that are asked after the wait."""
        run_id = self.executor.run_id
        refused = records.refused_for_budget(self.executor.budget.db, run_id) if run_id is not None else set[Cell]()
        return self.held | refused
