"""One machine of a run on several: asks the chunks that the queue hands it, one after another."""

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
from llm_monitoring.db.database import Database, DatabaseUnavailable, Locked
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.distributed.queue import GivenBack, Queue, silence_engine_logs
from llm_monitoring.distributed.shared_settings import SettingsMismatch, check, terms
from llm_monitoring.errors import MonitoringError
from llm_monitoring.keys.clients import Clients
from llm_monitoring.registry import Catalogue
from llm_monitoring.runs import chunks
from llm_monitoring.runs.chunks import Chunk, ChunkLock, Count
from llm_monitoring.runs.daily import RunContext, RunRequest, execute_locally, figures, make_plan
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.limits import Limits
from llm_monitoring.runs.stats import RunStats

log = logging.getLogger(__name__)

NOTE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class WorkerCache:
    """What is kept from chunk to chunk of one run: open connections to providers, what they bear, the models."""

    run_id: int
    clients: Clients
    limits: Limits
    catalogue: Catalogue


class Worker:
    """Takes chunks until `stop`, which lets the calls that are out end and gives the rest of the chunk back."""

    def __init__(self, app: App, stop: Event) -> None:
        self.app = app
        self.stop = stop
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.terms = terms(app.settings)
        self.stock: WorkerCache | None = None
        self.problem: MonitoringError | None = None

    def serve(self, *, once: bool) -> None:
        """Work until stopped, with `once` until the queue is empty; raises what makes this machine unfit for work."""
        queue = Queue(self.app.db)
        queue.prepare()
        silence_engine_logs()
        log.info("👷 Trabajador %s a la espera de tramos", self.name, extra={"event": "worker.ready"})
        try:
            queue.serve(self.handle, self.stop, once=once)
        finally:
            self.put_away()
        if self.problem is not None:
            raise self.problem
        log.info("👋 Trabajador %s terminado", self.name, extra={"event": "worker.ended"})

    def handle(self, chunk_id: int) -> None:
        """Do a chunk, or nothing where it is another's or done. Raises GivenBack where another worker should."""
        try:
            self.do(chunk_id)
        except Locked as exc:  # the chunk's row is held: it has its turn again
            raise GivenBack from exc
        except (DatabaseUnavailable, SettingsMismatch) as exc:
            self.problem = exc
            self.stop.set()
            raise GivenBack from exc

    def do(self, chunk_id: int) -> None:
        with ChunkLock(self.app.db, chunk_id) as lock:
            wanted = chunks.terms(self.app.db, chunk_id) if lock.take() else None
            if wanted is None:
                return
            check(self.terms, wanted)
            if self.stop.is_set():
                raise GivenBack
            chunk = chunks.take(self.app.db, chunk_id, self.name)
            left = chunk is not None and self.ask(chunk, lock)
        if left:
            raise GivenBack

    def ask(self, chunk: Chunk, lock: ChunkLock) -> bool:
        """Ask what is open of a chunk; True where it is left to another worker."""
        lease = chunk.lease
        began = time.monotonic()
        log.info("📥 Tramo #%d: %d proyecto(s)", lease.chunk_id, len(chunk.project_ids),
                 extra={"event": "chunk.taken", "chunk_id": lease.chunk_id, "run_id": chunk.run_id})  # fmt: skip
        meter = Meter(self.app.db, chunk)
        context = self.run_context(chunk, lock, meter)
        tally = execute_locally(context, self.stocked(chunk.run_id).limits, chunk.seconds_left)
        if tally.stopped is None:
            tally.snapshotted = figures(context.executor, {(project_id, chunk.day) for project_id in chunk.project_ids})
        left = self.let_go(chunk, tally, meter.count(tally), context.executor.errors)
        rest, seconds = "; lo que queda pasa a otro" if left else "", time.monotonic() - began
        log.info("📤 Tramo #%d: %d respuesta(s), %d sin respuesta, %.1f s%s",
                 lease.chunk_id, tally.answered, tally.failed, seconds, rest,
                 extra={"event": "chunk.left", "chunk_id": lease.chunk_id, "answered": tally.answered})  # fmt: skip
        return left

    def let_go(self, chunk: Chunk, tally: RunStats, count: Count, errors: RowErrors) -> bool:
        """Give the chunk back with what became of it; if its row is held, the scheduler takes it over."""
        account = chunks.Account(
            tally.blocked_users, tally.locked_users, tally.unsettled, tally.snapshotted, tuple(errors.found)
        )
        try:
            return chunks.release(
                self.app.db,
                chunk.lease,
                unfinished=self.stop.is_set() and tally.stopped is not None,
                count=count,
                stopped=tally.stopped,
                account=account,
            )
        except Locked as exc:
            log.warning("🔒 Tramo #%d: otra sesión retiene su registro: %s", chunk.lease.chunk_id, exc,
                        extra={"event": "chunk.held", "chunk_id": chunk.lease.chunk_id})  # fmt: skip
            return False

    def run_context(self, chunk: Chunk, lock: ChunkLock, meter: Meter) -> RunContext:
        stock, app = self.stocked(chunk.run_id), replace(self.app, errors=RowErrors())
        plan = make_plan(app, chunk.project_ids, {}, stock.catalogue)
        for project_id, problem in sorted(plan.problems.items()):
            log.warning("⚠️ Proyecto #%d: %s", project_id, problem.text("es"),
                        extra={"event": "project.left_out", "project_id": project_id})  # fmt: skip
        executor = TaskExecutor(
            app.budget,
            stock.clients,
            plan.catalogue,
            plan.projects,
            app.settings,
            chunk.run_id,
            chunk.lease,
            app.errors,
        )
        order = RunRequest(chunk.day, stop=self.stop, on_progress=meter.advance)
        return RunContext(executor, plan, order, {}, lambda: lock.held() and chunks.is_ours(app.db, chunk.lease))

    def stocked(self, run_id: int) -> WorkerCache:
        """What serves this run: made anew when another one begins."""
        if self.stock is None or self.stock.run_id != run_id:
            self.put_away()
            settings = self.app.settings
            clients, limits = Clients(self.app.keys, settings), Limits(settings.concurrency)
            self.stock = WorkerCache(run_id, clients, limits, registry.read_catalogue(self.app.db))
        return self.stock

    def put_away(self) -> None:
        if self.stock is not None:
            self.stock.clients.close()
            self.stock = None


class Meter:
    """Tells the scheduler about once a second how far a chunk is, earlier owners' part included."""

    def __init__(self, db: Database, chunk: Chunk) -> None:
        self.db = db
        self.chunk = chunk
        self.told = time.monotonic()

    def advance(self, tally: RunStats) -> None:
        now = time.monotonic()
        if now - self.told >= NOTE_SECONDS:
            self.told = now
            with suppress(Locked):  # it is said again a second later
                chunks.record_progress(self.db, self.chunk.lease, self.count(tally))

    def count(self, tally: RunStats) -> Count:
        return Count(self.chunk.answered + tally.answered, self.chunk.failed + tally.failed)
