"""T15: whatever PostgreSQL lets into the row of one user's batch, the batch of another is collected, and paid once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from llm_monitoring.db.database import Database
from llm_monitoring.demo.server.loopback import DemoServer
from tests.conftest import Databases, fill_migrated
from tests.environment import Environment
from tests.faults.batch_days import ECONOMY, PROMPTS, complete, few_are_enough
from tests.faults.conftest import Note
from tests.faults.in_process import TODAY, run_day
from tests.faults.poison import Cell, cells

HEALTHY: Final = """
SELECT (SELECT count(*) FROM llm_monitoring_results WHERE project_id = 2 AND mode = 'batch') AS answers,
       (SELECT count(*) FROM llm_call_attempts WHERE user_id = 2 AND state IN ('reserved', 'sent')) AS open
"""
WHOLE: Final = [{"answers": 0, "open": PROMPTS}, *([{"answers": PROMPTS, "open": 0}] * 2)]
WORST: Final = (
    Cell("llm_batches", "llm_provider", "character varying", "'no such thing'"),
    Cell("llm_batches", "llm_provider", "character varying", "'google'"),
    Cell("llm_batches", "key_user_id", "integer", "NULL"),
    Cell("llm_batches", "remote_id", "text", "'../../models?x=1'"),
    Cell("llm_batches", "posted_at", "timestamp with time zone", "'20000-01-01'"),
    Cell("llm_batches", "expires_at", "timestamp with time zone", "'0044-03-15 BC'"),
)
"""Values that could end everybody's collection."""


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    """A provider that deletes no batch: the copies of the database share it."""
    refuse = {"kind": "status", "status": 500}
    with DemoServer(faults=[{"match": {"route": "batch_delete"}, "action": refuse}]) as made:
        yield made


@pytest.fixture(scope="module")
def scene(databases: Databases, server: DemoServer) -> tuple[str, Environment]:
    """A template in which a batch of each of two users is out, and the environment that made it."""
    made: list[Environment] = []

    def fill(url: str) -> None:
        fill_migrated(url)
        with Database(url, retry_seconds=10.0) as db, few_are_enough():
            environment = Environment(url, server, db)
            made.append(environment)
            for _ in range(2):
                user = environment.add_user(providers=["anthropic"])
                environment.add_numbered_project(user, PROMPTS, ["anthropic"])
            complete(environment, TODAY)
            db.execute("UPDATE llm_monitoring_projects SET pace = 'patient'")
            db.execute("DELETE FROM llm_monitoring_results")
            db.execute("UPDATE llm_call_attempts SET analysis_date = '2026-11-01'")
            server.batches.set_plan({"ends_after": None})
            run_day(environment, TODAY, **ECONOMY)

    return databases.template("two_batches", fill), made[0]


@contextmanager
def poisoned(databases: Databases, scene: tuple[str, Environment], cell: Cell) -> Iterator[Environment | None]:
    """The environment with a value in the first user's batch; None if the database refuses it."""
    template, made = scene
    for batch in made.server.batches.made:
        batch.ended, batch.polls = None, 0
    with databases.clone(template) as url, Database(url, retry_seconds=10.0, lock_seconds=0.3) as db:
        environment = Environment(url, made.server, db, master_key=made.master_key, keys=made.keys)
        yield environment if cell.apply(db) else None


def outcome(databases: Databases, scene: tuple[str, Environment], cell: Cell) -> Any:
    """What the healthy user has after starts next to the poisoned row: while the batches run, and twice after."""
    with poisoned(databases, scene, cell) as environment, few_are_enough():
        if environment is None:
            return None
        found: list[Any] = []
        for ends_after in (None, 0, 0):
            environment.server.batches.set_plan({"ends_after": ends_after})
            try:
                run_day(environment, TODAY, **ECONOMY)
                found.append(dict(environment.rows(HEALTHY)[0]))
            except Exception as exc:  # noqa: BLE001 - the test's finding
                found.append(repr(exc))
        return found


@pytest.mark.short(every=3)
@pytest.mark.parametrize("cell", WORST, ids=str)
def test_t15_a_poisoned_batch_is_left_alone(databases: Databases, scene: tuple[str, Environment], cell: Cell) -> None:
    """The other user's batch is collected by the same start."""
    assert outcome(databases, scene, cell) in (None, WHOLE)


@pytest.mark.long
def test_t15_every_value_of_a_batch(databases: Databases, scene: tuple[str, Environment], note: Note) -> None:
    """Each column of a batch's row, with each value that the database accepts."""
    with databases.clone(scene[0]) as url, Database(url) as db:
        every = [cell for cell in cells(db) if cell.table == "llm_batches"]
    broken, tried = {}, 0
    for number, cell in enumerate(every, start=1):
        found = outcome(databases, scene, cell)
        note.progress(number, len(every), "values")
        tried += found is not None
        if found not in (None, WHOLE):
            broken[str(cell)] = found
    note.add(values=len(every), accepted=tried, broken=len(broken))
    assert {} == broken
