"""Migrations: in order, once, under a lock, never edited."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llm_monitoring import projects
from llm_monitoring.db import Conflict, Database, Rejected, migrate, pending
from llm_monitoring.domain import PROVIDERS
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.process.hints import explain

Write = Callable[..., None]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    with Database(empty_database_url, retry_seconds=10.0) as database:
        yield database


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_files(**statements: str) -> None:
        for name, sql in statements.items():
            (tmp_path / f"{name.removeprefix('m')}.sql").write_text(sql, encoding="utf-8")

    return write_files


def tables(db: Database) -> list[str]:
    rows = db.all("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    return [row["name"] for row in rows if row["name"] != "llm_schema_migrations"]


def test_order_and_once(empty: Database, tmp_path: Path, write: Write) -> None:
    """Migrations run in the order of their numbers, and a second call runs only what is new."""
    write(m0002_fill_a="INSERT INTO a VALUES ('100%')", m0001_create_a="CREATE TABLE a (n TEXT)")
    first = migrate(empty, tmp_path)
    again = migrate(empty, tmp_path)
    write(m0003_create_b="CREATE TABLE b (n INTEGER)")
    before = pending(empty, tmp_path)
    third = migrate(empty, tmp_path)
    assert ["0001_create_a", "0002_fill_a"] == first
    assert [] == again
    assert ["0003_create_b"] == before
    assert ["0003_create_b"] == third
    assert [{"n": "100%"}] == empty.all("SELECT n FROM a")
    assert ["a", "b"] == tables(empty)


def test_pending_changes_nothing(empty: Database, tmp_path: Path, write: Write) -> None:
    """Asking what is pending leaves an empty database empty."""
    write(m0001_create_a="CREATE TABLE a (n INTEGER)")
    names = pending(empty, tmp_path)
    left = empty.one("SELECT count(*) AS n FROM pg_tables WHERE schemaname = 'public'")
    assert ["0001_create_a"] == names
    assert {"n": 0} == left


def test_record(empty: Database, tmp_path: Path, write: Write) -> None:
    """Each migration is recorded with its number, name, checksum and time."""
    write(m0001_create_a="SELECT 1")
    migrate(empty, tmp_path)
    row = empty.one("SELECT version, name, checksum, applied_at <= now() AS past FROM llm_schema_migrations")
    checksum = "e004ebd5b5532a4b85984a62f8ad48a81aa3460c1ca07701f386135d72cdecf5"
    assert {"version": 1, "name": "0001_create_a", "checksum": checksum, "past": True} == row


@pytest.mark.parametrize(
    "sql", ["CREATE TABLE b (n INTEGER); SELECT nonsense", "CREATE TABLE b (n TEXT); SELECT 1 / 0"]
)
def test_failed(empty: Database, tmp_path: Path, write: Write, sql: str) -> None:
    """A migration that fails leaves nothing of itself, keeps those before it, and is named."""
    write(m0001_create_a="CREATE TABLE a (n INTEGER)", m0002_create_b=sql)
    with pytest.raises(ConfigurationError, match="0002_create_b failed"):
        migrate(empty, tmp_path)
    assert ["a"] == tables(empty)
    assert ["0002_create_b"] == pending(empty, tmp_path)


def test_unrecorded(empty: Database, tmp_path: Path, write: Write) -> None:
    """A migration that cannot be recorded is not applied either."""
    write(m0001_break_record="CREATE TABLE a (n INTEGER); ALTER TABLE llm_schema_migrations ADD CHECK (version > 1)")
    with pytest.raises(Rejected):
        migrate(empty, tmp_path)
    assert [] == tables(empty)


def test_changed(empty: Database, tmp_path: Path, write: Write) -> None:
    """An applied migration whose text changed is refused, also by `pending`; line ends do not count."""
    write(m0001_create_a="CREATE TABLE a (n INTEGER)\n")
    migrate(empty, tmp_path)
    (tmp_path / "0001_create_a.sql").write_bytes(b"CREATE TABLE a (n INTEGER)\r\n")
    same = pending(empty, tmp_path)
    write(m0001_create_a="CREATE TABLE a (n BIGINT)\n")
    for call in (migrate, pending):
        with pytest.raises(ConfigurationError, match="0001_create_a was changed"):
            call(empty, tmp_path)
    assert [] == same


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0001_create_a", "0003_create_c"], "0003_create_c should have number 0002"),
        (["0001_create_a", "0001_create_b"], "0001_create_b should have number 0002"),
        (["0002_create_a"], "0002_create_a should have number 0001"),
        (["1_create_a"], "1_create_a.sql is not named"),
        (["0001_create"], "0001_create.sql is not named"),
    ],
)
def test_bad_folder(empty: Database, tmp_path: Path, write: Write, names: list[str], message: str) -> None:
    """A gap, a repeated number or a bad name stops everything before anything is applied."""
    write(**{f"m{name}": "CREATE TABLE a (n INTEGER)" for name in names})
    with pytest.raises(ConfigurationError, match=message):
        migrate(empty, tmp_path)
    assert [] == tables(empty)


def test_unknown_migration(empty: Database, tmp_path: Path, write: Write) -> None:
    """A database that is ahead of this version is left alone."""
    write(m0001_create_a="SELECT 1", m0002_create_b="SELECT 1")
    migrate(empty, tmp_path)
    (tmp_path / "0002_create_b.sql").unlink()
    with pytest.raises(ConfigurationError, match=r"has migration 0002_create_b, .* update this installation"):
        migrate(empty, tmp_path)


def test_hole_in_record(empty: Database, tmp_path: Path, write: Write) -> None:
    """A database whose record lacks a migration in the middle is refused."""
    write(m0001_create_a="SELECT 1", m0002_create_b="SELECT 1")
    migrate(empty, tmp_path)
    empty.execute("DELETE FROM llm_schema_migrations WHERE version = 1")
    with pytest.raises(ConfigurationError, match="0001_create_a was never applied, but 0002_create_b was"):
        migrate(empty, tmp_path)


def test_at_once(empty: Database, tmp_path: Path, write: Write) -> None:
    """Of several migrators at once one works, the others wait and find nothing to do."""
    write(
        m0001_create_a="SELECT pg_sleep(0.3); CREATE TABLE a (n INTEGER)",
        m0002_create_b="CREATE TABLE b (n TEXT)",
    )
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: migrate(empty, tmp_path), range(4)))
    assert [[], [], [], ["0001_create_a", "0002_create_b"]] == sorted(applied)


def test_killed_migrator(empty: Database, tmp_path: Path, write: Write) -> None:
    """A migrator that is killed halfway leaves no lock and no half migration."""
    write(
        m0001_create_a="CREATE TABLE a (n INTEGER)",
        m0002_create_b="CREATE TABLE b (n TEXT); SELECT pg_sleep(30)",
    )
    code = (
        "import sys; from pathlib import Path; from llm_monitoring.db import Database, migrate\n"
        "migrate(Database(sys.argv[1]).open(), Path(sys.argv[2]))"
    )
    with subprocess.Popen([sys.executable, "-c", code, empty.dsn, str(tmp_path)], cwd=ROOT) as process:
        while not empty.one("SELECT 1 AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
            assert process.poll() is None
        process.kill()
    empty.all("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    write(m0002_create_b="CREATE TABLE b (n TEXT)")
    assert ["0002_create_b"] == migrate(empty, tmp_path)
    assert ["a", "b"] == tables(empty)


def test_shipped(empty: Database) -> None:
    """The product's own migrations build an empty database, and nothing is left pending."""
    applied = migrate(empty)
    assert len(applied) > 0
    assert [] == pending(empty)


