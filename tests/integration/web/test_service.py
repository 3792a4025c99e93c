"""What surrounds the routers: limits, hosts, problems, logs, health, and a start on a real port."""

from __future__ import annotations

import base64
import json
import logging
import urllib.request
from threading import Thread

import pytest
import uvicorn

from llm_monitoring.db import PooledSessions
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.settings.fields import load_settings
from llm_monitoring.web import paging
from llm_monitoring.web.boundary import MOST_BODY_BYTES
from llm_monitoring.web.context import open_service
from llm_monitoring.web.service import bounded
from tests.integration.pooled import pooler
from tests.integration.web.world import World


def test_health_says_whether_the_database_answers(world: World) -> None:
    """Without a token, under any host name, and in no log."""
    assert "ok" == world.http.get("/healthz", headers={"Host": "10.0.0.7:8000"}).text
    assert "ok" == world.http.get("/healthz").text


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "code"),
    [
        ("GET", "/nothing", {}, None, (404, "not_found")),
        ("DELETE", "/me", {}, None, (405, "method_not_allowed")),
        ("GET", "/me", {"Host": "evil.example"}, None, (400, "bad_request")),
        ("POST", "/projects", {"Content-Type": "text/plain"}, b"x", (415, "unsupported_media_type")),
        ("POST", "/projects", {"Content-Type": "application/json"}, b"{", (400, "bad_request")),
        ("POST", "/projects", {"Content-Type": "application/json"}, b" " * (MOST_BODY_BYTES + 1), (413, "too_large")),
        ("GET", "/projects?limit=201", {}, None, (422, "invalid")),
        ("GET", "/projects?cursor=x", {}, None, (422, "invalid")),
        ("GET", "/projects/99999999999", {}, None, (422, "invalid")),
    ],
)
def test_every_refusal_is_a_problem(
    world: World, method: str, path: str, headers: dict[str, str], body: bytes | None, code: tuple[int, str]
) -> None:
    """Also the framework's own, with a code and the request's number."""
    found = world.call(method, path, headers=headers, content=body)
    status, name = code
    assert status == found.status_code
    assert name == found.json()["code"]
    assert "application/problem+json" == found.headers["content-type"]
    assert "request-0001" == found.json()["request_id"] == found.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/llm-monitoring/projects/", 200),
        ("GET", "/api/llm-monitoring/projects/?limit=1", 200),
        ("DELETE", "/api/llm-monitoring/me/", 405),
        ("POST", "/mcp/", 200),
        ("GET", "/sign-in/", 200),
        ("GET", "/nothing/", 404),
    ],
)
def test_a_slash_at_the_end_changes_nothing(world: World, method: str, path: str, status: int) -> None:
    """No redirect: it would name the scheme between proxy and service, and a program would follow it with its token."""
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"} if method == "POST" else None
    headers = {"Authorization": f"Bearer {world.texts['ana']}", "X-Forwarded-Proto": "http"}
    found = world.http.request(method, path, headers=headers, json=ping)
    assert status == found.status_code
    assert "location" not in found.headers


def test_a_slash_that_ends_a_name_stays(world: World) -> None:
    """A competitor's name may end in one."""
    made = world.call("POST", f"/projects/{world.project}/competitors", json={"name": "A/B/"})
    assert 204 == world.call("DELETE", made.headers["location"].partition("monitoring")[2]).status_code


@pytest.mark.short(every=6)
@pytest.mark.parametrize("place", [["x"], [], [1, 2], [-1], [2**70], [None], [[1]], 7, "x"])
@pytest.mark.parametrize(
    "noun", ["", "/prompts", "/orders", "/results", "/snapshots", "/competitors", "/sources", "/notes"]
)
def test_a_cursor_that_was_not_made_here_is_refused(steady_world: World, noun: str, place: object) -> None:
    """Also one with a mark that fits: a place that is no number is a bad request, and no error of ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paging, "mark_of", lambda filters: "mark")
        forged = base64.urlsafe_b64encode(json.dumps(["mark", place]).encode()).decode().rstrip("=")
        path = f"/projects/{steady_world.project}{noun}" if noun else "/projects"
        assert 422 == steady_world.call("GET", path, params={"cursor": forged}).status_code


def test_a_body_without_length_is_counted(world: World) -> None:
    """Chunk by chunk, up to the same limit."""
    parts = (b" " * 100_000 for _ in range(11))
    assert (
        413 == world.call("POST", "/projects", content=parts, headers={"Content-Type": "application/json"}).status_code
    )


@pytest.mark.parametrize(
    ("language", "title"), [("es-ES,es;q=0.9", "Hace falta un token válido"), ("de, en", "A valid token is needed")]
)
def test_titles_follow_the_callers_language(world: World, language: str, title: str) -> None:
    """Spanish if it is asked for, else English; the code is the same."""
    assert title == world.call("GET", "/me", "", headers={"Accept-Language": language}).json()["title"]


def test_an_error_of_ours_says_nothing_of_itself(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """500 with the request's number; the trace is in the log alone."""
    world.db.execute("ALTER TABLE llm_monitoring_projects RENAME COLUMN brand_name TO brand")
    with caplog.at_level(logging.ERROR):
        found = world.call("GET", f"/projects/{world.project}")
    assert 500 == found.status_code
    assert "internal" == found.json()["code"]
    assert "brand_name" not in found.text


def test_the_log_has_paths_as_declared_and_no_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """No number of a project, no query, no token."""
    with caplog.at_level(logging.INFO):
        world.call("GET", f"/projects/{world.project}/results?competitor=Holded")
    (line,) = [record for record in caplog.records if getattr(record, "event", "") == "web.request"]
    assert "/projects/{project_id}/results" in line.__dict__["path"]
    ours = "".join(record.getMessage() for record in caplog.records if record.name.startswith("llm_monitoring"))
    assert "Holded" not in ours
    assert world.texts["ana"] not in caplog.text


def test_a_database_that_needs_a_migration_is_refused(empty_database_url: str) -> None:
    """The service never migrates: it says what to run."""
    settings = load_settings({"DATABASE_URL": empty_database_url}, dotenv=False)
    with pytest.raises(ConfigurationError, match="migrate"), open_service(settings):
        pass


def test_the_service_refuses_a_pooler_in_transaction_mode(database_url: str) -> None:
    """Each statement could run in a session that is bound to another visitor's rows."""
    with pooler(database_url) as url:
        settings = load_settings({"DATABASE_URL": url}, dotenv=False)
        with pytest.raises(PooledSessions, match="session mode"), open_service(settings):
            pass


def test_it_serves_on_a_port_and_stops(world: World) -> None:
    """A real server answers over HTTP and ends when it is asked to."""
    server = uvicorn.Server(uvicorn.Config(bounded(world.service), port=0, log_config=None))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"Authorization": f"Bearer {world.texts['ana']}", "Host": "testserver"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/llm-monitoring/me", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert world.ana == json.load(answer)["user_id"]
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize("path", ["/api/llm-monitoring/projects", "/api/llm-monitoring/me", "/healthz"])
def test_what_names_no_other_way_is_stored_nowhere(steady_world: World, path: str) -> None:
    """By no browser and no proxy."""
    answer = steady_world.http.get(path, headers={"Authorization": f"Bearer {steady_world.texts['ana']}"})
    assert 200 == answer.status_code
    assert "no-store" == answer.headers["cache-control"]
