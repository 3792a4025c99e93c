"""Cited pages over the API: the owner of each, how many answers cite it, in pages."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.figures.periods import Period
from llm_monitoring.reporting.report_data import Access, ReportRequest, read
from tests.integration.stored import Book
from tests.integration.web.world import World

DAY = date(2026, 11, 1)
OWN, RIVAL, OTHER = "https://quipu.com/a", "https://holded.com/b", "https://example.org/c"


@pytest.fixture
def measured(world: World) -> World:
    """Three answers: to two prompts, and to one that names the brand, which counts nowhere."""
    new = projects.NewProject(
        world.ana, "P", Entity("Quipu", domains=("quipu.com",)), "x", (Entity("Holded", domains=("holded.com",)),)
    )
    world.project = projects.add(world.db, new)
    projects.add_prompts(world.db, world.project, ["¿Qué programa?", "¿Cuál?", "¿Qué es Quipu?"])
    book = Book(world.db, world.project)
    book.store(0, DAY, "Quipu", citations=[OTHER, RIVAL])
    book.store(1, DAY, "Holded", citations=[OTHER, OWN], provider="google")
    book.store(2, DAY, "Quipu", citations=["https://hidden.example"])
    return world


def cited(world: World, **params: Any) -> Any:
    answer = world.call("GET", f"/projects/{world.project}/citations", params=params)
    assert 200 == answer.status_code, answer.text
    return answer.json()


def test_pages_have_their_owner_and_their_answers(measured: World) -> None:
    """The most cited first; the period is echoed with its zone."""
    found = cited(measured)
    assert [
        (1, OTHER, "other", None, 2),
        (2, RIVAL, "competitor", "Holded", 1),
        (3, OWN, "brand", "Quipu", 1),
    ] == [(row["rank"], row["url"], row["owner"], row["owner_name"], row["answers"]) for row in found["data"]]
    assert (2, 2, 3, None) == tuple(
        found[name] for name in ("answers", "with_sources", "distinct_pages", "next_cursor")
    )
    assert "2026-10-03" == found["from"]
    assert "2026-11-01" == found["to"]
    assert "UTC" == found["timezone"]


def test_pages_are_those_of_the_report(measured: World) -> None:
    """In the same order, with the same counts."""
    report = read(measured.db, ReportRequest(measured.project, Period(DAY, DAY)), DAY, Access()).citations.view()
    assert [(each.url, each.answers, each.prompts) for each in report.pages] == [
        (row["url"], row["answers"], row["prompts"]) for row in cited(measured)["data"]
    ]


def test_a_provider_alone_and_a_page_at_a_time(measured: World) -> None:
    """Each row once; a cursor is bound to its provider and its days."""
    assert {OTHER, OWN} == {row["url"] for row in cited(measured, provider="google")["data"]}
    first = cited(measured, limit=2)
    rest = cited(measured, limit=2, cursor=first["next_cursor"])
    assert ([1, 2], [3], None) == (
        *([row["rank"] for row in each["data"]] for each in (first, rest)),
        rest["next_cursor"],
    )
    path = f"/projects/{measured.project}/citations"
    other = measured.call("GET", path, params={"cursor": first["next_cursor"], "provider": "google"})
    assert 422 == other.status_code


def test_where_competitors_are_cited_and_the_brand_is_not(measured: World) -> None:
    """Competitors' pages without one of the brand, and pages of others where the brand is missing, as in the report."""
    book = Book(measured.db, measured.project)
    book.store(1, DAY, "Holded", citations=["https://press.example/d"], provider="perplexity")
    report = read(measured.db, ReportRequest(measured.project, Period(DAY, DAY)), DAY, Access()).citations.view()
    rivals, missing = (cited(measured, where=where) for where in ("competitors_only", "brand_missing"))
    assert [RIVAL] == [row["url"] for row in rivals["data"]] == [page.url for page in report.rival_pages]
    assert ["https://press.example/d"] == [row["url"] for row in missing["data"]] == [page.url for page in report.gaps]
    assert 1 == rivals["competitors_only"]
    assert 1 == rivals["distinct_pages"]
    assert 1 == missing["distinct_pages"]
