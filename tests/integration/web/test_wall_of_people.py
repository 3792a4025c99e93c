"""Row-level security for people and share links: the web role signs in, and a share sees its project alone."""

from __future__ import annotations

import pytest

from llm_monitoring.access import sign_ins
from llm_monitoring.access.audit import Actor
from llm_monitoring.db.database import Database
from llm_monitoring.db.scoped import ProjectDatabase, UserDatabase
from llm_monitoring.errors import MonitoringError
from tests.integration.test_grants import as_login
from tests.integration.web.test_sign_in import cookie_of, new_link
from tests.integration.web.test_wall import world
from tests.integration.web.world import World, add_project

__all__ = ["world"]

TABLES = ("llm_monitoring_projects", "llm_monitoring_queries", "llm_monitoring_results", "llm_monitoring_snapshots")
CLOSED = (
    "user_llm_api_keys",
    "llm_call_attempts",
    "llm_audit_log",
    "llm_api_tokens",
    "llm_sessions",
    "llm_sign_in_links",
    "llm_people",
    "llm_share_links",
    "llm_project_viewers",
    "llm_viewer_invitations",
)


def test_people_sign_in_within_the_wall(world: World) -> None:
    """By a link, to a session that is used and ended, with the record of both."""
    sign_ins.invite(world.db, Actor("command", world.ana))
    cookies = cookie_of(world.open(new_link(world, world.ana), method="POST"))
    assert 303 == world.open("/sign-out", cookies, method="POST").status_code
    rows = world.db.all("SELECT action FROM llm_audit_log WHERE actor_kind = 'person' ORDER BY id")
    assert ["session.begin", "session.end"] == [row["action"] for row in rows]


def test_a_share_sees_its_project_alone(world: World) -> None:
    """No other project, not even one of the same owner, and nothing of the account."""
    add_project(world.db, world.bea, "Other")
    with Database(as_login(world.db.dsn, "web"), size=1) as pool:
        shared = ProjectDatabase(pool, world.foreign)
        assert [{"id": world.foreign}] == shared.all("SELECT id FROM llm_monitoring_projects")
        for table in TABLES[1:]:
            found = shared.all(f"SELECT DISTINCT project_id FROM {table}")
            assert [{"project_id": world.foreign}] == found, table
        for table in CLOSED:
            assert [] == shared.all(f"SELECT 1 AS one FROM {table}"), table
        assert [] == pool.all("SELECT id FROM llm_monitoring_projects")


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE llm_monitoring_projects SET name = 'x'",
        "DELETE FROM llm_monitoring_queries",
        "UPDATE llm_share_links SET opens = 9",
        "DELETE FROM llm_project_viewers",
    ],
)
def test_a_share_writes_nothing(world: World, sql: str) -> None:
    """Not in its own project either."""
    with Database(as_login(world.db.dsn, "web"), size=1) as pool:
        assert 0 == ProjectDatabase(pool, world.foreign).execute(sql)


def test_a_user_sees_own_sessions_and_invitations_alone(world: World) -> None:
    """And viewers of own projects; of other users nothing."""
    for user in (world.ana, world.bea):
        sign_ins.invite(world.db, Actor("command", user))
        world.open(new_link(world, user), method="POST")
    world.db.execute("INSERT INTO llm_project_viewers VALUES (%(p)s, %(u)s)", {"p": world.foreign, "u": world.ana})
    with Database(as_login(world.db.dsn, "web"), size=1) as pool:
        mine = UserDatabase(pool, world.ana)
        for table in ("llm_sessions", "llm_sign_in_links", "llm_people"):
            assert [{"user_id": world.ana}] == mine.all(f"SELECT user_id FROM {table}"), table
        viewer = {"project_id": world.foreign, "user_id": world.ana}
        assert [viewer] == UserDatabase(pool, world.bea).all("SELECT project_id, user_id FROM llm_project_viewers")
        assert 0 == mine.execute("DELETE FROM llm_project_viewers")


@pytest.mark.ci
def test_links_are_shared_within_the_wall(world: World) -> None:
    """Made, opened, counted and revoked by the web role; with the agency's name, which a viewer does not see set."""
    assert 200 == world.call("PUT", "/agency", json={"name": "Acme Agency"}).status_code
    path = f"/projects/{world.project}/shares"
    for kind in ("live", "frozen"):
        made = world.call("POST", path, json={"label": "Acme", "kind": kind}).json()
        answer = world.open(f"/s/{made['token']}", headers={"Sec-Fetch-Mode": "navigate"})
        page = world.open(answer.headers["location"], cookie_of(answer))
        assert 200 == page.status_code
        assert "Acme Agency" in page.text
        assert 204 == world.call("DELETE", f"{path}/{made['id']}").status_code
    assert [1, 1] == [row["opens"] for row in world.call("GET", path).json()["data"]]
    assert 204 == world.call("DELETE", "/agency").status_code


def test_who_was_invited_becomes_a_viewer_within_the_wall(world: World) -> None:
    """By the own address at a sign-in; no one makes a viewer of oneself, or sees who else was invited."""
    invited = {"p": world.foreign, "e": "ana@example.com"}
    world.db.execute("INSERT INTO llm_viewer_invitations VALUES (%(p)s, %(e)s), (%(p)s, 'bob@example.com')", invited)
    with Database(as_login(world.db.dsn, "web"), size=1) as pool:
        mine, add = UserDatabase(pool, world.ana), "INSERT INTO llm_project_viewers VALUES (%(p)s, %(u)s)"
        assert [{"email": "ana@example.com"}] == mine.all("SELECT email FROM llm_viewer_invitations")
        assert 2 == len(UserDatabase(pool, world.bea).all("SELECT email FROM llm_viewer_invitations"))
        with pytest.raises(MonitoringError, match="row-level security"):
            UserDatabase(pool, world.bea).execute(add, {"p": world.project, "u": world.bea})
        with pytest.raises(MonitoringError, match="row-level security"):
            mine.execute("INSERT INTO llm_viewer_invitations VALUES (%(p)s, %(e)s)", {**invited, "e": "c@example.com"})
        assert 0 == mine.execute("DELETE FROM llm_viewer_invitations")
    sign_ins.invite(world.db, Actor("command", world.ana))
    cookies = cookie_of(world.open(new_link(world, world.ana), method="POST"))
    assert 200 == world.open(f"/projects/{world.foreign}", cookies).status_code


def test_an_owner_invites_within_the_wall(world: World) -> None:
    """By the page, a user and a stranger, and withdraws both."""
    sign_ins.invite(world.db, Actor("command", world.ana))
    cookies = cookie_of(world.open(new_link(world, world.ana), method="POST"))
    path = f"/projects/{world.project}/reports/viewers"
    for email in ("bea@example.com", "bob@example.com"):
        assert 303 == world.open(path, cookies, "POST", data={"email": email}).status_code
    world.app.state.links.thread.submit(lambda: None).result(timeout=30)
    assert [{"user_id": world.bea}] == world.db.all("SELECT user_id FROM llm_project_viewers")
    for email in ("bea@example.com", "bob@example.com"):
        assert 303 == world.open(f"{path}/remove", cookies, "POST", data={"email": email}).status_code
    assert [] == world.db.all("SELECT user_id FROM llm_project_viewers")
