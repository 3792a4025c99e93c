"""What no one can use any more is deleted by the daily run."""

from __future__ import annotations

import pytest

from llm_monitoring import projects
from llm_monitoring.access import expiry, one_time, requests, sessions, shares, sign_ins
from llm_monitoring.access.audit import Actor
from llm_monitoring.access.expiry import remove_expired
from llm_monitoring.analysis import Entity
from llm_monitoring.db import Database

OLD = {
    "llm_sign_in_links": "created_at = now() - interval '9 days', expires_at = now() - interval '8 days'",
    "llm_sessions": "ended_at = now() - interval '31 days'",
    "llm_spent_hand_offs": "spent_at = now() - interval '25 hours'",
    "llm_share_links": "revoked_at = now() - interval '91 days'",
    "llm_idempotency_keys": "created_at = now() - interval '3 days'",
}


@pytest.fixture
def user(db: Database) -> int:
    """A user with one of each thing that expires."""
    made = projects.add_user(db, "ana@example.com")
    project = projects.add(db, projects.NewProject(made, "Quipu", Entity("Quipu"), "software"))
    sign_ins.new_link(db, made)
    sessions.begin(db, made, "link")
    db.execute("INSERT INTO llm_spent_hand_offs (hand_off_hash) VALUES (%(hash)s)", {"hash": one_time.hash_of("a")})
    shares.create(db, Actor("command", made), project, "A client", report=b"<html>")
    requests.begin(db, made, "key", "POST /projects", b"{}")
    return made


def counts(db: Database) -> dict[str, int]:
    return {table: len(db.all(f"SELECT FROM {table}")) for table in OLD}


def test_what_is_in_use_stays(db: Database, user: int) -> None:
    """Nothing that is open, and nothing that was over a moment ago."""
    db.execute("UPDATE llm_sessions SET ended_at = now()")
    db.execute("UPDATE llm_share_links SET revoked_at = now()")
    assert 0 == remove_expired(db)
    assert dict.fromkeys(OLD, 1) == counts(db)


@pytest.mark.short(every=4)
@pytest.mark.parametrize("table", OLD)
def test_what_is_over_for_long_is_deleted(db: Database, user: int, table: str) -> None:
    """Of each kind, and nothing of the others."""
    db.execute(f"UPDATE {table} SET {OLD[table]}")
    assert 1 == remove_expired(db)
    assert dict.fromkeys(OLD, 1) | {table: 0} == counts(db)


def test_it_is_deleted_in_batches(db: Database, user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the run goes on: the rest is left to the next one."""
    monkeypatch.setattr(expiry, "BATCH", 2)
    for _ in range(4):
        sessions.begin(db, user, "link")
    db.execute("UPDATE llm_sessions SET ended_at = now() - interval '31 days'")
    turns = iter([False, True, True, False, False, False, False])  # the first kind, then two batches of sessions
    assert 4 == remove_expired(db, go_on=lambda: next(turns))
    assert 1 == remove_expired(db)