def test_shipped_on_legacy(legacy_database_url: str) -> None:
    """The product's own migrations run on the older form of the tables and keep every row."""
    counted = ("users", "llm_monitoring_projects", "llm_monitoring_queries", "llm_monitoring_results")
    with Database(legacy_database_url, retry_seconds=10.0) as db:
        before = [db.one(f"SELECT count(*) AS n FROM {table}") for table in counted]
        migrate(db)
        after = [db.one(f"SELECT count(*) AS n FROM {table}") for table in counted]
        left = pending(db)
    assert before == after
    assert [] == left


@pytest.fixture
def legacy(legacy_database_url: str) -> Iterator[Database]:
    with Database(legacy_database_url, retry_seconds=10.0) as database:
        yield database


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("SELECT sum(cost_usd) FROM llm_monitoring_results", 'view host_report depends on column "cost_usd"'),
        ("SELECT * FROM llm_visibility_comparison", "view host_report depends on view llm_visibility_comparison"),
    ],
)
def test_shipped_under_a_view_of_the_host(legacy: Database, query: str, named: str) -> None:
    """A view of the host that keeps a column's type is named with what to do; without it the migrations run."""
    legacy.execute(f"CREATE VIEW host_report AS {query}")
    with pytest.raises(ConfigurationError, match=f"{named}.*drop what depends on it, migrate, and create it again"):
        migrate(legacy)
    legacy.execute("DROP VIEW host_report")
    migrate(legacy)
    assert [] == pending(legacy)


