"""Row-level security: what the web service's own role sees and writes if the guard failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest

from llm_monitoring.access import roles
from llm_monitoring.access.roles import ProjectRole
from llm_monitoring.db.database import Database
from llm_monitoring.db.scoped import UserDatabase
from tests.conftest import Databases
from tests.integration.stored import Book
from tests.integration.test_grants import UNCALLABLE, as_login, execute, grants
from tests.integration.web.test_isolation import below_projects, contents, send
from tests.integration.web.test_results import DAYS
from tests.integration.web.world import World, open_world, sign_in, two_users

WALLED = (
    "llm_monitoring_projects",
    "llm_monitoring_queries",
    "llm_prompt_tags",
    "llm_dismissed_names",
    "llm_monitoring_results",
    "llm_monitoring_snapshots",
    "user_llm_api_keys",
    "llm_call_attempts",
    "llm_audit_log",
    "llm_idempotency_keys",
    "llm_analysis_orders",
    "llm_site_kinds",
    "llm_project_notes",
    "llm_pacing",
    "llm_paced_days",
    "llm_paced_projects",
    "llm_batches",
)

TAGGED = {"query_text": "¿Qué CRM?", "tags": ["crm"]}


def grant(url: str) -> None:
    execute(url, UNCALLABLE + grants())
    execute(url, grants())  # it may be run again


@pytest.fixture
def world(databases: Databases) -> Iterator[World]:
    """The service on a login of the web role; Bea's project has answers and figures."""
    template = databases.template("two_users_granted", grant, two_users(databases))
    with databases.clone(template) as url, web_login(url) as service_url, open_world(url, service_url) as made:
        book = Book(made.db, made.foreign)
        for number in range(2):
            book.store(number, DAYS[0], "1. Quipu")
        book.figures(DAYS[0])
        made.db.execute("INSERT INTO llm_prompt_tags SELECT id, 'x' FROM llm_monitoring_queries WHERE project_id = 2")
        made.db.execute("INSERT INTO llm_dismissed_names VALUES (2, 'x', 'X')")
        made.db.execute("INSERT INTO llm_pacing (user_id, steps) VALUES (2, '{rotation}')")
        made.db.execute("INSERT INTO llm_paced_days VALUES (2, '2026-11-02', '2026-11-01', 1, 0, 1, 1, 1, 1)")
        made.db.execute("INSERT INTO llm_paced_projects VALUES (2, '2026-11-02', 2, '{rotation}', 1, '{}', '{}', 1, 1)")
        yield made


@contextmanager
def web_login(url: str) -> Iterator[str]:
    """The address for a login of the web role."""
    execute(url, "CREATE ROLE test_web LOGIN PASSWORD 'pw' IN ROLE llm_monitoring_web")
    yield as_login(url, "web")
    execute(url, "DROP ROLE test_web")


def test_the_service_works_within_the_wall(world: World) -> None:
    """Own projects, prompts, keys, figures and answers are read and written as without it."""
    made = world.call("POST", "/projects", json={"name": "Acme", "brand": {"name": "Acme"}, "industry": "CRM"})
    path = f"/projects/{made.json()['id']}"
    assert 201 == world.call("POST", f"{path}/prompts", json={"prompts": [TAGGED]}).status_code
    assert 200 == world.call("PATCH", path, json={"industry": "ERP"}).status_code
    fields = {"name": "Sheets", "scopes": ["figures:read"], "days": "30"}
    assert 'class="secret"' in world.open("/settings/tokens", sign_in(world, world.ana), "POST", data=fields).text
    latest = world.db.one("SELECT max(id) AS id FROM llm_api_tokens") or {}
    assert 303 == world.open(f"/settings/tokens/{latest['id']}/revoke", sign_in(world, world.ana), "POST").status_code
    key = {"provider": "openai", "api_key": "sk-proj-wall-aaaaaaaaaaaaaaaaaaaaaaaaaaaa"}
    assert 201 == world.call("POST", "/api-keys", json=key).status_code
    assert 201 == world.call("POST", f"{path}/competitors", json={"name": "Holded"}).status_code
    assert 204 == world.call("DELETE", f"{path}/competitors/Holded").status_code
    kinds, notes = f"{path}/sources/kinds/example.org", f"{path}/notes"
    assert [200, 200] == [world.call("PUT", kinds, json={"kind": kind}).status_code for kind in ("forum", "shop")]
    assert 204 == world.call("DELETE", kinds).status_code
    note = world.call("POST", notes, json={"day": "2026-11-01", "text": "Launched"}).json()
    assert 204 == world.call("DELETE", f"{notes}/{note['id']}").status_code
    parts = ("results", "snapshots", "figures", "citations", "competitors", "sources", "sources/gaps", "notes")
    for part in ("/budget", "/models", "/audit", *(f"{path}/{part}" for part in parts)):
        assert 200 == world.call("GET", part).status_code, part
    figures = world.call("GET", f"/projects/{world.foreign}/figures", world.texts["bea"]).json()
    assert (100.0, 2) == tuple(figures["all"]["mention_rate"][name] for name in ("value", "answers"))
    shown = world.call("GET", f"/projects/{world.foreign}/results", world.texts["bea"]).json()
    assert 2 == len(shown["data"])


