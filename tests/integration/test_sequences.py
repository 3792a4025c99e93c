"""A sequence that a restore of data alone left behind its table stops no insert."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from llm_monitoring import projects
from llm_monitoring.db import Conflict, Database, in_transaction
from llm_monitoring.errors import AlreadyExists
from tests.environment import Environment

RESTORED = (
    "INSERT INTO users (id, email) SELECT n, 'restored' || n || '@example.com' FROM generate_series(1, %(n)s) AS n"
)


@pytest.mark.parametrize("rows", [1, 40, 10_001])
def test_an_insert_after_a_restore(db: Database, rows: int) -> None:
    """The row gets the id after the highest, however far the sequence was behind."""
    db.execute(RESTORED, {"n": rows})
    assert rows + 1 == projects.add_user(db, "new@example.com")
    assert rows + 2 == projects.add_user(db, "next@example.com")


def test_the_log_says_it(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    """The operator reads which table was behind and by how much."""
    db.execute(RESTORED, {"n": 3})
    with caplog.at_level(logging.WARNING):
        projects.add_user(db, "new@example.com")
    assert "🔢 La secuencia de users iba 2 por detrás de sus filas" in caplog.text


def test_an_identity_column(db: Database) -> None:
    """The sequence of an identity column is brought forward as that of a serial column is."""
    entry = "INSERT INTO llm_audit_log ({id}user_id, actor_kind, action) {given} VALUES ({n}1, 'command', 'key.set')"
    db.execute(entry.format(id="id, ", given="OVERRIDING SYSTEM VALUE", n="7, "))
    db.execute("SELECT setval('llm_audit_log_id_seq', 6)")
    assert [{"id": 8}] == db.all(entry.format(id="", given="", n="") + " RETURNING id")


def test_stores_in_one_transaction(db: Database) -> None:
    """Inside a transaction that its caller began, the store's work is done again and what came before it is kept."""
    db.execute(RESTORED, {"n": 40})
    db.execute("SELECT setval('users_id_seq', 100)")

    def work(inside: Database) -> tuple[int, int]:
        first = projects.add_user(inside, "first@example.com")
        inside.execute("INSERT INTO users (id, email) VALUES (102, 'host@example.com'), (103, 'host2@example.com')")
        return first, projects.add_user(inside, "second@example.com")

    assert (101, 104) == in_transaction(db, work)


def test_many_sessions_at_once(db: Database) -> None:
    """Those that find the sequence already brought forward by another session try again, too."""
    db.execute(RESTORED, {"n": 40})
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda n: projects.add_user(db, f"new{n}@example.com"), range(16)))
    assert 16 == len(set(added))
    assert 40 < min(added)


def test_a_row_that_exists(db: Database) -> None:
    """A conflict of any other kind stays one, and no sequence moves for it."""
    user = projects.add_user(db, "ana@example.com")
    with pytest.raises(AlreadyExists):
        projects.add_user(db, "ana@example.com")
    with pytest.raises(Conflict):
        db.execute("INSERT INTO user_llm_api_keys (user_id) VALUES (%(u)s), (%(u)s)", {"u": user})


@pytest.mark.ci
def test_a_day_after_a_restore(environment: Environment) -> None:
    """Each paid answer of the day is stored and charged, and the run, its answers and its figures have new ids."""
    project = environment.add_project(environment.add_user(), ["¿Qué es Quipu?", "¿Qué programa conviene?"])
    assert 0 == environment.run("--date", "2026-01-01")[0]
    for table in ("results", "snapshots", "analysis_runs"):
        environment.db.execute(f"SELECT setval('llm_monitoring_{table}_id_seq', 1, FALSE)")
    code, output = environment.run("--date", "2026-01-02")
    assert 0 == code, output
    assert 8 == environment.count(
        f"llm_monitoring_results WHERE project_id = {project} AND analysis_date = '2026-01-02'"
    )
    assert environment.billed() == environment.charged()