def test_shipped_as_another_role(legacy: Database) -> None:
    """Who does not own the tables is told to migrate as their owner."""
    legacy.execute("CREATE ROLE guest LOGIN; GRANT ALL ON SCHEMA public TO guest")
    try:
        with (
            Database(legacy.dsn.replace("postgres@", "guest@"), retry_seconds=0) as guest,
            pytest.raises(ConfigurationError, match="must be owner of") as caught,
        ):
            migrate(guest)
    finally:
        legacy.execute("DROP OWNED BY guest; DROP ROLE guest")
    assert "migrate` as the owner of the tables" in explain(caught.value)


@pytest.mark.ci
def test_shipped_on_unique_indexes(legacy: Database) -> None:
    """Old keys that are bare indexes go as the constraints do: a prompt may have two samples, a day two models."""
    keys = {
        "llm_monitoring_results": "project_id, query_id, llm_provider, analysis_date",
        "llm_monitoring_snapshots": "project_id, llm_provider, snapshot_date",
    }
    for table, columns in keys.items():
        row = legacy.one(f"SELECT conname FROM pg_constraint WHERE contype = 'u' AND conrelid = '{table}'::regclass")
        assert row is not None
        legacy.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{row["conname"]}"')
        legacy.execute(f"CREATE UNIQUE INDEX ON {table} ({columns})")
    migrate(legacy)
    sample = legacy.execute(
        "INSERT INTO llm_monitoring_results"
        " (project_id, query_id, llm_provider, analysis_date, sample, query_text, brand_name)"
        " SELECT project_id, query_id, llm_provider, analysis_date, 2, query_text, brand_name"
        " FROM llm_monitoring_results"
    )
    model = legacy.execute(
        "INSERT INTO llm_monitoring_snapshots (project_id, llm_provider, snapshot_date, model_id, total_queries)"
        " SELECT project_id, llm_provider, snapshot_date, 'another', 1 FROM llm_monitoring_snapshots"
    )
    assert 1 == sample
    assert 1 == model


@pytest.mark.ci
def test_shipped_on_a_project_that_names_no_provider(legacy: Database) -> None:
    """Where a host left the providers open, a project asks all of them; where it chose none, nobody."""
    legacy.execute("UPDATE llm_monitoring_projects SET enabled_llms = CASE id WHEN 2 THEN ARRAY[]::text[] END")
    migrate(legacy)
    assert [PROVIDERS, ()] == [projects.read_project(row).providers for row in projects.active(legacy)]


@pytest.mark.ci
def test_shipped_on_accounts_without_a_key(legacy: Database) -> None:
    """A host that lost the rule "one account a user" has it again; users who have two by now are named first."""
    legacy.execute("ALTER TABLE user_llm_api_keys DROP CONSTRAINT user_llm_api_keys_user_id_key")
    legacy.execute("INSERT INTO user_llm_api_keys (user_id) VALUES (2)")
    with pytest.raises(ConfigurationError, match="several rows of user 2: keep one of each, then migrate again"):
        migrate(legacy)
    legacy.execute("DELETE FROM user_llm_api_keys WHERE id = 3")
    migrate(legacy)
    with pytest.raises(Conflict):
        legacy.execute("INSERT INTO user_llm_api_keys (user_id) VALUES (1)")


def test_shipped_in_front_of_the_tables_of_the_host(legacy: Database) -> None:
    """A schema before the host's in the search path would get empty tables, and the host's projects no more runs."""
    legacy.execute("CREATE SCHEMA app")
    mark = "&" if "?" in legacy.dsn else "?"
    with Database(f"{legacy.dsn}{mark}options=-csearch_path%3Dapp%2Cpublic") as db:
        with pytest.raises(ConfigurationError, match=r"the tables are in schema public, .* put public first"):
            migrate(db)
        assert [] == db.all("SELECT FROM pg_tables WHERE schemaname = 'app'")
    with Database(f"{legacy.dsn}{mark}options=-csearch_path%3Dpublic%2Capp") as db:
        assert migrate(db)


def test_shipped_next_to_tables_that_the_search_path_does_not_find(legacy: Database) -> None:
    """A restored database lacks the search path of the first one; a search path that is set decides."""
    legacy.execute("CREATE SCHEMA app; ALTER TABLE llm_monitoring_projects SET SCHEMA app")
    with pytest.raises(ConfigurationError, match=r"in schema app, .* put app first .* set it to public alone"):
        migrate(legacy)
    mark = "&" if "?" in legacy.dsn else "?"
    with Database(f"{legacy.dsn}{mark}options=-csearch_path%3Dpublic") as db:
        assert migrate(db)
