"""What workers report of their chunks is in the run's report: row errors, held accounts, written snapshots."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from threading import Event

import psycopg2
import pytest

from llm_monitoring.app import App
from llm_monitoring.db.database import Database
from llm_monitoring.db.row_errors import RowError, read_record, records
from llm_monitoring.distributed import coordinator
from llm_monitoring.distributed.coordinator import ChunkMonitor
from llm_monitoring.distributed.queue import ChunkQueue
from llm_monitoring.distributed.worker import Worker
from llm_monitoring.keys.clients import Clients
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.runs import chunks, daily, held_work
from llm_monitoring.runs import records as runs
from llm_monitoring.runs import report as report_module
from llm_monitoring.runs.chunks import ChunkLock, ChunkPlan
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.plan import make_plan
from llm_monitoring.runs.stats import RunStats
from llm_monitoring.settings.fields import load_settings
from tests.environment import Environment, open_environment

TODAY = date(2026, 11, 23)
REFUSE = """
CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN IF NEW.project_id = 2 THEN RAISE EXCEPTION 'the host refuses'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON llm_monitoring_snapshots FOR EACH ROW EXECUTE FUNCTION refuse();
"""
ACCOUNT = "SELECT 1 FROM user_llm_api_keys WHERE user_id = {} FOR UPDATE"


@pytest.fixture
def environment(database_url: str) -> Iterator[Environment]:
    """Three users with a project each, a chunk of all three that waits; the third's account can be held."""
    with open_environment(database_url) as made:
        made.db.lock_seconds = 0.2
        made.db.discard_idle()
        for number in range(3):
            user = made.add_user(f"{number}@example.com", ["openai"])
            made.add_project(user, ["¿Qué conviene?", "¿Qué es Quipu?"], ["openai"], name=f"P{number}")
        yield made


def make_app(environment: Environment) -> App:
    settings = load_settings({**environment.server.environment(), "LLM_SENTIMENT": "false"}, dotenv=False)
    return App(environment.db, environment.budget, KeyStore(environment.db, environment.store.cipher, {}), settings)


def ask_chunk(environment: Environment, run_id: int) -> None:
    """Ask a chunk of all projects as a worker does."""
    chunk_id = chunks.add(environment.db, run_id, [ChunkPlan((1, 2, 3), 6)], 60.0, {})[0]
    worker = Worker(make_app(environment), Event())
    with ChunkLock(environment.db, chunk_id) as lock:
        assert lock.take()
        chunk = chunks.take(environment.db, chunk_id, "worker")
        assert chunk is not None
        assert not worker.ask(chunk, lock)
    worker.close_cache()


def shared_run(environment: Environment) -> report_module.DayReport:
    """A run that a worker asks, in this process."""
    app = make_app(environment)

    def execute(context: daily.RunContext) -> RunStats:
        assert context.executor.run_id is not None
        ask_chunk(environment, context.executor.run_id)
        queue = ChunkQueue(environment.db)
        queue.create_tables()
        with queue.opened() as opened:
            return ChunkMonitor(app, opened, context, context.executor.run_id, float("inf")).run()

    return daily.run_day(app, daily.RunRequest(TODAY), execute)