@pytest.mark.ci
def test_without_the_guard_the_wall_stands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Foreign rows are unseen and unwritable by every operation, and no answer holds anything of theirs."""
    monkeypatch.setattr(roles, "role_of", lambda *_: ProjectRole("owner", False))
    world.db.execute(
        "UPDATE llm_monitoring_projects SET industry = 'canary-of-bea' WHERE id = %(id)s", {"id": world.foreign}
    )
    before = contents(world)
    for method, path, _ in below_projects(world):
        answer = send(world, method, path, world.texts["ana"], world.foreign)
        assert "canary-of-bea" not in answer.text, (method, path)
        assert "Quipu\\n" not in answer.text, (method, path)
    foreign = [str(row) for rows in before for row in rows if "canary-of-bea" in str(row)]
    after = [str(row) for rows in contents(world) for row in rows if "canary-of-bea" in str(row)]
    assert foreign == after
    assert 2 == len(
        world.db.all("SELECT id FROM llm_monitoring_queries WHERE project_id = %(id)s", {"id": world.foreign})
    )


def test_a_session_sees_its_user_alone_and_forgets_him(world: World) -> None:
    """Bound to Ana: her rows; given back: no one's, on the very same connection."""
    with Database(as_login(world.db.dsn, "web"), size=1) as pool:
        mine = UserDatabase(pool, world.ana).all("SELECT user_id FROM llm_monitoring_projects")
        assert [{"user_id": world.ana}] == mine
        for table in WALLED:
            assert [] == pool.all(f"SELECT 1 AS one FROM {table}"), table


@pytest.mark.short(every=9)
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE llm_monitoring_projects SET user_id = 1 WHERE user_id = 2",
        "DELETE FROM llm_monitoring_queries WHERE project_id = 2",
        "UPDATE user_llm_api_keys SET openai_api_key_encrypted = 'x' WHERE user_id = 2",
        "UPDATE llm_api_tokens SET revoked_at = now() WHERE user_id = 2",
        "DELETE FROM llm_prompt_tags",
        "DELETE FROM llm_dismissed_names",
        "UPDATE llm_monitoring_results SET brand_mentioned = TRUE WHERE project_id = 2",
        "UPDATE llm_monitoring_snapshots SET mention_rate = 0 WHERE project_id = 2",
        "DELETE FROM llm_monitoring_snapshots WHERE project_id = 2",
    ],
)
def test_rows_of_others_are_not_touched(world: World, sql: str) -> None:
    """A statement that reaches for them changes none."""
    with Database(as_login(world.db.dsn, "web"), size=1) as pool:
        assert 0 == UserDatabase(pool, world.ana).execute(sql)


def test_a_session_of_no_user_ends_no_token(world: World) -> None:
    """It finds the caller of a token, and changes none."""
    world.token(world.ana)
    with Database(as_login(world.db.dsn, "web"), size=1) as pool:
        assert 0 == pool.execute("UPDATE llm_api_tokens SET revoked_at = now()")
        assert [] != pool.all("SELECT id FROM llm_api_tokens")


def test_a_token_ends_itself_within_the_wall(world: World) -> None:
    """Its use is noted, and its end is stored."""
    token = world.call("GET", "/tokens").json()["data"][0]["id"]
    assert 204 == world.call("DELETE", f"/tokens/{token}").status_code
    (row,) = world.db.all("SELECT last_used_at, revoked_at FROM llm_api_tokens WHERE id = %(id)s", {"id": token})
    assert None not in row.values()


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE user_llm_api_keys SET monthly_budget_usd = 1e6",
        "UPDATE user_llm_api_keys SET current_month_spend = 0",
        "INSERT INTO llm_call_attempts (id) VALUES (gen_random_uuid())",
        "UPDATE llm_model_registry SET cost_per_1m_input_tokens = 0.01",
        "DELETE FROM llm_audit_log",
        "SELECT * FROM llm_call_receipts",
        "SELECT * FROM llm_monitoring_analysis_runs",
        "UPDATE llm_api_tokens SET scopes = '{keys:write}'",
        "INSERT INTO llm_api_tokens VALUES (DEFAULT, 1, 'x', 'llmm_1234567', sha256('x'), '{x}')",
    ],
)
def test_what_the_role_may_not(world: World, sql: str) -> None:
    """Limits, counters, prices, the record and raw replies are out of its reach."""
    with (
        closing(psycopg2.connect(as_login(world.db.dsn, "web"))) as connection,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        connection.cursor().execute(sql)
