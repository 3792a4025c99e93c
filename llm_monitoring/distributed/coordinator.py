"""The daily run's side of a run on several machines: divides it, sees that no chunk is lost, adds up what was done."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from llm_monitoring.answers import store
from llm_monitoring.app import App
from llm_monitoring.db import Locked, RowError
from llm_monitoring.distributed.partition import divide
from llm_monitoring.distributed.queue import ChunkQueue, OpenQueue, silence_engine_logs
from llm_monitoring.distributed.shared_settings import digests
from llm_monitoring.runs import chunks
from llm_monitoring.runs.chunks import ChunkLock, OpenChunk
from llm_monitoring.runs.daily import RunContext, longest_let_go, run_seconds
from llm_monitoring.runs.held_work import HELD_GRACE_SECONDS
from llm_monitoring.runs.reason_texts import stop_text
from llm_monitoring.runs.reasons import StopReason
from llm_monitoring.runs.recovery import recover
from llm_monitoring.runs.stats import RunStats

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.5
CHECK_SECONDS: Final = 2.0  # between checks of the run lock and of the owners of chunks
LOST_SECONDS: Final = 10.0  # a living owner with a broken connection has its lock again within this
IDLE_SECONDS: Final = 60.0
MOST_LOSSES: Final = 5  # a chunk that lost so many owners is not given to another


class Coordinator:
    """Has the workers ask what a run would ask itself."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.queue = ChunkQueue(app.db)
        self.queue.create_tables()
        silence_engine_logs()

    def execute(self, context: RunContext) -> RunStats:
        """Have a run's open tasks asked, and return what was done; raises DatabaseUnavailable."""
        run_id = context.executor.run_id
        assert run_id is not None
        settings, plan = self.app.settings, context.plan
        owners = {project_id: tracked.project.user_id or 0 for project_id, tracked in plan.projects.items()}
        plans = divide(open_tasks(context), owners, settings.chunk_tasks)
        if not plans:
            return RunStats()
        seconds = min(run_seconds(settings), context.deadline - time.monotonic())
        self.queue.clear()
        chunk_ids = chunks.add(self.app.db, run_id, plans, seconds, digests(settings))
        with self.queue.opened() as queue:
            queue.put(chunk_ids)
            log.info(
                "📦 %d tramo(s) en cola para los trabajadores",
                len(chunk_ids),
                extra={"event": "run.distributed", "chunks": len(chunk_ids), "run_id": run_id},
            )
            return ChunkMonitor(self.app, queue, context, run_id, time.monotonic() + seconds).run()


def open_tasks(context: RunContext) -> dict[int, int]:
    """How many calls each project has open: answers, and the sentiment of answers that were never scored."""
    executor, calls = context.executor, Counter[int]()
    for project_id, cells in context.before.items():
        calls[project_id] = sum(cell.open for cell in cells.values())
    if executor.settings.sentiment:
        calls.update(store.unscored(executor.budget.db, context.request.day, list(context.plan.judges)))
    return dict(calls)