@pytest.mark.ci
def test_row_errors_of_a_worker_are_in_the_report_of_the_run(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Snapshots that were refused and an account that was held count as if this process had asked."""
    monkeypatch.setattr(held_work, "HELD_GRACE_SECONDS", 0.2)
    environment.db.execute(REFUSE)
    with closing(psycopg2.connect(environment.url)) as other, caplog.at_level(logging.WARNING):
        other.cursor().execute(ACCOUNT.format(3))
        report = shared_run(environment)
    expected = {("reserve_call", "User #3", "account_held"), ("write_figures", f"Proyecto #2, {TODAY}", "Rejected")}
    assert expected == {(each.stage, each.row, each.code) for each in report.row_errors}
    assert {3} == report.stats.locked_users
    assert 2 == report.stats.reasons["account_held"]
    assert 4 == report.stats.answered
    stored = runs.find(environment.db, report.run_id)["row_errors"]
    assert expected == {(each["stage"], each["row"], each["code"]) for each in stored}
    (row,) = environment.rows("SELECT figured FROM llm_monitoring_chunks")
    assert [1, 3] == sorted(row["figured"])


@pytest.mark.ci
def test_a_worker_reports_only_snapshots_that_it_wrote(environment: Environment) -> None:
    """A project with refused snapshots is not reported, so that the coordinator writes them."""
    environment.db.execute(REFUSE)
    run_id = runs.start(environment.db, TODAY)
    ask_chunk(environment, run_id)
    assert frozenset({1, 3}) == chunks.totals(environment.db, run_id, TODAY, [1, 2, 3]).snapshotted


@pytest.mark.ci
def test_a_chunk_with_a_held_row_does_not_keep_the_run_alive(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If another session holds the only chunk that is left, it is reported and the run ends."""
    for name, value in (("HELD_GRACE_SECONDS", 0.5), ("LOST_SECONDS", 0.0), ("CHECK_SECONDS", 0.1)):
        monkeypatch.setattr(coordinator, name, value)
    app, run_id = make_app(environment), runs.start(environment.db, TODAY)
    chunk_id = chunks.add(environment.db, run_id, [ChunkPlan((1,), 2)], 60.0, {})[0]
    assert chunks.take(environment.db, chunk_id, "worker") is not None
    plan = make_plan(app, None, {})
    clients = Clients(app.keys, app.settings)
    executor = TaskExecutor(app.budget, clients, plan.catalogue, plan.projects, app.settings, run_id, errors=app.errors)
    context = daily.RunContext(executor, plan, daily.RunRequest(TODAY), {}, lambda: True)
    queue = ChunkQueue(environment.db)
    queue.create_tables()
    with closing(psycopg2.connect(environment.url)) as other, queue.opened() as opened:
        other.cursor().execute("SELECT 1 FROM llm_monitoring_chunks FOR UPDATE")
        assert ChunkMonitor(app, opened, context, run_id, float("inf")).run().stopped is None
    assert [("close_chunk", "chunk_held")] == [(each.stage, each.code) for each in app.errors.found]


def test_a_chunk_that_has_an_owner_again_is_not_held(environment: Environment) -> None:
    """A row that was held once does not count any more when the chunk has an owner again."""
    app, run_id = make_app(environment), runs.start(environment.db, TODAY)
    chunk_id = chunks.add(environment.db, run_id, [ChunkPlan((1,), 2)], 60.0, {})[0]
    queue = ChunkQueue(environment.db)
    queue.create_tables()
    context = daily.RunContext(None, None, daily.RunRequest(TODAY), {}, lambda: True)  # type: ignore[arg-type]
    with queue.opened() as opened, ChunkLock(environment.db, chunk_id) as lock:
        assert lock.take()
        monitor = ChunkMonitor(app, opened, context, run_id, float("inf"), locked_since={chunk_id: 0.0})
        open_chunks = chunks.open_chunks(environment.db, run_id)
        monitor.reclaim_lost(open_chunks, 1000.0)
        assert not monitor.all_locked(open_chunks, 1000.0)


@pytest.mark.ci
@pytest.mark.parametrize("table", ["llm_monitoring_analysis_runs", "llm_monitoring_projects", "llm_model_registry"])
def test_rows_that_are_held_at_the_end_of_a_run_are_reported(
    environment: Environment, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of run, projects and models that another session holds are row errors; the day is answered."""
    monkeypatch.setattr(held_work, "HELD_GRACE_SECONDS", 0.5)
    with closing(psycopg2.connect(environment.url)) as other:

        def hold(pending: int) -> None:
            other.cursor().execute(f"SELECT 1 FROM {table} FOR NO KEY UPDATE")

        app = make_app(environment)
        report = daily.run_day(app, daily.RunRequest(TODAY, on_start=hold))
    assert (6 if table != "llm_monitoring_analysis_runs" else 0) == report.stats.answered
    assert report.row_errors
    assert daily.run_day(make_app(environment), daily.RunRequest(TODAY)).complete


def test_row_errors_are_stored_and_read(db: Database) -> None:
    """A row error is read as it was stored, without fields other than the ids of users and projects."""
    error = RowError("write_figures", "Proyecto #2", "Rejected", "no", (("project_id", 2), ("day", TODAY)))
    assert [RowError("write_figures", "Proyecto #2", "Rejected", "no", (("project_id", 2),))] == [
        read_record(record) for record in records([error])
    ]
