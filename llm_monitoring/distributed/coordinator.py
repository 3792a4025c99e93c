"""The daily run's asking by other machines: hands chunks out, sees that none is lost, adds up what they did."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from llm_monitoring.answers import store
from llm_monitoring.app import App
from llm_monitoring.db.database import Locked
from llm_monitoring.db.row_errors import RowError
from llm_monitoring.distributed.partition import cut
from llm_monitoring.distributed.queue import Line, Queue, silence_engine_logs
from llm_monitoring.distributed.shared_settings import terms
from llm_monitoring.runs import chunks
from llm_monitoring.runs.chunks import ChunkLock, OpenChunk
from llm_monitoring.runs.daily import RunContext, longest_let_go
from llm_monitoring.runs.held_work import HELD_GRACE_SECONDS
from llm_monitoring.runs.reasons import StopReason, stop_text
from llm_monitoring.runs.recovery import recover
from llm_monitoring.runs.stats import RunStats

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
CHECK_SECONDS: Final = 2.0  # between looks at the run lock and at who holds the chunks
LOST_SECONDS: Final = 10.0  # a living owner whose connection broke has its lock again within this
IDLE_SECONDS: Final = 60.0
MOST_LOSSES: Final = 5  # a chunk that ended so many owners is not given to another


class Coordinator:
    """Makes an engine's workers do what a run would ask itself."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.queue = Queue(app.db)
        self.queue.prepare()
        silence_engine_logs()

    def work(self, context: RunContext) -> RunStats:
        """Have a run's open tasks asked, and say what became of them; raises DatabaseUnavailable."""
        run_id = context.executor.run_id
        assert run_id is not None
        settings, plan = self.app.settings, context.plan
        owners = {project_id: item.project.user_id or 0 for project_id, item in plan.projects.items()}
        portions = cut(open_tasks(context), owners, settings.chunk_tasks)
        if not portions:
            return RunStats()
        seconds = 60 * settings.run_deadline_minutes
        self.queue.clear()
        ids = chunks.add(self.app.db, run_id, portions, seconds, terms(settings))
        with self.queue.opened() as line:
            line.put(ids)
            log.info("📦 %d tramo(s) en cola para los trabajadores", len(ids),
                     extra={"event": "run.distributed", "chunks": len(ids), "run_id": run_id})  # fmt: skip
            return ChunkMonitor(self.app, line, context, run_id, time.monotonic() + seconds).until_done()


def open_tasks(context: RunContext) -> dict[int, int]:
    """How many calls each project has open: answers, and the sentiment of answers that were never scored."""
    executor, found = context.executor, Counter[int]()
    for project_id, cells in context.before.items():
        found[project_id] = sum(cell.open for cell in cells.values())
    if executor.settings.sentiment:
        found.update(store.unscored(executor.budget.db, context.request.day, list(context.plan.judges)))
    return dict(found)