@dataclass
class ChunkMonitor:
    """Watches the chunks of one run until all are done. Times are seconds of the monotonic clock.

    `unowned_since`: chunks that no worker has or can fetch; `locked_since`: those among them that cannot be reclaimed,
    as another session holds their rows.
    """

    app: App
    queue: OpenQueue
    context: RunContext
    run_id: int
    deadline: float
    stopped: StopReason | None = None
    leave_at: float = math.inf
    checked_at: float = 0.0
    unowned_since: dict[int, float] = field(default_factory=dict)
    locked_since: dict[int, float] = field(default_factory=dict)
    owned_at: float = field(default_factory=time.monotonic)
    warned: bool = False

    def run(self) -> RunStats:
        while open_chunks := chunks.open_chunks(self.app.db, self.run_id):
            now = time.monotonic()
            if self.stopped is None:
                self.stop_if_due(now)
            elif now >= self.leave_at:
                self.log_left(open_chunks)
                break
            if now - self.checked_at >= CHECK_SECONDS:
                self.checked_at = now
                if not self.check(open_chunks, now):
                    break
            self.report_progress()
            time.sleep(POLL_SECONDS)
        self.report_progress()
        return self.totals()

    def check(self, open_chunks: list[OpenChunk], now: float) -> bool:
        """Look after the run and its chunks; False if the run ends without waiting for them."""
        if not self.context.owns_run():
            self.stop(StopReason.TAKEN_OVER)
            return False  # the start that took over waits for the workers and settles their calls
        if self.stopped is not None:
            chunks.cancel(self.app.db, self.run_id, self.stopped)
        self.reclaim_lost(open_chunks, now)
        if self.all_locked(open_chunks, now):
            return False
        self.warn_if_idle(open_chunks, now)
        return True

    def stop_if_due(self, now: float) -> None:
        if self.context.request.stop.is_set():
            self.stop(StopReason.SIGNAL)
        elif now >= self.deadline:
            self.stop(StopReason.DEADLINE)

    def stop(self, reason: StopReason) -> None:
        """Give out no more chunks and have the workers stop."""
        self.stopped = reason
        self.leave_at = time.monotonic() + longest_let_go(self.app.settings)
        log.warning(
            "⏹️ No se inician más llamadas: %s",
            stop_text(reason, "es"),
            extra={"event": "run.stopping", "run_id": self.run_id, "reason": reason},
        )
        chunks.cancel(self.app.db, self.run_id, reason)

    def log_left(self, open_chunks: list[OpenChunk]) -> None:
        """Log the chunks of workers that do not stop: the next start names them and settles their calls."""
        log.error(
            "❌ %d tramo(s) no se sueltan: la ejecución acaba sin ellos",
            len(open_chunks),
            extra={"event": "run.left", "chunks": len(open_chunks), "run_id": self.run_id},
        )

    def reclaim_lost(self, open_chunks: list[OpenChunk], now: float) -> None:
        """Settle what a dead owner left, and enqueue again the chunks that no worker has or can fetch."""
        queued = self.queue.waiting()
        unowned = {chunk.id for chunk in open_chunks if not (chunk.held or (chunk.waiting and chunk.id in queued))}
        self.unowned_since = {chunk_id: self.unowned_since.get(chunk_id, now) for chunk_id in sorted(unowned)}
        self.locked_since = {chunk_id: since for chunk_id, since in self.locked_since.items() if chunk_id in unowned}
        for chunk_id, since in list(self.unowned_since.items()):
            if now - since >= LOST_SECONDS:
                self.unowned_since[chunk_id] = now
                try:
                    self.reclaim(chunk_id)
                except Locked:  # by a reservation or another application: it is tried again later
                    self.locked_since.setdefault(chunk_id, now)
                else:
                    del self.unowned_since[chunk_id]
                    self.locked_since.pop(chunk_id, None)

    def all_locked(self, open_chunks: list[OpenChunk], now: float) -> bool:
        """Whether other sessions have held the rows of all chunks that are left for so long that the run ends."""
        if not all(now - self.locked_since.get(chunk.id, now) >= HELD_GRACE_SECONDS for chunk in open_chunks):
            return False
        for chunk in open_chunks:
            message = "otra sesión retiene su registro; lo hará el próximo inicio"
            self.context.executor.errors.add(RowError("close_chunk", f"Tramo #{chunk.id}", "chunk_held", message))
        return True

    def reclaim(self, chunk_id: int) -> None:
        with ChunkLock(self.app.db, chunk_id) as lock:
            if not lock.take():
                return  # its owner is back
            lost = chunks.reclaim(self.app.db, chunk_id)
            if lost is not None:
                log.warning(
                    "💀 Trabajador %s perdido: su tramo #%d pasa a otro",
                    lost.worker,
                    chunk_id,
                    extra={"event": "worker.lost", "worker": lost.worker, "chunk_id": chunk_id},
                )
                recover(self.context.executor, chunk_id)
                unfinished = lost.losses < MOST_LOSSES
                chunks.release(self.app.db, lost.lease, unfinished=unfinished, stopped=StopReason.CHUNK_FAILED)
        if self.stopped is None:
            self.queue.put([chunk_id])

    def warn_if_idle(self, open_chunks: list[OpenChunk], now: float) -> None:
        """Warn once if no worker takes a chunk; again after the next time that one was taken."""
        if any(chunk.held for chunk in open_chunks):
            self.owned_at, self.warned = now, False
        elif now - self.owned_at >= IDLE_SECONDS and not self.warned and self.stopped is None:
            self.warned = True
            log.warning(
                "⏳ Hay %d tramo(s) en cola y ningún trabajador los toma desde hace %.0f s: inicie alguno con "
                "`python -m llm_monitoring worker`",
                len(open_chunks),
                now - self.owned_at,
                extra={"event": "run.no_workers", "chunks": len(open_chunks)},
            )

    def report_progress(self) -> None:
        progress = chunks.run_progress(self.app.db, self.run_id)
        self.context.request.on_progress(RunStats(answered=progress.answered, failed=progress.failed))

    def totals(self) -> RunStats:
        """What the workers did, from the tables, so that work of killed workers counts as well."""
        projects = list(self.context.plan.projects)
        totals = chunks.totals(self.app.db, self.run_id, self.context.request.day, projects)
        for error in totals.row_errors:
            self.context.executor.errors.add(error)
        return RunStats(
            answered=totals.answered,
            failed=sum(totals.reasons.values()),
            blocked_users=set(totals.blocked_users),
            locked_users=set(totals.locked_users),
            unsettled=totals.unsettled,
            reasons=Counter(totals.reasons),
            snapshotted=set(totals.snapshotted),
            stopped=self.stopped or totals.stopped,
        )
