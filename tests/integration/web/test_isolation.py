"""Who may see what: every operation of the document, as every kind of caller."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute

from llm_monitoring.access import tokens
from llm_monitoring.access.tokens import SCOPES
from llm_monitoring.web.guard import CALLER, PROJECT_CALLER, identify, reach
from llm_monitoring.web.service import PREFIX, ROUTERS
from tests.integration.web.world import REQUEST, World, add_project

BODIES: Final[dict[str, Any]] = {
    "projects": {"name": "Foreign", "brand": {"name": "Foreign"}, "industry": "x"},
    "prompts": {"prompts": [{"query_text": "¿Otra?"}]},
    "competitors": {"name": "Otra"},
    "dismissed": {"name": "Otra"},
    "kinds": {"kind": "forum"},
    "shares": {"label": "A client"},
    "agency": {"name": "Agency"},
    "notes": {"day": "2026-11-01", "text": "A note."},
    "PUT competitors": {"competitors": [{"name": "Otra"}]},
    "api-keys": {"provider": "openai", "api_key": "sk-proj-isolation-aaaaaaaaaaaaaaaaaaaaaaaa"},
}
PLACES: Final[dict[str, Any]] = {"site": "example.org", "note_id": 1, "share_id": 1, "job_id": 1, "token_id": 999_999}
TABLES: Final = (
    "llm_monitoring_projects",
    "llm_monitoring_queries",
    "user_llm_api_keys",
    "llm_audit_log",
    "llm_analysis_orders",
    "llm_reanalysis_jobs",
    "llm_project_viewers",
    "llm_site_kinds",
    "llm_project_notes",
    "llm_share_links",
    "llm_agencies",
    "llm_prompt_tags",
    "llm_dismissed_names",
)


def operations(world: World) -> Iterator[tuple[str, str, list[str]]]:
    """Every operation of the document with its scopes."""
    for path, methods in world.app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, next(iter(operation["security"][0].values()))


def below_projects(world: World) -> list[tuple[str, str, list[str]]]:
    return [each for each in operations(world) if "{project_id}" in each[1]]


def body_of(method: str, path: str) -> dict[str, Any]:
    if method == "PATCH":
        return {"json": {}}
    noun = re.sub(r"/\{[^}]*\}", "", path.removeprefix(PREFIX)).strip("/").split("/")[-1]
    body = BODIES.get(f"{method} {noun}", BODIES.get(noun))
    return {"json": body} if method in {"POST", "PUT"} and body else {}


def send(world: World, method: str, path: str, token: str | None, project: int, **headers: str) -> Any:
    """Call an operation on a project, with a body that it takes."""
    address = path.format(
        project_id=project, prompt_id=1, answer_id=1, provider="openai", order_id=1, name="Holded", **PLACES
    )
    if path.endswith("/names/preview"):
        address += "?name=Otra"
    sent = {**REQUEST, "If-Match": "*", **({"Authorization": f"Bearer {token}"} if token else {}), **headers}
    return world.http.request(method, address, headers=sent, **body_of(method, path))


def contents(world: World) -> list[Any]:
    return [world.db.all(f"SELECT t.*::text FROM {table} t ORDER BY 1") for table in TABLES]


def test_every_route_has_the_guard_and_its_scopes(world: World) -> None:
    """A new route without it, and a turn, fails here: below a project the project's guard, elsewhere the caller's."""

    def calls(dependant: Any) -> set[Any]:
        return {dependant.call}.union(*(calls(each) for each in dependant.dependencies), set())

    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert len(routes) == len(list(operations(world)))
    for route in routes:
        needed = {reach, PROJECT_CALLER} if "{project_id}" in route.path else {identify, CALLER}
        assert needed <= calls(route.dependant), route.path


@pytest.mark.short(every=2)
@pytest.mark.parametrize("kind", ["anonymous", "mistyped", "unknown", "expired", "revoked"])
def test_without_a_valid_token_nothing_is_told_or_done(world: World, kind: str) -> None:
    """401 for every operation, and the database is unchanged."""
    text = world.token(world.ana)
    if kind == "expired":
        world.db.execute(
            "UPDATE llm_api_tokens SET created_at = now() - interval '2 days', expires_at = now() - interval '1 day'"
        )
    elif kind == "revoked":
        world.db.execute("UPDATE llm_api_tokens SET revoked_at = now()")
    given = {
        "anonymous": None,
        "mistyped": text[:-1] + ("0" if text[-1] != "0" else "1"),
        "unknown": tokens.new_text(),
    }.get(kind, text)
    before = contents(world)
    for method, path, _ in operations(world):
        answer = send(world, method, path, given, world.project)
        assert 401 == answer.status_code, (method, path)
        assert "unauthenticated" == answer.json()["code"], (method, path)
    assert before == contents(world)


def test_each_operation_needs_its_scopes(world: World) -> None:
    """Without one of them: 403 that names it, whatever the project, and nothing changes."""
    before = contents(world)
    for method, path, needed in operations(world):
        for scope in needed:
            text = world.token(world.ana, [each for each in SCOPES if each != scope])
            for project in (world.project, world.foreign):
                answer = send(world, method, path, text, project)
                assert 403 == answer.status_code, (method, path, scope)
                assert scope == answer.json()["detail"], (method, path, scope)
    assert before == contents(world)


@pytest.mark.short("other tenant")
@pytest.mark.parametrize("kind", ["other tenant", "narrowed"])
def test_a_foreign_project_is_a_missing_one(world: World, kind: str) -> None:
    """Every operation gives both the same answer, byte for byte, and changes nothing."""
    if kind == "narrowed":
        target = add_project(world.db, world.ana, "Other")
        text = world.token(world.ana, project_ids=[world.project])
    else:
        text, target = world.texts["ana"], world.foreign
    before = contents(world)
    for method, path, _ in below_projects(world):
        foreign, missing = (send(world, method, path, text, number) for number in (target, 999_999))
        assert 404 == foreign.status_code, (method, path)
        assert missing.content == foreign.content, (method, path)
    assert before == contents(world)


def test_a_viewer_sees_and_changes_nothing(world: World) -> None:
    """Reading works; every operation that writes gives the answer of a missing project."""
    world.db.execute("INSERT INTO llm_project_viewers VALUES (%(p)s, %(u)s)", {"p": world.foreign, "u": world.ana})
    before = contents(world)
    for method, path, needed in below_projects(world):
        answer = send(world, method, path, world.texts["ana"], world.foreign)
        writes = any(scope.endswith((":write", ":start")) for scope in needed)
        if writes:
            assert 404 == answer.status_code, (method, path)
        elif "_id}" not in path.removeprefix(f"{PREFIX}/projects/{{project_id}}"):
            assert 200 == answer.status_code, (method, path)
    assert before == contents(world)
    assert {"viewer"} == {
        row["role"] for row in world.call("GET", "/projects").json()["data"] if row["id"] == world.foreign
    }


def test_a_narrowed_token_lists_its_projects_alone(world: World) -> None:
    """And it changes nothing of the account that serves all projects."""
    add_project(world.db, world.ana, "Other")
    text = world.token(world.ana, project_ids=[world.project])
    assert [world.project] == [row["id"] for row in world.call("GET", "/projects", text).json()["data"]]
    assert 403 == world.call("POST", "/projects", text, json=BODIES["projects"]).status_code
    assert 403 == world.call("PUT", "/api-keys", text, json=BODIES["api-keys"]).status_code


def test_a_token_is_stored_as_a_hash(world: World) -> None:
    """No column holds its text, and its use is noted."""
    text = world.texts["ana"]
    world.call("GET", "/me")
    rows = world.db.all("SELECT t.*::text AS text FROM llm_api_tokens t")
    assert not [row for row in rows if text in row["text"]]
    used = world.db.one("SELECT last_used_at FROM llm_api_tokens WHERE id = 1")
    assert used is not None
    assert datetime.now(UTC) - used["last_used_at"] < timedelta(minutes=1)
