"""The owners of a chunk: who may make its calls, how a lost one is replaced, which ones a start waits for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from threading import Event

import pytest

from llm_monitoring.app import App
from llm_monitoring.db.database import Transaction
from llm_monitoring.db.failures import Locked
from llm_monitoring.distributed.coordinator import ChunkMonitor
from llm_monitoring.distributed.queue import ChunkQueue
from llm_monitoring.domain import Lease, Task
from llm_monitoring.keys.clients import Clients
from llm_monitoring.ledger.attempts import Attempt
from llm_monitoring.ledger.errors import BlockedBy, WithdrawnFor
from llm_monitoring.runs import chunks, daily, records
from llm_monitoring.runs.chunks import ChunkLock, ChunkPlan, OpenChunk, Progress
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.plan import make_plan
from llm_monitoring.runs.recovery import StillAtWork, wait_for_owners
from llm_monitoring.settings.fields import load_settings
from tests.admission import admits, refused, withdrawn
from tests.environment import Environment

TODAY = date(2026, 11, 23)


@pytest.fixture
def chunk_id(environment: Environment) -> int:
    """A waiting chunk of an open run."""
    project = environment.add_project(environment.add_user("a@example.com"), ["¿Qué es Quipu?"])
    run = records.start(environment.db, TODAY)
    return chunks.add(environment.db, run, [ChunkPlan((project,), 4)], 60.0, {})[0]


def make_attempt(lease: Lease, ceiling: str = "0.01") -> Attempt:
    return Attempt(uuid.uuid4(), "probe", 1, "openai", "m", "user", Decimal(ceiling), run_id=1, lease=lease)


def take(environment: Environment, chunk_id: int) -> Lease:
    chunk = chunks.take(environment.db, chunk_id, "worker")
    assert chunk is not None
    return chunk.lease


def test_an_owner_that_lost_its_chunk_admits_nothing(environment: Environment, chunk_id: int) -> None:
    """Once a chunk is reclaimed no call of the old lease is admitted; calls of the new one are, and name the chunk."""
    old = take(environment, chunk_id)
    assert admits(environment.budget, make_attempt(old))
    lost = chunks.reclaim(environment.db, chunk_id)
    assert lost is not None
    with withdrawn(WithdrawnFor.SUPERSEDED):
        environment.budget.reserve(make_attempt(old))
    assert admits(environment.budget, make_attempt(lost.lease))
    assert not chunks.holds(environment.db, old)
    assert 1 == lost.losses
    attempts = environment.rows("SELECT chunk_id FROM llm_call_attempts")
    assert [chunk_id, chunk_id] == [row["chunk_id"] for row in attempts]


def test_a_chunk_of_a_dead_run_admits_nothing(environment: Environment, chunk_id: int) -> None:
    """A later start ends the leases of the run before it."""
    lease = take(environment, chunk_id)
    records.close_dead_runs(environment.db)
    with withdrawn(WithdrawnFor.SUPERSEDED):
        environment.budget.reserve(make_attempt(lease))
    assert not chunks.holds(environment.db, lease)
    assert chunks.take(environment.db, chunk_id, "other") is None


def test_reclaiming_waits_for_reservations_and_progress_does_not(environment: Environment, chunk_id: int) -> None:
    """Whoever reclaims a chunk sees a reservation that is just being made; progress is stored meanwhile."""
    lease = take(environment, chunk_id)
    reserving = environment.db.connect()
    reserving.autocommit = False
    Transaction(reserving).one(
        "SELECT id FROM llm_monitoring_chunks WHERE lease = %(lease)s FOR KEY SHARE", {"lease": str(lease.token)}
    )
    other = environment.db.connect()
    Transaction(other).one("SELECT set_config('lock_timeout', '300ms', FALSE)")
    progress = "UPDATE llm_monitoring_chunks SET answered = 1 WHERE lease = %(token)s"
    assert 1 == Transaction(other).execute(progress, {"token": str(lease.token)})
    with pytest.raises(Locked, match="lock timeout"):
        Transaction(other).execute(chunks.SQL.reclaim, {"token": str(uuid.uuid4()), "chunk_id": chunk_id})
    reserving.close()
    other.close()
    assert chunks.reclaim(environment.db, chunk_id) is not None


def test_a_reserved_budget_is_not_a_spent_one(environment: Environment, chunk_id: int) -> None:
    """A call that reservations of other machines keep out may be retried; one that spend keeps out may not."""
    environment.budget.set_limits(1, Decimal("0.02"), None)
    lease = take(environment, chunk_id)
    first = make_attempt(lease, "0.015")
    assert admits(environment.budget, first)
    with refused(BlockedBy.BUDGET, retry=True):
        environment.budget.reserve(make_attempt(lease, "0.01"))
    assert not admits(environment.budget, make_attempt(lease, "0.03"))
    environment.budget.release(first.id, "test", "returned")
    assert admits(environment.budget, make_attempt(lease, "0.01"))


def test_a_task_that_another_call_asks_is_withdrawn_and_parks_no_budget(
    environment: Environment, chunk_id: int
) -> None:
    """A second open call of a task is no matter of its user's budget, also under a lease."""
    lease = take(environment, chunk_id)
    task = Task(1, 1, 1, "openai", TODAY, 1, "?", "es")
    environment.budget.reserve(replace(make_attempt(lease), kind="answer", task=task))
    with withdrawn(WithdrawnFor.TASK_TAKEN):
        environment.budget.reserve(replace(make_attempt(lease), kind="answer", task=task))


