"""A worker's side of a run on several machines: asks the chunks that the queue hands it, one after another."""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Event
from typing import Final

from llm_monitoring import registry
from llm_monitoring.app import App
from llm_monitoring.db import Database, DatabaseUnavailable, Locked, RowErrors
from llm_monitoring.distributed.queue import ChunkQueue, ChunkReturned, silence_engine_logs
from llm_monitoring.distributed.shared_settings import SettingsMismatch, check, digests
from llm_monitoring.errors import MonitoringError
from llm_monitoring.keys import Clients
from llm_monitoring.registry import Catalogue
from llm_monitoring.runs import chunks
from llm_monitoring.runs.batches.groups import held_cells
from llm_monitoring.runs.chunks import Chunk, ChunkLock, ChunkReport, Progress
from llm_monitoring.runs.daily import RunContext, RunRequest, execute_locally, figures
from llm_monitoring.runs.day_plans import read_choices, unjudged_days, with_choices
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.limits import Limits
from llm_monitoring.runs.plan import make_plan
from llm_monitoring.runs.reason_texts import problem_text
from llm_monitoring.runs.stats import RunStats

log = logging.getLogger(__name__)

REPORT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class WorkerCache:
    """Clients, rate limits and catalogue, kept from chunk to chunk of one run."""

    run_id: int
    clients: Clients
    limits: Limits
    catalogue: Catalogue


