"""The engine that hands chunks to workers: procrastinate, its tables in a schema of their own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event
from typing import Final, TypeVar

from llm_monitoring.db.database import Database, Interrupted, Transaction
from llm_monitoring.db.encryption import encryption_defaults
from llm_monitoring.db.queries import load
from llm_monitoring.errors import ConfigurationError, MonitoringError

try:
    import psycopg
    from procrastinate import App, PsycopgConnector
    from procrastinate.exceptions import ConnectorException
    from procrastinate.jobs import Job, Status
    from procrastinate.retry import BaseRetryStrategy, RetryDecision
    from procrastinate.schema import SchemaManager
    from procrastinate.types import JSONDict
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
except ImportError as exc:
    raise ConfigurationError(
        f"a run on several machines needs more packages: pip install -r requirements-workers.txt ({exc})"
    ) from exc

T = TypeVar("T")

SQL = load("queue")
SCHEMA: Final = "llm_queue"
SCHEMA_LOCK: Final = 0x4C4C4D5F_51554555  # "LLM_QUEU"
QUEUE: Final = "llm_chunks"
TASK: Final = "ask_chunk"
POLL_SECONDS: Final = 1.0  # a job that was given back is not announced
HEARTBEAT_SECONDS: Final = 5.0
STALLED_SECONDS: Final = 20.0
STOP_LOOK_SECONDS: Final = 0.2


class GivenBack(MonitoringError):
    """The worker does not do this chunk, which another may do."""


class RequeueReturned(BaseRetryStrategy):
    """Only what was given back is in line again: what broke is handed out anew by the scheduler."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        return RetryDecision() if isinstance(exception, GivenBack) else None


class Queue:
    """Jobs that carry a chunk's id from the scheduler to one worker. Truth is in the chunks: a job may come twice."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def prepare(self) -> None:
        """Make the engine's tables where there are none."""

        def apply(tx: Transaction) -> None:
            tx.one(SQL.lock, {"key": SCHEMA_LOCK})
            found = tx.one(SQL.exists)
            if not (found and found["found"]):
                tx.execute(SQL.create_schema)
                tx.one(SQL.enter_schema)
                tx.execute(SchemaManager.get_schema().replace("%", "%%"))

        self.db.transact(apply)

    def clear(self) -> None:
        """Forget the jobs of earlier runs. Needs the run lock."""
        self.persist(lambda: asyncio.run(self.forget()))

    async def forget(self) -> None:
        async with self.app().open_async() as app:
            jobs = app.job_manager
            for job in await jobs.list_jobs_async(queue=QUEUE, status=Status.TODO.value):
                assert job.id is not None
                await jobs.cancel_job_by_id_async(job.id, delete_job=True)
            for job in await jobs.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALLED_SECONDS):
                assert job.id is not None
                with suppress(ConnectorException):  # its worker lives after all, and ended it this moment
                    await jobs.finish_job_by_id_async(job.id, Status.FAILED, delete_job=True)

    def serve(self, handle: Callable[[int], None], stop: Event, *, once: bool) -> None:
        """Call `handle` for one chunk after another until `stop`, with `once` until none is in line.

        Waits out a lost connection as long as the database's own patience lasts.
        """
        while not stop.is_set():
            self.persist(lambda: asyncio.run(self.serve_async(handle, stop, once=once)))
            if once:
                return

    async def serve_async(self, handle: Callable[[int], None], stop: Event, *, once: bool) -> None:
        app = self.app()

        def ask_chunk(chunk_id: int) -> None:
            handle(chunk_id)

        app.task(name=TASK, queue=QUEUE, retry=RequeueReturned())(ask_chunk)
        async with app.open_async():
            work = app.run_worker_async(
                queues=[QUEUE], wait=not once, concurrency=1, delete_jobs="always", install_signal_handlers=False,
                fetch_job_polling_interval=POLL_SECONDS, update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
            )  # fmt: skip
            worker = asyncio.create_task(work)
            while not (stop.is_set() or worker.done()):
                await asyncio.wait({worker}, timeout=STOP_LOOK_SECONDS)
            worker.cancel()  # which the engine takes as a request to end its job and stop
            with suppress(asyncio.CancelledError):
                await worker

    def app(self) -> App:
        """The engine at the database, by a small pool of connections of its own."""
        options = str(conninfo_to_dict(self.db.dsn).get("options") or "")
        conninfo = make_conninfo(
            self.db.dsn, options=f"{options} -c search_path={SCHEMA}".strip(), application_name="llm_monitoring",
            connect_timeout=10, **encryption_defaults(self.db.dsn),
        )  # fmt: skip
        return App(connector=PsycopgConnector(conninfo=conninfo, min_size=1, max_size=3, timeout=10.0))

    @contextmanager
    def opened(self) -> Iterator[Line]:
        """The line of chunks, over a connection that is kept and replaced when it is lost."""
        app = self.app()
        self.persist(app.open)
        try:
            yield Line(self, app)
        finally:
            app.close()

    def persist(self, attempt: Callable[[], T]) -> T:
        """Do it again while the database is away."""

        def translated() -> T:
            try:
                return attempt()
            except (ConnectorException, psycopg.OperationalError) as exc:
                raise Interrupted(f"the queue's database: {str(exc.__cause__ or exc).splitlines()[0]}") from exc

        return self.db.persist(translated)


@dataclass(frozen=True, slots=True)
class Line:
    """The chunks that wait for a worker to fetch them."""

    queue: Queue
    app: App

    def put(self, chunk_ids: Sequence[int]) -> None:
        """Hand chunks out, in this order."""
        job = self.app.configure_task(TASK, queue=QUEUE)
        arguments: list[JSONDict] = [{"chunk_id": chunk_id} for chunk_id in chunk_ids]
        self.queue.persist(lambda: job.batch_defer(*arguments))

    def waiting(self) -> set[int]:
        """The chunks that no worker has fetched yet."""
        listed = self.queue.persist(lambda: self.app.job_manager.list_jobs(queue=QUEUE, status=Status.TODO.value))
        return {int(str(job.task_kwargs["chunk_id"])) for job in listed}


def silence_engine_logs() -> None:
    """The engine speaks of every job; what counts is said by those who work with it."""
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