def test_progress_of_a_lost_chunk_changes_nothing(environment: Environment, chunk_id: int) -> None:
    """A lost owner that comes back can neither store progress nor end the chunk."""
    old = take(environment, chunk_id)
    new = chunks.reclaim(environment.db, chunk_id)
    assert new is not None
    chunks.record_progress(environment.db, old, Progress(7, 7))
    chunks.release(environment.db, old, unfinished=False, progress=Progress(7, 7))
    (row,) = environment.rows("SELECT answered, failed, state FROM llm_monitoring_chunks")
    assert {"answered": 0, "failed": 0, "state": "running"} == row


@pytest.fixture
def monitor(environment: Environment, chunk_id: int) -> Iterator[ChunkMonitor]:
    """The monitor of a run with one chunk, which is in the queue."""
    settings = load_settings({}, dotenv=False)
    app = App(environment.db, environment.budget, environment.store, settings)
    plan = make_plan(app, None, {})
    executor = TaskExecutor(
        environment.budget, Clients(environment.store, settings), plan.catalogue, plan.projects, settings, run_id=1
    )
    queue = ChunkQueue(environment.db)
    queue.create_tables()
    with queue.opened() as opened:
        opened.put([chunk_id])
        yield ChunkMonitor(
            app, opened, daily.RunContext(executor, plan, daily.RunRequest(TODAY), {}, lambda: True), 1, deadline=1e9
        )


def check(monitor: ChunkMonitor, now: float) -> None:
    monitor.reclaim_lost(chunks.open_chunks(monitor.app.db, 1), now)


def test_a_chunk_that_no_worker_can_fetch_is_enqueued_again(
    monitor: ChunkMonitor, environment: Environment, chunk_id: int
) -> None:
    """If a worker died between fetching and taking a chunk, it is in the queue again after ten seconds, once."""
    check(monitor, 0.0)
    assert {chunk_id} == monitor.queue.waiting()
    monitor.queue.queue.clear()
    check(monitor, 100.0)
    check(monitor, 109.9)
    assert set() == monitor.queue.waiting()
    check(monitor, 110.0)
    check(monitor, 130.0)
    assert {chunk_id} == monitor.queue.waiting()
    assert 1 == environment.count("llm_queue.procrastinate_jobs")
    assert 0 == environment.count("llm_monitoring_chunks WHERE losses > 0")


def test_a_living_owner_keeps_its_chunk(monitor: ChunkMonitor, environment: Environment, chunk_id: int) -> None:
    """A chunk with a held lock is not reclaimed, however long it is worked on."""
    with ChunkLock(environment.db, chunk_id) as lock:
        assert lock.take()
        lease = take(environment, chunk_id)
        for now in (0.0, 20.0, 1000.0):
            check(monitor, now)
        monitor.reclaim(chunk_id)
        assert chunks.holds(environment.db, lease)


