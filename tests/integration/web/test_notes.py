"""Notes of one's own work on the time line, over the API and by command."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.stored import done, refused
from tests.integration.web.world import World


def add(world: World, day: str, text: str, **options: Any) -> Any:
    return world.call("POST", f"/projects/{world.project}/notes", json={"day": day, "text": text}, **options)


def listed(world: World, token: str | None = None, **params: Any) -> Any:
    return world.call("GET", f"/projects/{world.project}/notes", token, params=params).json()


def test_notes_are_added_listed_and_removed(world: World) -> None:
    """The latest day first, with who wrote them, in pages; each change is recorded."""
    made = [add(world, day, text) for day, text in (("2026-11-03", "New  prices\n"), ("2026-11-05", "Press"))]
    assert [201, 201] == [each.status_code for each in made]
    first = listed(world, limit=1)
    rest = listed(world, limit=1, cursor=first["next_cursor"])
    assert [("Press", "ana@example.com"), ("New prices", "ana@example.com")] == [
        (row["text"], row["author"]) for each in (first, rest) for row in each["data"]
    ]
    assert ["New prices"] == [
        row["text"] for row in listed(world, **{"from": "2026-11-01", "to": "2026-11-04"})["data"]
    ]
    assert 204 == world.http.delete(made[0].headers["Location"], headers=token_of(world)).status_code
    assert 404 == world.http.delete(made[0].headers["Location"], headers=token_of(world)).status_code
    recorded = world.call("GET", "/audit").json()["data"]
    assert ["note.remove", "note.add", "note.add"] == [row["action"] for row in recorded]
    assert {"day": "2026-11-03", "text": "New prices"} == recorded[0]["before"]


def token_of(world: World) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.texts['ana']}"}


@pytest.mark.short(every=3)
@pytest.mark.parametrize("text", ["", "   \n ", "x" * 501])
def test_a_note_has_words(world: World, text: str) -> None:
    """Nothing is stored or recorded of one that is empty or too long."""
    assert 422 == add(world, "2026-11-03", text).status_code
    assert [] == listed(world)["data"]
    assert [] == world.call("GET", "/audit").json()["data"]


def test_a_viewer_reads_notes_without_addresses(world: World) -> None:
    """What was done is shown; who did it is the owner's."""
    add(world, "2026-11-03", "Press")
    world.db.execute("INSERT INTO llm_project_viewers VALUES (%(p)s, %(u)s)", {"p": world.project, "u": world.bea})
    assert [("Press", None)] == [(row["text"], row["author"]) for row in listed(world, world.texts["bea"])["data"]]


def test_a_note_of_another_project_is_a_missing_one(world: World) -> None:
    """Its number is not enough to remove it."""
    number = add(world, "2026-11-03", "Press").json()["id"]
    path = f"/projects/{world.foreign}/notes/{number}"
    assert 404 == world.call("DELETE", path, world.texts["bea"]).status_code
    assert 1 == len(listed(world)["data"])


def test_the_commands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`notes` adds, lists and removes, with a record for the owner."""
    monkeypatch.setenv("DATABASE_URL", world.db.dsn)
    number = str(world.project)
    done("notes", "add", number, "Press release", "--day", "2026-11-20")
    (note,) = json.loads(done("notes", "list", number, "--json"))
    assert ("2026-11-20", "Press release", "command", None) == tuple(
        note[name] for name in ("day", "text", "author_kind", "author")
    )
    done("notes", "remove", number, str(note["id"]))
    assert "notes list" in refused("notes", "remove", number, str(note["id"]))
    assert ["note.remove", "note.add"] == [row["action"] for row in world.call("GET", "/audit").json()["data"]]
