"""The queue that hands chunks to workers: procrastinate, with its tables in a schema of their own.

A job of the queue carries a chunk's id and nothing else. The chunk's row is the truth: a job may be lost or come twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event
from typing import Any, Final, TypeVar

from llm_monitoring.db import Database, Interrupted, Transaction, encryption_defaults, load
from llm_monitoring.errors import ConfigurationError, MonitoringError

try:
    import psycopg
    from procrastinate import App as Engine
    from procrastinate import PsycopgConnector, SyncPsycopgConnector
    from procrastinate.exceptions import ConnectorException
    from procrastinate.jobs import Job, Status
    from procrastinate.retry import BaseRetryStrategy, RetryDecision
    from procrastinate.schema import SchemaManager
    from procrastinate.types import JSONDict
    from psycopg.conninfo import make_conninfo
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
POLL_SECONDS: Final = 1.0  # a job that was returned is not announced
HEARTBEAT_SECONDS: Final = 5.0
STALLED_SECONDS: Final = 20.0
STOP_CHECK_SECONDS: Final = 0.2


class ChunkReturned(MonitoringError):
    """This worker does not do the chunk; another one may."""


class RequeueReturned(BaseRetryStrategy):
    """Retries returned chunks only; the coordinator enqueues failed ones again."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        return RetryDecision() if isinstance(exception, ChunkReturned) else None


class ChunkQueue:
    """The queue of chunks from the coordinator to the workers."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def create_tables(self) -> None:
        """Create the engine's tables if there are none."""

        def create(tx: Transaction) -> None:
            tx.one(SQL.lock, {"key": SCHEMA_LOCK})
            row = tx.one(SQL.exists)
            if not (row and row["exists"]):
                tx.execute(SQL.create_schema)
                tx.one(SQL.enter_schema)
                tx.execute(SchemaManager.get_schema().replace("%", "%%"))

        self.db.transact(create)

    def clear(self) -> None:
        """Delete the jobs of earlier runs. Needs the run lock."""
        self.persist(lambda: asyncio.run(self.clear_async()))

    async def clear_async(self) -> None:
        async with self.engine().open_async() as engine:
            jobs = engine.job_manager
            for job in await jobs.list_jobs_async(queue=QUEUE, status=Status.TODO.value):
                assert job.id is not None
                await jobs.cancel_job_by_id_async(job.id, delete_job=True)
            for job in await jobs.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALLED_SECONDS):
                assert job.id is not None
                with suppress(ConnectorException):  # its worker lives after all and has just ended it
                    await jobs.finish_job_by_id_async(job.id, Status.FAILED, delete_job=True)

    def serve(self, handle: Callable[[int], None], stop: Event, *, once: bool) -> None:
        """Call `handle` for one chunk after another until `stop`; with `once` until the queue is empty.

        A lost connection is tried again for as long as the database's own are.
        """
        while not stop.is_set():
            self.persist(lambda: asyncio.run(self.serve_async(handle, stop, once=once)))
            if once:
                return

    async def serve_async(self, handle: Callable[[int], None], stop: Event, *, once: bool) -> None:
        engine = self.engine()

        def ask_chunk(chunk_id: int) -> None:
            handle(chunk_id)

        engine.task(name=TASK, queue=QUEUE, retry=RequeueReturned())(ask_chunk)
        async with engine.open_async():
            serving = engine.run_worker_async(
                queues=[QUEUE],
                wait=not once,
                concurrency=1,
                delete_jobs="always",
                install_signal_handlers=False,
                fetch_job_polling_interval=POLL_SECONDS,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
            )
            worker = asyncio.create_task(serving)
            while not (stop.is_set() or worker.done()):
                await asyncio.wait({worker}, timeout=STOP_CHECK_SECONDS)
            worker.cancel()  # the engine takes this as a request to end its job and stop
            with suppress(asyncio.CancelledError):
                await worker

    def engine(self) -> Engine:
        """The engine of a worker, with a small pool of connections of its own."""
        return Engine(connector=PsycopgConnector(configure=use_schema_async, **self.pool()))

    def pool(self) -> dict[str, Any]:
        """The pool of an engine, on the same database.

        Its sessions enter the schema once they are open: PgBouncer refuses an address with `options`.
        """
        conninfo = make_conninfo(
            self.db.dsn, application_name="llm_monitoring", connect_timeout=10, **encryption_defaults(self.db.dsn)
        )
        return {"conninfo": conninfo, "min_size": 1, "max_size": 3, "timeout": 10.0}

    @contextmanager
    def opened(self) -> Iterator[OpenQueue]:
        """The queue over a connection that is kept, and replaced if it is lost."""
        engine = Engine(connector=SyncPsycopgConnector(configure=use_schema, **self.pool()))
        self.persist(engine.open)
        try:
            yield OpenQueue(self, engine)
        finally:
            engine.close()

    def persist(self, attempt: Callable[[], T]) -> T:
        """Try again while the database is away, as Database.persist."""

        def translated() -> T:
            try:
                return attempt()
            except (ConnectorException, psycopg.OperationalError) as exc:
                raise Interrupted(f"the queue's database: {str(exc.__cause__ or exc).splitlines()[0]}") from exc

        return self.db.persist(translated)


@dataclass(frozen=True, slots=True)
class OpenQueue:
    """The coordinator's end of the queue."""

    queue: ChunkQueue
    engine: Engine

    def put(self, chunk_ids: Sequence[int]) -> None:
        """Enqueue chunks, in this order."""
        job = self.engine.configure_task(TASK, queue=QUEUE)
        arguments: list[JSONDict] = [{"chunk_id": chunk_id} for chunk_id in chunk_ids]
        self.queue.persist(lambda: job.batch_defer(*arguments))

    def waiting(self) -> set[int]:
        """The chunks that no worker has fetched yet."""
        jobs = self.queue.persist(lambda: self.engine.job_manager.list_jobs(queue=QUEUE, status=Status.TODO.value))
        return {int(str(job.task_kwargs["chunk_id"])) for job in jobs}


def use_schema(connection: psycopg.Connection[Any]) -> None:
    """Let a session of the coordinator's engine find its tables."""
    connection.execute(SQL.use_schema.encode())
    connection.commit()


async def use_schema_async(connection: psycopg.AsyncConnection[Any]) -> None:
    """Let a session of a worker's engine find its tables."""
    await connection.execute(SQL.use_schema.encode())
    await connection.commit()


def silence_engine_logs() -> None:
    """Drop the engine's line for every job: coordinator and worker log what they do themselves."""
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
