"""What was measured, over the API: stored answers in pages, one with its text, and the daily figures."""

from __future__ import annotations

from datetime import date

import pytest

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
    assert ("1. Quipu\n2. Holded", ["quipu.com"]) == (
        found["full_response"],
        [each["domain"] for each in found["sources"]],
    )
    made = measured.call("POST", "/projects", json={"name": "Beta", "brand": {"name": "Beta"}, "industry": "x"}).json()
    assert 404 == measured.call("GET", f"/projects/{made['id']}/answers/1").status_code


def test_daily_figures_have_their_bounds(measured: World) -> None:
    """A rate comes with its interval, in percent."""
    rows = measured.call("GET", f"/projects/{measured.project}/snapshots", params={"limit": 1}).json()
    (row,) = rows["data"]
    assert ("2026-11-01", 50.0) == (row["snapshot_date"], row["mention_rate"])
    assert row["mention_rate_low"] < 50.0 < row["mention_rate_high"]
    after = measured.call(
        "GET", f"/projects/{measured.project}/snapshots", params={"limit": 1, "cursor": rows["next_cursor"]}
    )
    assert ["2026-11-02"] == [each["snapshot_date"] for each in after.json()["data"]]
