"""Projects over the API: made, listed, shown, changed, archived; seen by their users alone."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner, Result

from llm_monitoring import edits, projects
from llm_monitoring.cli.root import root
from llm_monitoring.edits import limits
from llm_monitoring.projects import NewPrompt
from tests.integration.web.world import World, add_project

NEW = {"name": "Acme", "brand": {"name": "Acme", "domains": ["acme.com"]}, "industry": "CRM", "language": "en"}


def test_a_project_is_created_and_shown(world: World) -> None:
    """201 with its address; what was given is shown under the names of columns."""
    made = world.call("POST", "/projects", json=NEW)
    assert 201 == made.status_code
    shown = world.http.get(made.headers["location"], headers={"Authorization": f"Bearer {world.texts['ana']}"})
    assert made.json() == shown.json()
    assert "Acme" == shown.json()["name"]
    assert ["acme.com"] == shown.json()["brand"]["domains"]
    assert "en" == shown.json()["language"]


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"samples_per_query": 21}, "/samples_per_query"),
        ({"brand": {"name": "Acme", "alias": ["x"]}}, "/brand/alias"),
        ({"providers": ["openai", "mistral"]}, "/providers/1"),
    ],
)
def test_a_value_that_is_not_accepted_is_named(world: World, change: dict[str, Any], pointer: str) -> None:
    """422 as a problem with the value's pointer, and nothing is stored."""
    refused = world.call("POST", "/projects", json={**NEW, **change})
    assert 422 == refused.status_code
    assert "application/problem+json" == refused.headers["content-type"]
    assert [pointer] == [each["pointer"] for each in refused.json()["errors"]]
    assert 1 == len(world.call("GET", "/projects").json()["data"])


def test_a_name_that_is_taken_is_refused_in_words(world: World) -> None:
    """What only the store knows is a problem too."""
    refused = world.call("POST", "/projects", json={**NEW, "name": "Quipu"})
    assert 409 == refused.status_code
    assert "already_exists" == refused.json()["code"]
    assert "Quipu" in refused.json()["detail"]


def test_why_a_value_is_refused_is_said_in_the_readers_language(world: World) -> None:
    """In Spanish for who prefers it: the sentence of the problem, and those of its values."""
    spanish = {"Accept-Language": "es"}
    taken = world.call("POST", "/projects", json={**NEW, "name": "Quipu"}, headers=spanish).json()
    assert "Ya tienes otro proyecto con este nombre." == taken["detail"]
    wrong = world.call("POST", "/projects", json={**NEW, "more": 1}, headers=spanish).json()
    assert [{"pointer": "/more", "detail": "Este campo no existe."}] == wrong["errors"]


