"""T16: whatever PostgreSQL lets into one tenant's rows, the other tenant's day is whole, and so is the next start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_monitoring.db.database import Database
from llm_monitoring.db.migrations import migrate
from llm_monitoring.demo.server.loopback import DemoServer
from tests.conftest import Databases
from tests.faults.conftest import Note
from tests.faults.poison import BRACKETS, DEEP, FIRST_DAY, PROMPTS, Cell, House, cells

WHOLE = {"answers": len(PROMPTS), "figured": len(PROMPTS), "open": 0, "kept": len(PROMPTS)}
WORST = (
    Cell("user_llm_api_keys", "openai_api_key_encrypted", "text", f"'{BRACKETS}'"),
    Cell("user_llm_api_keys", "last_spend_reset", "timestamp without time zone", "'20000-01-01'"),
    Cell("user_llm_api_keys", "current_month_spend", "numeric", "99999999.99"),
    Cell("llm_monitoring_projects", "competitors", "jsonb", "'[1e5000]'"),
    Cell("llm_monitoring_projects", "competitors", "jsonb", f"({DEEP})"),
    Cell("llm_monitoring_projects", "brand_aliases", "ARRAY", "'{NULL}'"),
    Cell("llm_monitoring_results", "competitors_mentioned", "jsonb", "'[1e5000]'"),
    Cell("llm_monitoring_results", "position_in_list", "integer", "2147483647"),
    Cell("llm_monitoring_results", "sentiment_score", "numeric", "'NaN'"),
    Cell("llm_call_attempts", "llm_provider", "character varying", "NULL"),
    Cell("llm_call_attempts", "analysis_date", "date", "'20000-01-01'"),
    Cell("llm_call_attempts", "reserved_at", "timestamp with time zone", "'0044-03-15 BC'"),
    Cell("llm_budget_alerts", "threshold", "numeric", "'NaN'"),
)


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with DemoServer() as made:
        yield made


@pytest.fixture(scope="module")
def template(databases: Databases, server: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with two tenants, a day that was measured, and a call of each that a dead run left open."""

    def fill(url: str) -> None:
        with Database(url, retry_seconds=10.0) as db:
            migrate(db)
            house = House(url, server, db, tmp_path_factory.mktemp("reports"))
            house.add_tenants()
            house.run(FIRST_DAY)
            house.leave_open()

    return databases.template("two_tenants", fill)


def outcome(databases: Databases, template: str, server: DemoServer, folder: Path, cell: Cell) -> Any:
    """What the healthy tenant has after a run next to the poisoned one and after the next start; None: refused."""
    with databases.clone(template) as url, Database(url, retry_seconds=10.0, lock_seconds=0.3) as db:
        if not cell.apply(db):
            return None
        house = House(url, server, db, folder)
        found: list[Any] = []
        for _ in range(2):
            try:
                house.run()
                found.append(house.healthy())
            except Exception as exc:  # noqa: BLE001 - the test's finding
                found.append(repr(exc))
        return found


@pytest.mark.short(every=8)
@pytest.mark.parametrize("cell", WORST, ids=str)
def test_t16_one_poisoned_value_changes_nothing_for_others(
    databases: Databases, template: str, server: DemoServer, tmp_path: Path, cell: Cell
) -> None:
    """The values that ended everybody's day once end the poisoned tenant's at most."""
    assert [WHOLE, WHOLE] == outcome(databases, template, server, tmp_path, cell)


@pytest.mark.long
def test_t16_every_value_of_every_column(
    databases: Databases, template: str, server: DemoServer, tmp_path: Path, note: Note
) -> None:
    """Each column of each table that a run reads, with each value that the database accepts."""
    with databases.clone(template) as url, Database(url) as db:
        every = list(cells(db))
    broken, tried = {}, 0
    for number, cell in enumerate(every, start=1):
        found = outcome(databases, template, server, tmp_path, cell)
        note.progress(number, len(every), "values")
        tried += found is not None
        if found not in (None, [WHOLE, WHOLE]):
            broken[str(cell)] = found
    note.add(values=len(every), accepted=tried, broken=len(broken))
    assert {} == broken
