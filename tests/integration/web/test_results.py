"""What was measured, over the API: stored answers in pages, one with its text, and the daily figures."""

from __future__ import annotations

from datetime import date

import pytest

from llm_monitoring import projects
from llm_monitoring.web.api import results
from tests.integration.stored import Book
from tests.integration.web.world import World

DAYS = (date(2026, 11, 1), date(2026, 11, 2))


@pytest.fixture
def measured(world: World) -> World:
    """Two days of two answers each, of which the first names the brand."""
    book = Book(world.db, world.project)
    for day in DAYS:
        book.store(0, day, "1. Quipu\n2. Holded", citations=["https://quipu.com/x"])
        book.store(1, day, "Usa Holded.")
    book.figures(*DAYS)
    return world


def test_answers_come_in_pages_latest_first(measured: World) -> None:
    """Each once, whatever the page; a cursor is bound to its filters."""
    path, seen, cursor = f"/projects/{measured.project}/results", [], None
    while True:
        found = measured.call("GET", path, params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        seen += [row["id"] for row in found["data"]]
        if (cursor := found["next_cursor"]) is None:
            break
        last = cursor
    assert [4, 3, 2, 1] == seen
    assert 422 == measured.call("GET", path, params={"cursor": last, "mentioned": "true"}).status_code


def test_answers_are_filtered(measured: World) -> None:
    """By day, by whether the brand is named, by a competitor; an unknown filter is refused."""
    path = f"/projects/{measured.project}/results"
    named = measured.call("GET", path, params={"mentioned": "true", "from": "2026-11-02", "to": "2026-11-02"}).json()[
        "data"
    ]
    assert [("2026-11-02", True, 1)] == [
        (row["analysis_date"], row["brand_mentioned"], row["position_in_list"]) for row in named
    ]
    assert 404 == measured.call("GET", path, params={"competitor": "Nadie"}).status_code
    assert 422 == measured.call("GET", path, params={"from": "2026-11-02", "to": "2026-11-01"}).status_code
    assert 422 == measured.call("GET", path, params={"brand": "x"}).status_code


def test_one_answer_is_shown_with_its_text_and_sources(measured: World) -> None:
    """Within its project alone: another project of the same user does not have it."""
    found = measured.call("GET", f"/projects/{measured.project}/answers/1").json()
    assert "1. Quipu\n2. Holded" == found["full_response"]
    assert ["quipu.com"] == [each["domain"] for each in found["sources"]]
    made = measured.call("POST", "/projects", json={"name": "Beta", "brand": {"name": "Beta"}, "industry": "x"}).json()
    assert 404 == measured.call("GET", f"/projects/{made['id']}/answers/1").status_code


def test_daily_figures_have_their_bounds(measured: World) -> None:
    """A rate comes with its interval, in percent."""
    rows = measured.call("GET", f"/projects/{measured.project}/snapshots", params={"limit": 1}).json()
    (row,) = rows["data"]
    assert "2026-11-01" == row["snapshot_date"]
    assert 50.0 == row["mention_rate"]
    assert row["mention_rate_low"] < 50.0 < row["mention_rate_high"]
    after = measured.call(
        "GET", f"/projects/{measured.project}/snapshots", params={"limit": 1, "cursor": rows["next_cursor"]}
    )
    assert ["2026-11-02"] == [each["snapshot_date"] for each in after.json()["data"]]


def test_no_rate_of_a_day_is_bare(world: World) -> None:
    """Each figure has its bounds next to it, as the figures of that day have them; a viewer sees no cost."""
    projects.add_prompts(world.db, world.project, [f"¿Caso {number}?" for number in range(6)])
    world.db.execute("UPDATE llm_monitoring_projects SET brand_domains = '{quipu.com}' WHERE id = 1")
    book = Book(world.db, world.project)
    for number in range(8):
        text = "1. Holded\n2. Quipu" if number % 2 else "1. Quipu"
        book.store(number, DAYS[0], text, citations=["https://quipu.com/x"])
    book.figures(DAYS[0])
    path = f"/projects/{world.project}"
    (row,) = world.call("GET", f"{path}/snapshots").json()["data"]
    day = {"from": str(DAYS[0]), "to": str(DAYS[0])}
    figures = world.call("GET", f"{path}/figures", params=day).json()["by_provider"]["openai"]
    for name in ("mention_rate", "share_of_voice", "weighted_share_of_voice", "avg_position", "citation_rate"):
        shown = [row[name], row[f"{name}_low"], row[f"{name}_high"]]
        assert [figures[name][part] for part in ("value", "low", "high")] == shown, name
    assert None not in [row["share_of_voice_low"], row["citation_rate_high"]]
    assert 8 == row["prompts"]
    assert 8 == row["total_queries"]
    bare = [name for name in results.SnapshotRow.model_fields if name.endswith(("_rate", "_voice", "_position"))]
    assert {f"{name}_{side}" for name in bare for side in ("low", "high")} <= set(results.SnapshotRow.model_fields)
    world.db.execute("INSERT INTO llm_project_viewers VALUES (1, %(u)s)", {"u": world.bea})
    (seen,) = world.call("GET", f"{path}/snapshots", world.texts["bea"]).json()["data"]
    assert row["total_cost_usd"] is not None
    assert {**row, "total_cost_usd": None} == seen


def test_a_snapshot_that_does_not_stand_for_its_answers_has_no_bounds(measured: World) -> None:
    """As one that a host application wrote: its figures come as they are stored."""
    measured.db.execute("UPDATE llm_monitoring_snapshots SET share_of_voice = 12.5, avg_position = 3")
    measured.db.execute("DELETE FROM llm_monitoring_results WHERE analysis_date = '2026-11-02'")
    rows = measured.call("GET", f"/projects/{measured.project}/snapshots").json()["data"]
    assert [(12.5, None, None), (12.5, None, None)] == [
        tuple(row[name] for name in ("share_of_voice", "share_of_voice_low", "share_of_voice_high")) for row in rows
    ]
    assert [2, None] == [row["prompts"] for row in rows]