def test_a_user_has_only_so_many_projects_and_prompts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All or none are added; what is there already is not counted twice, and the command line has no limit."""
    monkeypatch.setattr(limits, "MOST_PROJECTS", 2)
    monkeypatch.setattr(limits, "MOST_PROMPTS", 3)
    path = f"/projects/{world.project}/prompts"
    two = {"prompts": [{"query_text": "¿A?"}, {"query_text": "¿B?"}]}
    refused = world.call("POST", path, json=two)
    assert 422 == refused.status_code
    assert "/prompts" == refused.json()["errors"][0]["pointer"]
    assert 2 == len(world.call("GET", path).json()["data"])
    assert [201, 201] == [world.call("POST", path, json={"prompts": two["prompts"][:1]}).status_code for _ in range(2)]
    assert (2, 0) == edits.add_prompts(world.db, edits.COMMAND, world.project, [NewPrompt("¿C?"), NewPrompt("¿D?")])
    made = [world.call("POST", "/projects", json={**NEW, "name": name}) for name in ("A", "B")]
    assert [201, 422] == [each.status_code for each in made]
    assert "/name" == made[1].json()["errors"][0]["pointer"]


@pytest.mark.parametrize(
    ("limit", "most", "change"),
    [
        ("MOST_CHARACTERS", 50, {"query_text": "¿Qué programa de facturación recomiendas?"}),
        ("MOST_TAGS", 2, {"tags": ["a", "b", "c"]}),
    ],
)
def test_prompts_grow_only_so_far(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, change: dict[str, Any]
) -> None:
    """By new ones and by changes; a project beyond the limit may become smaller, and changes that add nothing go on."""
    path = f"/projects/{world.project}/prompts"
    first = f"{path}/{world.call('GET', path).json()['data'][0]['id']}"
    monkeypatch.setattr(limits, limit, most)
    refused = world.call("PATCH", first, json=change)
    added = world.call("POST", path, json={"prompts": [{"query_text": "¿A?", **change}]})
    assert [422, 422] == [refused.status_code, added.status_code]
    assert f"at most {most} " in refused.json()["errors"][0]["detail"]
    monkeypatch.setattr(limits, limit, 0)
    assert 200 == world.call("PATCH", first, json={"is_active": False}).status_code
    assert 200 == world.call("PATCH", first, json={"query_text": "¿A?", "tags": []}).status_code


def test_a_repeated_request_acts_once(world: World) -> None:
    """The same key and body give the first answer; another body is refused."""
    first, second = (world.call("POST", "/projects", json=NEW, headers={"Idempotency-Key": "k1"}) for _ in range(2))
    assert first.status_code == second.status_code
    assert first.json() == second.json()
    assert 2 == len(world.call("GET", "/projects").json()["data"])
    other = world.call("POST", "/projects", json={**NEW, "name": "B"}, headers={"Idempotency-Key": "k1"})
    assert 422 == other.status_code


def test_lists_come_in_pages(world: World) -> None:
    """Each project once; a cursor of other filters is refused."""
    for number in range(4):
        add_project(world.db, world.ana, f"P{number}")
    names, cursor = [], None
    while True:
        found = world.call("GET", "/projects", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        names += [row["name"] for row in found["data"]]
        if (cursor := found["next_cursor"]) is None:
            break
        last = cursor
    assert ["Quipu", "P0", "P1", "P2", "P3"] == names
    assert 422 == world.call("GET", "/projects", params={"cursor": last, "archived": "true"}).status_code


def test_a_project_is_changed_by_those_who_saw_it(world: World) -> None:
    """PUT needs the ETag; a stale one is refused, and the unchanged project comes without its body."""
    path = f"/projects/{world.project}"
    seen = world.call("GET", path)
    body = {key: seen.json()[key] for key in ("name", "brand", "industry", "competitors", "language")}
    assert 304 == world.call("GET", path, headers={"If-None-Match": seen.headers["etag"]}).status_code
    assert 428 == world.call("PUT", path, json=body).status_code
    changed = world.call("PUT", path, json={**body, "industry": "ERP"}, headers={"If-Match": seen.headers["etag"]})
    assert "ERP" == changed.json()["industry"]
    assert 200 == changed.status_code
    assert 412 == world.call("PUT", path, json=body, headers={"If-Match": seen.headers["etag"]}).status_code


def test_fields_are_patched(world: World) -> None:
    """A field that is left out stays; null takes the default."""
    path = f"/projects/{world.project}"
    assert ["Holded"] == [
        each["name"] for each in world.call("PATCH", path, json={"industry": "ERP"}).json()["competitors"]
    ]
    assert [] == world.call("PATCH", path, json={"competitors": None}).json()["competitors"]
    assert 422 == world.call("PATCH", path, json={"id": 7}).status_code


def test_an_archived_project_is_asked_no_more_and_comes_back(world: World) -> None:
    """Its rows stay; lists leave it out until it is restored, paused."""
    path = f"/projects/{world.project}"
    assert 204 == world.call("DELETE", path).status_code
    assert [] == world.call("GET", "/projects").json()["data"]
    assert [True] == [row["is_archived"] for row in world.call("GET", "/projects?archived=true").json()["data"]]
    assert 2 == len(world.db.all("SELECT id FROM llm_monitoring_queries WHERE project_id = 1"))
    assert (False, False) == tuple(
        world.call("POST", f"{path}/restore").json()[key] for key in ("is_active", "is_archived")
    )


def test_changes_are_recorded_with_their_token(world: World) -> None:
    """In the same transaction: before and after, by whom."""
    world.call("PATCH", f"/projects/{world.project}", json={"industry": "ERP"})
    row = world.db.one(
        "SELECT actor_kind, action, before ->> 'industry' AS old, after ->> 'industry' AS new FROM llm_audit_log"
    )
    assert {"actor_kind": "token", "action": "project.change", "old": "software", "new": "ERP"} == row


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("method", "suffix"), [("GET", ""), ("PATCH", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/restore")]
)
def test_a_project_of_others_is_a_missing_one(world: World, method: str, suffix: str) -> None:
    """The same answer, byte for byte, and nothing is changed."""
    before = world.db.all("SELECT * FROM llm_monitoring_projects ORDER BY id")
    body: dict[str, Any] = {"json": NEW} if method in {"PUT", "PATCH"} else {}
    foreign, missing = (
        world.call(method, f"/projects/{number}{suffix}", headers={"If-Match": "*"}, **body)
        for number in (world.foreign, 999_999)
    )
    assert 404 == foreign.status_code
    assert foreign.content == missing.content
    assert before == world.db.all("SELECT * FROM llm_monitoring_projects ORDER BY id")


def test_a_viewer_is_let_in_and_out_by_the_command_line(
    world: World, monkeypatch: pytest.MonkeyPatch, quiet: None
) -> None:
    """The owner's record has both; who owns the project is refused as its viewer."""
    monkeypatch.setenv("DATABASE_URL", world.db.dsn)

    def command(*arguments: str) -> Result:
        return CliRunner().invoke(root, ["projects", "viewers", *arguments])

    project = str(world.foreign)
    assert 0 == command("add", project, "ana@example.com").exit_code
    assert "ana@example.com" in command("list", project).stdout
    assert 200 == world.call("GET", f"/projects/{project}").status_code
    assert 0 == command("remove", project, "ana@example.com").exit_code
    assert 404 == world.call("GET", f"/projects/{project}").status_code
    assert 2 == command("remove", project, "ana@example.com").exit_code
    assert 2 == command("add", project, "bea@example.com").exit_code
    actions = world.db.all("SELECT action FROM llm_audit_log WHERE user_id = %(user)s ORDER BY id", {"user": world.bea})
    assert ["viewer.add", "viewer.remove"] == [row["action"] for row in actions]


def test_resuming_an_archived_project_restores_it(world: World) -> None:
    """A project that is asked is in the lists."""
    world.call("DELETE", f"/projects/{world.project}")
    projects.set_active(world.db, world.project, is_active=True)
    assert [(world.project, True)] == [
        (row["id"], row["is_active"]) for row in world.call("GET", "/projects").json()["data"]
    ]
