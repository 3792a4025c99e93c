"""The page of changes: notes of one's own work, what was edited, what is missing, and who sees what of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from llm_monitoring.access import roles
from llm_monitoring.access.project_changes import ACTIONS, FIELDS
from llm_monitoring.web.pages.words import page_words
from tests.conftest import Databases
from tests.integration.stored import Book
from tests.integration.web.two_periods import AFTER, BEFORE, COMPARED, two_periods
from tests.integration.web.world import World, sign_in


@pytest.fixture
def measured(databases: Databases) -> Iterator[World]:
    """Two measured periods of one project of Ana, which Bea may view, with a failure on the last day."""
    with two_periods(databases) as world:
        book = Book(world.db, world.project)
        roles.add_viewer(world.db, world.project, world.bea)
        world.db.execute(
            "INSERT INTO llm_monitoring_failed_tasks"
            " (project_id, query_id, llm_provider, analysis_date, sample, reason, message, final)"
            " VALUES (%(p)s, %(q)s, 'google', %(d)s, 1, 'auth_failed', '', FALSE)",
            {"p": world.project, "q": book.queries[0]["id"], "d": AFTER[1]},
        )
        yield world


def show(world: World, user: int) -> str:
    path = f"/projects/{world.project}/changes"
    answer = world.open(path, sign_in(world, user), params=COMPARED, headers={"Accept-Language": "en"})
    assert 200 == answer.status_code, answer.text
    return str(answer.text)


def post(world: World, user: int, path: str = "", **fields: str) -> Any:
    address = f"/projects/{world.project}/changes{path}"
    return world.open(address, sign_in(world, user), "POST", data=fields, headers={"Accept-Language": "en"})


def noted(world: World) -> list[tuple[str, str, int | None]]:
    rows = world.db.all("SELECT text, author_kind, author_id FROM llm_project_notes ORDER BY id")
    return [(row["text"], row["author_kind"], row["author_id"]) for row in rows]


def test_a_note_stands_on_the_time_line_and_on_the_trend(measured: World) -> None:
    """With who wrote it; it is recorded, and removed by a form of its own."""
    saved = post(measured, measured.ana, day=AFTER[0].isoformat(), text="New prices")
    assert 303 == saved.status_code
    assert [("New prices", "person", measured.ana)] == noted(measured)
    shown = show(measured, measured.ana)
    assert "New prices" in shown
    assert 'class="note"' in shown
    assert "ana@example.com" in shown
    overview = measured.open(f"/projects/{measured.project}", sign_in(measured, measured.ana), params=COMPARED).text
    assert 2 == overview.count('class="note"')
    assert "New prices" in overview
    number = measured.db.one("SELECT id FROM llm_project_notes")
    assert number is not None
    assert 303 == post(measured, measured.ana, f"/notes/{number['id']}/remove").status_code
    assert [] == noted(measured)
    actions = [row["action"] for row in measured.call("GET", "/audit").json()["data"]]
    assert ["note.remove", "note.add"] == [each for each in actions if each.startswith("note")]


@pytest.mark.short(every=9)
@pytest.mark.parametrize(("day", "text"), [("", "New prices"), ("2026-13-01", "New prices"), ("2026-11-03", "  ")])
def test_what_is_wrong_is_said_next_to_the_field(measured: World, day: str, text: str) -> None:
    """Nothing typed is lost and nothing is stored."""
    refused = post(measured, measured.ana, day=day, text=text)
    assert 422 == refused.status_code
    assert 'class="error"' in refused.text
    assert f'value="{text.strip()}"' in refused.text
    assert [] == noted(measured)


def test_models_gaps_and_edits_are_on_their_days(measured: World) -> None:
    """The owner reads what was edited, and why answers are missing."""
    path = f"/projects/{measured.project}/competitors"
    measured.call("POST", path, json={"name": "Billin & Co"})
    shown = show(measured, measured.ana)
    today = datetime.now(UTC).date().isoformat()
    for text in (
        "answers with",
        "m-2",
        "the provider refused the key",
        "Competitor added: <bdi>Billin &amp; Co</bdi>",
        f'datetime="{today}"',
        f'datetime="{AFTER[1].isoformat()}"',
    ):
        assert text in shown, text


def test_a_viewer_sees_neither_edits_nor_reasons_nor_addresses(measured: World) -> None:
    """And writes nothing."""
    post(measured, measured.ana, day=BEFORE[0].isoformat(), text="New prices")
    measured.call("POST", f"/projects/{measured.project}/competitors", json={"name": "Billin"})
    shown = show(measured, measured.bea)
    for text, expected in (
        ("New prices", True),
        ("1 answer missing", True),
        ("refused the key", False),
        ("Competitor added", False),
        ("ana@example.com", False),
        ('id="write"', False),
    ):
        assert expected == (text in shown), text
    assert 404 == post(measured, measured.bea, day="2026-11-03", text="Mine").status_code
    assert 1 == len(noted(measured))


@pytest.mark.parametrize("language", ["es", "en"])
def test_every_action_and_field_has_words(language: str) -> None:
    """What the record can hold can be shown."""
    words = page_words(language)
    keys = [f"changes.edit_{each.replace('.', '_')}" for each in ACTIONS] + [f"changes.field_{each}" for each in FIELDS]
    assert [] == [key for key in keys if key not in words.text]


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    "days",
    [{"from": "9999-01-01", "to": "9999-12-31"}, {"from": "0001-01-01", "to": "0001-12-31"}, {"to": "9999-12-31"}],
)
@pytest.mark.parametrize("noun", ["changes", "sources", "rivals"])
def test_days_at_the_edge_of_the_calendar_are_no_error_of_ours(
    measured: World, noun: str, days: dict[str, str]
) -> None:
    """A page, or a refusal that names the day."""
    path = f"/projects/{measured.project}/{noun}"
    assert measured.open(path, sign_in(measured, measured.ana), params=days).status_code in (200, 422)