class Worker:
    """Takes chunks until `stop`; then it lets the calls in flight end and returns the rest of its chunk."""

    def __init__(self, app: App, stop: Event) -> None:
        self.app = app
        self.stop = stop
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.settings = digests(app.settings)
        self.cache: WorkerCache | None = None
        self.problem: MonitoringError | None = None

    def serve(self, *, once: bool) -> None:
        """Work until stopped, with `once` until the queue is empty; raises what makes this machine unfit for work."""
        queue = ChunkQueue(self.app.db)
        queue.create_tables()
        silence_engine_logs()
        log.info("👷 Trabajador %s a la espera de tramos", self.name, extra={"event": "worker.ready"})
        try:
            queue.serve(self.handle, self.stop, once=once)
        finally:
            self.close_cache()
        if self.problem is not None:
            raise self.problem
        log.info("👋 Trabajador %s terminado", self.name, extra={"event": "worker.ended"})

    def handle(self, chunk_id: int) -> None:
        """Do a chunk, or nothing if it has another owner or is done. Raises ChunkReturned if another worker should."""
        try:
            self.execute(chunk_id)
        except Locked as exc:  # the chunk's row is held
            raise ChunkReturned from exc
        except (DatabaseUnavailable, SettingsMismatch) as exc:
            self.problem = exc
            self.stop.set()
            raise ChunkReturned from exc

    def execute(self, chunk_id: int) -> None:
        with ChunkLock(self.app.db, chunk_id) as lock:
            wanted = chunks.shared_settings(self.app.db, chunk_id) if lock.take() else None
            if wanted is None:
                return
            check(self.settings, wanted)
            if self.stop.is_set():
                raise ChunkReturned
            chunk = chunks.take(self.app.db, chunk_id, self.name)
            unfinished = chunk is not None and self.ask(chunk, lock)
        if unfinished:
            raise ChunkReturned

    def ask(self, chunk: Chunk, lock: ChunkLock) -> bool:
        """Ask the open tasks of a chunk; True if it is left to another worker."""
        began, chunk_id, projects = time.monotonic(), chunk.lease.chunk_id, chunk.project_ids
        log.info(
            "📥 Tramo #%d: %d proyecto(s)",
            chunk_id,
            len(projects),
            extra={"event": "chunk.taken", "chunk_id": chunk_id, "run_id": chunk.run_id},
        )
        meter = ProgressMeter(self.app.db, chunk)
        context = self.run_context(chunk, lock, meter)
        stats = execute_locally(context, self.cache_for(chunk.run_id).limits, chunk.seconds_left)
        if stats.stopped is None:
            stats.snapshotted = figures(context.executor, {(project_id, chunk.day) for project_id in projects})
        unfinished = self.release(chunk, stats, meter.progress(stats), context.executor.errors)
        log.info(
            "📤 Tramo #%d: %d respuesta(s), %d sin respuesta, %.1f s%s",
            chunk_id,
            stats.answered,
            stats.failed,
            time.monotonic() - began,
            "; lo que queda pasa a otro" if unfinished else "",
            extra={"event": "chunk.left", "chunk_id": chunk_id, "answered": stats.answered},
        )
        return unfinished

    def release(self, chunk: Chunk, stats: RunStats, progress: Progress, errors: RowErrors) -> bool:
        """Give the chunk up with what became of it; if its row is held, the coordinator reclaims it."""
        report = ChunkReport(
            stats.blocked_users, stats.locked_users, stats.unsettled, stats.snapshotted, tuple(errors.found)
        )
        try:
            return chunks.release(
                self.app.db,
                chunk.lease,
                unfinished=self.stop.is_set() and stats.stopped is not None,
                progress=progress,
                stopped=stats.stopped,
                report=report,
            )
        except Locked as exc:
            log.warning(
                "🔒 Tramo #%d: otra sesión retiene su registro: %s",
                chunk.lease.chunk_id,
                exc,
                extra={"event": "chunk.held", "chunk_id": chunk.lease.chunk_id},
            )
            return False

    def run_context(self, chunk: Chunk, lock: ChunkLock, meter: ProgressMeter) -> RunContext:
        cache, app = self.cache_for(chunk.run_id), replace(self.app, errors=RowErrors())
        plan = make_plan(app, chunk.project_ids, {}, cache.catalogue)
        plan = with_choices(plan, read_choices(app.db, list(plan.projects), chunk.day, app.errors))
        for project_id, problem in sorted(plan.problems.items()):
            log.warning(
                "⚠️ Proyecto #%d: %s",
                project_id,
                problem_text(problem, "es"),
                extra={"event": "project.left_out", "project_id": project_id},
            )
        executor = TaskExecutor(
            app.budget,
            cache.clients,
            plan.catalogue,
            plan.projects,
            app.settings,
            chunk.run_id,
            chunk.lease,
            app.errors,
            unjudged_days(app, chunk.day),
        )
        request = RunRequest(chunk.day, stop=self.stop, on_progress=meter.advance)
        held = held_cells(executor, plan.keys)
        return RunContext(
            executor,
            plan,
            request,
            {},
            lambda: lock.held() and chunks.holds(app.db, chunk.lease),
            wants=lambda *cell: cell not in held,
        )

    def cache_for(self, run_id: int) -> WorkerCache:
        """The cache of this run; that of an earlier run is closed."""
        if self.cache is None or self.cache.run_id != run_id:
            self.close_cache()
            settings = self.app.settings
            clients, limits = Clients(self.app.keys, settings), Limits(settings.concurrency)
            self.cache = WorkerCache(run_id, clients, limits, registry.read_catalogue(self.app.db))
        return self.cache

    def close_cache(self) -> None:
        if self.cache is not None:
            self.cache.clients.close()
            self.cache = None


class ProgressMeter:
    """Stores about once a second how far a chunk is, with the part of earlier owners."""

    def __init__(self, db: Database, chunk: Chunk) -> None:
        self.db = db
        self.chunk = chunk
        self.reported_at = time.monotonic()

    def advance(self, stats: RunStats) -> None:
        now = time.monotonic()
        if now - self.reported_at >= REPORT_SECONDS:
            self.reported_at = now
            with suppress(Locked):  # it is reported again a second later
                chunks.record_progress(self.db, self.chunk.lease, self.progress(stats))

    def progress(self, stats: RunStats) -> Progress:
        return Progress(self.chunk.answered + stats.answered, self.chunk.failed + stats.failed)
