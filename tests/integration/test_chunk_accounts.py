"""What workers say of their chunks reaches the run's report: rows left alone, held accounts, figures written."""

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


def tools_of(environment: Environment) -> App:
    settings = load_settings({**environment.server.environment(), "LLM_SENTIMENT": "false"}, dotenv=False)
    return App(environment.db, environment.budget, KeyStore(environment.db, environment.store.cipher, {}), settings)


def work(environment: Environment, run_id: int) -> None:
    """Do the chunk of the run as a worker does."""
    chunk_id = chunks.add(environment.db, run_id, [ChunkPlan((1, 2, 3), 6)], 60.0, {})[0]
    worker = Worker(tools_of(environment), Event())
    with ChunkLock(environment.db, chunk_id) as lock:
        assert lock.take()
        chunk = chunks.take(environment.db, chunk_id, "worker")
        assert chunk is not None
        assert not worker.ask(chunk, lock)
    worker.close_cache()


def shared_run(environment: Environment) -> report_module.DayReport:
    """A run in which a worker does the asking, in this process."""
    app = tools_of(environment)

    def asking(context: daily.RunContext) -> RunStats:
        assert context.executor.run_id is not None
        work(environment, context.executor.run_id)
        queue = ChunkQueue(environment.db)
        queue.create_tables()
        with queue.opened() as opened:
            return ChunkMonitor(app, opened, context, context.executor.run_id, float("inf")).run()

    return daily.run_day(app, daily.RunRequest(TODAY), asking)


def test_what_a_worker_left_alone_is_in_the_runs_report(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Figures that were refused and an account that was held count as if this process had asked."""
    monkeypatch.setattr(held_work, "HELD_GRACE_SECONDS", 0.2)
    environment.db.execute(REFUSE)
    with closing(psycopg2.connect(environment.url)) as other, caplog.at_level(logging.WARNING):
        other.cursor().execute(ACCOUNT.format(3))
        report = shared_run(environment)
    expected = {("reserve_call", "User #3", "account_held"), ("write_figures", f"Proyecto #2, {TODAY}", "Rejected")}
    assert expected == {(each.stage, each.row, each.code) for each in report.row_errors}
    assert ({3}, 2, 4) == (report.stats.locked_users, report.stats.reasons["account_held"], report.stats.answered)
    kept = runs.find(environment.db, report.run_id)["row_errors"]
    assert expected == {(each["stage"], each["row"], each["code"]) for each in kept}
    (row,) = environment.rows("SELECT figured FROM llm_monitoring_chunks")
    assert [1, 3] == sorted(row["figured"])


def test_a_worker_counts_only_figures_that_it_wrote(environment: Environment) -> None:
    """The project with refused figures gets them from the scheduler once its database takes them."""
    environment.db.execute(REFUSE)
    run_id = runs.start(environment.db, TODAY)
    work(environment, run_id)
    assert frozenset({1, 3}) == chunks.totals(environment.db, run_id, TODAY, [1, 2, 3]).snapshotted


def test_the_rows_of_chunks_that_are_held_end_the_run_in_time(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another session holds the only chunk that is left: it is reported, and the run ends."""
    for name, value in (("HELD_GRACE_SECONDS", 0.5), ("LOST_SECONDS", 0.0), ("CHECK_SECONDS", 0.1)):
        monkeypatch.setattr(coordinator, name, value)
    app, run_id = tools_of(environment), runs.start(environment.db, TODAY)
    chunk_id = chunks.add(environment.db, run_id, [ChunkPlan((1,), 2)], 60.0, {})[0]
    assert chunks.take(environment.db, chunk_id, "worker") is not None
    plan = make_plan(app, None, {})
    executor = TaskExecutor(app.budget, Clients(app.keys, app.settings), plan.catalogue, plan.projects, app.settings,
                run_id, errors=app.errors)  # fmt: skip
    context = daily.RunContext(executor, plan, daily.RunRequest(TODAY), {}, lambda: True)
    queue = ChunkQueue(environment.db)
    queue.create_tables()
    with closing(psycopg2.connect(environment.url)) as other, queue.opened() as opened:
        other.cursor().execute("SELECT 1 FROM llm_monitoring_chunks FOR UPDATE")
        assert ChunkMonitor(app, opened, context, run_id, float("inf")).run().stopped is None
    assert [("close_chunk", "chunk_held")] == [(each.stage, each.code) for each in app.errors.found]


def test_a_chunk_that_has_an_owner_again_is_not_held(environment: Environment) -> None:
    """A lock that was in the way once says nothing once its owner is back."""
    app, run_id = tools_of(environment), runs.start(environment.db, TODAY)
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


@pytest.mark.parametrize("table", ["llm_monitoring_analysis_runs", "llm_monitoring_projects", "llm_model_registry"])
def test_rows_that_are_held_at_the_end_of_a_run_cost_no_report(
    environment: Environment, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's own row, projects and models that another session holds are reported; the day is answered."""
    monkeypatch.setattr(held_work, "HELD_GRACE_SECONDS", 0.5)
    with closing(psycopg2.connect(environment.url)) as other:

        def hold(pending: int) -> None:
            other.cursor().execute(f"SELECT 1 FROM {table} FOR NO KEY UPDATE")

        app = tools_of(environment)
        report = daily.run_day(app, daily.RunRequest(TODAY, on_start=hold))
    assert (6 if table != "llm_monitoring_analysis_runs" else 0) == report.stats.answered
    assert report.row_errors
    assert daily.run_day(tools_of(environment), daily.RunRequest(TODAY)).complete


def test_errors_of_rows_are_kept_as_they_were(db: Database) -> None:
    """What is kept with a run is read back the same, without fields that are not numbers of users or projects."""
    error = RowError("write_figures", "Proyecto #2", "Rejected", "no", (("project_id", 2), ("day", TODAY)))
    assert [RowError("write_figures", "Proyecto #2", "Rejected", "no", (("project_id", 2),))] == [
        read_record(record) for record in records([error])
    ]
