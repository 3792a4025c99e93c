"""T16: whatever PostgreSQL lets into one tenant's rows, the other tenant's day is whole, and so is the next start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from llm_monitoring.db.database import Database
from llm_monitoring.demo.server.loopback import DemoServer
from llm_monitoring.web.pages import measuring
from tests.conftest import Databases
from tests.faults.conftest import Note
from tests.faults.poison import (
    BRACKETS,
    DEEP,
    OWNED,
    PROMPTS,
    Cell,
    House,
    cells,
    fill_every_table,
    fill_two_tenants,
    owned_rows,
    tables,
)
from tests.faults.surfaces import Surface, broken_commands, broken_pages, broken_surfaces

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
    Cell("llm_monitoring_news", "day", "date", "'infinity'"),
    Cell("llm_monitoring_news", "delivered_to", "ARRAY", "'{{a,b},{c,d}}'"),
    Cell("llm_paced_projects", "resting", "ARRAY", "'{{1,2}}'"),
    Cell("llm_paced_days", "budget_usd", "numeric", "'NaN'"),
)
ELSEWHERE: Final[tuple[tuple[Cell, Surface], ...]] = (
    (Cell("llm_monitoring_projects", "competitors", "jsonb", "'[7]'"), broken_pages),
    (Cell("llm_monitoring_failed_tasks", "analysis_date", "date", "'20000-01-01'"), broken_pages),
    (Cell("llm_monitoring_results", "analysis_date", "date", "'20000-01-01'"), broken_pages),
    (Cell("llm_monitoring_projects", "enabled_llms", "ARRAY", "'{NULL}'"), broken_commands),
    (Cell("llm_api_tokens", "scopes", "ARRAY", "'{{1,2}}'"), broken_commands),
    (Cell("llm_model_registry", "last_seen_at", "timestamp with time zone", "'0044-03-15 BC'"), broken_commands),
    (Cell("llm_model_registry", "priced_on", "date", "'0044-03-15 BC'"), broken_commands),
    (Cell("llm_monitoring_analysis_runs", "started_at", "timestamp with time zone", "'20000-01-01'"), broken_commands),
)
"""Values that ended a command, or a page of the other tenant, who may see a poisoned project as its viewer."""


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with DemoServer() as made:
        yield made


@pytest.fixture(scope="module")
def template(databases: Databases, server: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The two tenants, with rows of each in every table."""
    folder = tmp_path_factory.mktemp("reports")
    bare = databases.template("two_tenants", lambda url: fill_two_tenants(url, server, folder))
    return databases.template("every_table", fill_every_table, bare)


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


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch, quiet: None) -> None:
    """Pages wait for their figures, whatever the machine's load."""
    monkeypatch.setattr(measuring, "PATIENCE_SECONDS", 60.0)


def found_elsewhere(
    databases: Databases, template: str, server: DemoServer, folder: Path, group: Sequence[Cell], surface: Surface
) -> list[str]:
    """What does not go on next to these values; nothing if the database refuses them all."""
    with databases.clone(template) as url, Database(url, retry_seconds=10.0, lock_seconds=0.3) as db:
        accepted = [cell for cell in group if cell.apply(db)]
        return list(surface(House(url, server, db, folder))) if accepted else []


@pytest.mark.short(every=8)
@pytest.mark.parametrize(("cell", "surface"), ELSEWHERE, ids=lambda each: str(each) if isinstance(each, Cell) else "")
def test_t16_one_poisoned_value_ends_no_command_and_no_page(
    databases: Databases, template: str, server: DemoServer, tmp_path: Path, patient: None, cell: Cell, surface: Surface
) -> None:
    """Lists of the command line have all other rows, and the other tenant's pages open."""
    assert [] == found_elsewhere(databases, template, server, tmp_path, [cell], surface)


def test_t16_every_table_is_walked(databases: Databases, template: str) -> None:
    """A new table needs an owner of its poisoned rows, and has some to poison; its columns follow by themselves."""
    with databases.clone(template) as url, Database(url) as db:
        assert set(OWNED) == tables(db)
        assert [] == [each for each in OWNED if db.one(f"SELECT FROM {each} WHERE {owned_rows(each)} LIMIT 1") is None]


@pytest.mark.long
def test_t16_every_value_elsewhere(
    databases: Databases, template: str, server: DemoServer, tmp_path: Path, patient: None, note: Note
) -> None:
    """The same next to each value of each column: those of a table at once, and one by one if something breaks."""
    with databases.clone(template) as url, Database(url) as db:
        groups: dict[tuple[str, str], list[Cell]] = {}
        for cell in cells(db):
            groups.setdefault((cell.table, cell.value), []).append(cell)
    broken: dict[str, list[str]] = {}
    for number, group in enumerate(groups.values(), start=1):
        if found_elsewhere(databases, template, server, tmp_path, group, broken_surfaces):
            for cell in group:
                found = found_elsewhere(databases, template, server, tmp_path, [cell], broken_surfaces)
                broken |= {str(cell): found} if found else {}
        note.progress(number, len(groups), "values of a table")
    note.add(groups=len(groups), broken=len(broken))
    assert {} == broken


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