@dataclass
class ChunkMonitor:
    """The scheduler's view of one run while others work on it."""

    app: App
    line: Line
    context: RunContext
    run_id: int
    deadline: float
    stopped: StopReason | None = None
    leave_at: float = math.inf
    checked: float = 0.0
    free_since: dict[int, float] = field(default_factory=dict)
    held_since: dict[int, float] = field(default_factory=dict)
    moved: float = field(default_factory=time.monotonic)
    warned: bool = False

    def until_done(self) -> RunStats:
        while open_chunks := chunks.open_of(self.app.db, self.run_id):
            now = time.monotonic()
            if self.stopped is None:
                self.stop_where_due(now)
            elif now >= self.leave_at:
                self.leave(open_chunks)
                break
            if now - self.checked >= CHECK_SECONDS:
                self.checked = now
                if not self.context.owns_run():
                    self.stop("taken_over")
                    break  # whose start waits for the workers and settles their calls
                if self.stopped is not None:
                    chunks.cancel(self.app.db, self.run_id, self.stopped)
                self.look_after(open_chunks, now)
                if self.are_held(open_chunks, now):
                    break
                self.warn_where_idle(open_chunks, now)
            self.tell_progress()
            time.sleep(LOOK_SECONDS)
        self.tell_progress()
        return self.tally()

    def stop_where_due(self, now: float) -> None:
        if self.context.request.stop.is_set():
            self.stop("signal")
        elif now >= self.deadline:
            self.stop("deadline")

    def stop(self, why: StopReason) -> None:
        """Give out nothing more, and have the workers stop."""
        self.stopped = why
        self.leave_at = time.monotonic() + longest_let_go(self.app.settings)
        log.warning("⏹️ No se inician más llamadas: %s", stop_text(why, "es"),
                    extra={"event": "run.stopping", "run_id": self.run_id, "reason": why})  # fmt: skip
        chunks.cancel(self.app.db, self.run_id, why)

    def leave(self, open_chunks: list[OpenChunk]) -> None:
        """End without the workers that do not stop: the next start names them and settles their calls."""
        log.error("❌ %d tramo(s) no se sueltan: la ejecución acaba sin ellos", len(open_chunks),
                  extra={"event": "run.left", "chunks": len(open_chunks), "run_id": self.run_id})  # fmt: skip

    def look_after(self, open_chunks: list[OpenChunk], now: float) -> None:
        """Settle what a dead owner left, and hand out again what nobody has and nobody can fetch."""
        in_line = self.line.waiting()
        astray = {chunk.id for chunk in open_chunks if not (chunk.held or (chunk.waiting and chunk.id in in_line))}
        self.free_since = {chunk_id: self.free_since.get(chunk_id, now) for chunk_id in sorted(astray)}
        self.held_since = {chunk_id: since for chunk_id, since in self.held_since.items() if chunk_id in astray}
        for chunk_id, since in list(self.free_since.items()):
            if now - since >= LOST_SECONDS:
                self.free_since[chunk_id] = now
                try:
                    self.rescue(chunk_id)
                except Locked:  # a reservation holds it, or another application: it is looked at again later
                    self.held_since.setdefault(chunk_id, now)
                else:
                    del self.free_since[chunk_id]
                    self.held_since.pop(chunk_id, None)

    def are_held(self, open_chunks: list[OpenChunk], now: float) -> bool:
        """Whether another session has held the rows of all chunks that are left for so long that the run ends."""
        if not all(now - self.held_since.get(chunk.id, now) >= HELD_GRACE_SECONDS for chunk in open_chunks):
            return False
        for chunk in open_chunks:
            told = "otra sesión retiene su registro; lo hará el próximo inicio"
            self.context.executor.errors.add(RowError("close_chunk", f"Tramo #{chunk.id}", "chunk_held", told))
        return True

    def rescue(self, chunk_id: int) -> None:
        with ChunkLock(self.app.db, chunk_id) as lock:
            if not lock.take():
                return  # its owner is back
            loss = chunks.take_over(self.app.db, chunk_id)
            if loss is not None:
                log.warning("💀 Trabajador %s perdido: su tramo #%d pasa a otro", loss.worker, chunk_id,
                            extra={"event": "worker.lost", "worker": loss.worker, "chunk_id": chunk_id})  # fmt: skip
                recover(self.context.executor, chunk_id)
                again = loss.losses < MOST_LOSSES
                chunks.release(self.app.db, loss.lease, unfinished=again, stopped="chunk_failed")
        if self.stopped is None:
            self.line.put([chunk_id])

    def warn_where_idle(self, open_chunks: list[OpenChunk], now: float) -> None:
        """Say once that nobody takes anything."""
        if any(chunk.held for chunk in open_chunks):
            self.moved, self.warned = now, False
        elif now - self.moved >= IDLE_SECONDS and not self.warned and self.stopped is None:
            self.warned = True
            log.warning(
                "⏳ Hay %d tramo(s) en cola y ningún trabajador los toma desde hace %.0f s: inicie alguno con "
                "`python -m llm_monitoring worker`", len(open_chunks), now - self.moved,
                extra={"event": "run.no_workers", "chunks": len(open_chunks)},
            )  # fmt: skip

    def tell_progress(self) -> None:
        count = chunks.progress(self.app.db, self.run_id)
        self.context.request.on_progress(RunStats(answered=count.answered, failed=count.failed))

    def tally(self) -> RunStats:
        """What the workers did, as the tables have it: also what a killed one had no time to count."""
        projects = list(self.context.plan.projects)
        ending = chunks.ending(self.app.db, self.run_id, self.context.request.day, projects)
        for error in ending.row_errors:
            self.context.executor.errors.add(error)
        return RunStats(
            answered=ending.answered,
            failed=sum(ending.reasons.values()),
            blocked_users=set(ending.blocked_users),
            locked_users=set(ending.locked_users),
            unsettled=ending.unsettled,
            reasons=Counter(ending.reasons),
            snapshotted=set(ending.snapshotted),
            stopped=self.stopped or ending.stopped,
        )