def test_a_chunk_that_loses_its_owners_is_given_up(
    monitor: ChunkMonitor, environment: Environment, chunk_id: int
) -> None:
    """After five lost owners a chunk is closed with the reason; only its own calls are settled."""
    other = chunks.add(environment.db, 1, [ChunkPlan((1,), 4)], 60.0, {})[0]
    assert admits(environment.budget, make_attempt(take(environment, other)))
    for number in range(5):
        assert admits(environment.budget, make_attempt(take(environment, chunk_id)))
        monitor.reclaim(chunk_id)
        row = environment.rows(f"SELECT losses FROM llm_monitoring_chunks WHERE id = {chunk_id}")[0]
        assert number + 1 == row["losses"]
        assert 1 == open_calls(environment)
    assert [other] == [chunk.id for chunk in chunks.open_chunks(environment.db, 1)]
    assert "chunk_failed" == monitor.totals().stopped


def open_calls(environment: Environment) -> int:
    return environment.count("llm_call_attempts WHERE state IN ('reserved', 'sent')")


def test_a_day_without_workers_is_logged_once(
    monitor: ChunkMonitor, environment: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    """After a minute without a worker one line says how to start one; again after the next such minute."""
    waiting, held = [OpenChunk(1, True, False)], [OpenChunk(1, False, True)]
    monitor.owned_at = 0.0
    for now, open_chunks in ((59.0, waiting), (60.0, waiting), (90.0, waiting), (91.0, held), (152.0, waiting)):
        monitor.warn_if_idle(open_chunks, now)
    lines = [message for message in caplog.messages if "ningún trabajador" in message]
    assert 2 == len(lines)
    assert all("`python -m llm_monitoring worker`" in line for line in lines)


@pytest.mark.ci
def test_a_worker_that_never_stops_does_not_keep_the_run_alive(
    monitor: ChunkMonitor, environment: Environment, chunk_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen worker holds its chunk: after the time of its last call the run ends with why it stopped."""
    monkeypatch.setattr("llm_monitoring.distributed.coordinator.longest_let_go", lambda settings: 1.0)
    monitor.context.request.stop.set()
    with ChunkLock(environment.db, chunk_id) as lock:
        assert lock.take()
        take(environment, chunk_id)
        assert "signal" == monitor.run().stopped
        assert [OpenChunk(chunk_id, waiting=False, held=True)] == chunks.open_chunks(environment.db, 1)


def test_a_start_makes_no_call_while_a_worker_of_a_dead_run_lives(environment: Environment, chunk_id: int) -> None:
    """A worker that does not release a chunk of a dead run is named; once it has, the chunk is closed."""
    with ChunkLock(environment.db, chunk_id) as lock:
        assert lock.take()
        take(environment, chunk_id)
        records.close_dead_runs(environment.db)
        with pytest.raises(StillAtWork, match="but worker still work on it: stop these worker processes"):
            wait_for_owners(environment.db, 0.0, Event())
    wait_for_owners(environment.db, 0.0, Event())
    assert [] == chunks.open_chunks(environment.db, 1)


def test_a_chunk_has_one_lock(environment: Environment, chunk_id: int) -> None:
    """One process at a time holds a chunk's lock, which the coordinator sees; other chunks have other locks."""
    with ChunkLock(environment.db, chunk_id) as first, ChunkLock(environment.db, chunk_id) as second:
        with ChunkLock(environment.db, chunk_id + 1) as other:
            assert [True, False, True] == [first.take(), second.take(), other.take()]
        assert [True] == [chunk.held for chunk in chunks.open_chunks(environment.db, 1)]
    assert [False] == [chunk.held for chunk in chunks.open_chunks(environment.db, 1)]


def test_the_tables_of_the_queue_are_created_once(environment: Environment) -> None:
    """The engine's tables are in a schema of their own, so that another use of the engine in the database is free."""
    for _ in range(2):
        ChunkQueue(environment.db).create_tables()
    rows = environment.rows("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'procrastinate%%'")
    assert ["llm_queue"] == [row["schemaname"] for row in rows]
