"""Every figure links to exactly the answers that it counts, over rows of every kind that a database may hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

import pytest

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database
from llm_monitoring.domain import ProviderName
from llm_monitoring.reporting import stored_answers
from tests.conftest import Databases
from tests.integration.stored import Book
from tests.integration.web.two_periods import last_project
from tests.integration.web.world import World, open_world, two_users

START: Final = date(2026, 11, 1)
PROVIDERS: Final[tuple[ProviderName, ...]] = ("openai", "google")
BRAND: Final = 7
TEXTS: Final = (
    "1. **Quipu**\n2. **Holded**\n3. **Sage**",
    "Usa Holded.",
    "Ninguno destaca.",
    "Quipu es cómodo. https://getquipu.com/precios",
    "1. **Sage**\n2. **Quipu**",
    "No tengo datos sobre Quipu. 1. Holded\n2. Sage",
)


def fill(book: Book, day: date) -> None:
    """A day at two providers: one answer a prompt, a second sample, and answers to the prompt that names the brand."""
    projects.fingerprints.record(book.db, book.project)
    for shift, provider in enumerate(PROVIDERS):
        for number in range(BRAND):
            text = TEXTS[(number + shift + day.day) % len(TEXTS)]
            task = book.store(number, day, text, provider=provider, citations=["https://getquipu.com/a"][: number % 2])
            if number % 3 == 0:
                book.judge(task)
        book.store(0, day, TEXTS[0], provider=provider, sample=2)
        book.judge(book.store(BRAND, day, "1. **Quipu**\n2. **Sage**", provider=provider))


def spoil(book: Book, day: date) -> None:
    """Of a day's answers: one unread, one without a text, two that no analysis stores, one in the host's older form."""
    changes = (
        "unread_reason = 'IndexError'",
        "full_response = NULL",
        "position_in_list = 2000000000",
        "competitors_mentioned = '[1]'",
        "brand_mentioned = NULL, competitors_mentioned = NULL, full_response = NULL, rules_fingerprint = NULL",
    )
    rows = book.db.all(
        "SELECT id FROM llm_monitoring_results WHERE project_id = %(p)s AND analysis_date = %(day)s AND NOT branded "
        "ORDER BY id",
        {"p": book.project_id, "day": day},
    )
    for change, row in zip(changes, rows, strict=False):
        book.db.execute(f"UPDATE llm_monitoring_results SET {change} WHERE id = %(id)s", {"id": row["id"]})


@pytest.fixture
def odd(databases: Databases) -> Iterator[World]:
    """Days read with three generations of names, each with rows that are spoilt, and a failed task."""
    template = databases.template("three_generations", fill_three_generations, two_users(databases))
    with databases.clone(template) as url, open_world(url) as world:
        world.project = last_project(world.db)
        yield world


def fill_three_generations(url: str) -> None:
    with Database(url) as db:
        store_three_generations(db)


def store_three_generations(db: Database) -> None:
    rivals = (Entity("Holded"), Entity("Sage"))
    new = projects.NewProject(1, "P", Entity("Quipu", domains=("getquipu.com",)), "x", rivals)
    project = projects.add(db, new)
    projects.add_prompts(db, project, [*(f"¿Qué conviene en el caso {n}?" for n in range(BRAND)), "¿Quipu?"])
    book = Book(db, project)
    fill(book, START)
    spoil(book, START)
    projects.edit_competitor(db, project, "Sage", {"aliases": ["Sage 50"], "exclude": ["sage green"]})
    fill(book, START + timedelta(1))
    spoil(book, START + timedelta(1))
    projects.edit_competitor(db, project, "Holded", {}, "Holded ERP")
    fill(book, START + timedelta(2))
    spoil(book, START + timedelta(2))
    db.execute(
        "INSERT INTO llm_monitoring_failed_tasks "
        "(project_id, query_id, llm_provider, analysis_date, sample, reason, message, final) "
        "SELECT project_id, id, 'openai', %(day)s, 3, 'timeout', '', TRUE FROM llm_monitoring_queries "
        "WHERE project_id = %(p)s",
        {"p": project, "day": START},
    )


def listed(world: World, **filters: Any) -> list[dict[str, Any]]:
    """Every row of a list, page by page."""
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        params = {**filters, "limit": 20, **({"cursor": cursor} if cursor else {})}
        answer = world.call("GET", f"/projects/{world.project}/answers", params=params)
        assert 200 == answer.status_code, answer.text
        rows += answer.json()["data"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return rows


def shown_figures(world: World, **params: str) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Each figure with the filters of the answers behind it: of the brand in all and by provider, of competitors."""
    found = world.call("GET", f"/projects/{world.project}/figures", params=params).json()
    for name, figure in found["all"].items():
        yield {**params, "counted_in": name}, figure
    for provider, figures in found["by_provider"].items():
        for name, figure in figures.items():
            yield {**params, "counted_in": name, "provider": provider}, figure
    for rival in found["competitors"]:
        for name in ("mention_rate", "share_of_voice", "avg_position"):
            yield {**params, "counted_in": name, "competitor": rival["name"]}, rival[name]


@pytest.mark.short(every=6)
@pytest.mark.parametrize("days", [(0, 2), (0, 0), (1, 1), (2, 2)], ids=str)
def test_each_figure_lists_the_answers_that_it_counts(odd: World, days: tuple[int, int]) -> None:
    """As many rows as the figure's `answers`, of as many prompts, over a period and over single days."""
    first, last = (str(START + timedelta(day)) for day in days)
    figures = list(shown_figures(odd, **{"from": first, "to": last}))
    assert 6 + 6 * len(PROVIDERS) + 3 * 2 == len(figures)
    for filters, figure in figures:
        rows = listed(odd, **filters)
        assert figure["answers"] == len(rows), filters
        assert figure["prompts"] == len({row["query_id"] for row in rows}), filters
        assert len(rows) == len({row["id"] for row in rows}), filters


def test_the_data_hold_every_odd_kind(odd: World) -> None:
    """Answers that are read again, kept, left out and unread, or the law would be tested on plain ones alone."""
    found = odd.call(
        "GET", f"/projects/{odd.project}/figures", params={"from": "2026-11-01", "to": "2026-11-03"}
    ).json()
    kinds = ("answers_read_again", "answers_kept_as_read", "answers_left_out", "answers_unread")
    assert all(found[name] for name in (*kinds, "branded_total_queries")), found
    assert all(figure["answers"] for figure in found["all"].values())


@pytest.mark.ci
def test_the_rows_of_a_rate_add_up_to_it(odd: World) -> None:
    """Those that name the entity of a figure and those that do not are all of them, of a competitor too."""
    for entity in ({}, {"competitor": "Holded ERP"}):
        figure = {"counted_in": "mention_rate", **entity}
        parts = [{row["id"] for row in listed(odd, **figure, mentioned=each)} for each in ("true", "false")]
        assert {row["id"] for row in listed(odd, **figure)} == parts[0] | parts[1]
        assert not parts[0] & parts[1]
        assert all(parts)
    named = [row for row in listed(odd, competitor="Holded ERP") if row["branded"] is False]
    rows = listed(odd, counted_in="mention_rate", competitor="Holded ERP", mentioned="true")
    assert sorted(row["id"] for row in named) == sorted(row["id"] for row in rows)


def test_answers_to_branded_prompts_have_a_list_of_their_own(odd: World) -> None:
    """As many as the figures say, and as many of them name the brand."""
    period = {"from": "2026-11-01", "to": "2026-11-03"}
    found = odd.call("GET", f"/projects/{odd.project}/figures", params=period).json()
    for count, more in (("branded_total_queries", {}), ("branded_total_mentions", {"mentioned": "true"})):
        assert found[count] == len(listed(odd, **period, counted_in="branded_mention_rate", **more)) > 0


def test_answers_are_found_by_what_they_say(odd: World) -> None:
    """By a page of the brand among their sources, by how they speak of it."""
    assert {True} == {row["brand_cited"] for row in listed(odd, cited="true")}
    assert {"positive"} == {row["sentiment"] for row in listed(odd, sentiment="positive")}
    rows = listed(odd, counted_in="citation_rate", cited="true")
    assert 0 < len(rows) < len(listed(odd, counted_in="citation_rate"))


def test_a_figure_that_competitors_do_not_have_is_refused(odd: World) -> None:
    """The error names the filter."""
    params = {"counted_in": "citation_rate", "competitor": "Sage"}
    answer = odd.call("GET", f"/projects/{odd.project}/answers", params=params)
    assert 422 == answer.status_code
    assert "/counted_in" == answer.json()["errors"][0]["pointer"]


@pytest.mark.ci
def test_a_new_answer_changes_both(odd: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figure and its list, which reads more than one page of rows."""
    monkeypatch.setattr(stored_answers, "PAGE", 3)
    Book(odd.db, odd.project).store(1, START + timedelta(3), TEXTS[0])
    for filters, figure in shown_figures(odd, **{"from": "2026-11-01", "to": "2026-11-04"}):
        assert figure["answers"] == len(listed(odd, **filters)), filters


def test_the_first_places_list_the_answers_within_them(odd: World) -> None:
    """As many as the table of places counts, in all and at each provider, over odd rows too."""
    days = {"from": "2026-11-01", "to": "2026-11-03"}
    rows = odd.call("GET", f"/projects/{odd.project}/positions", params=days).json()["data"]
    counted = [(row["provider"], top, row[f"appeared_in_top{top}"]) for row in rows for top in (3, 5, 10)]
    assert any(n for _, _, n in counted)
    for provider, top, n in counted:
        filters = {**days, "counted_in": "avg_position", "top": top, **({"provider": provider} if provider else {})}
        assert n == len(listed(odd, **filters)), filters


def test_the_first_place_is_of_whom_the_figure_is(odd: World) -> None:
    """Of a competitor with `counted_in`, else of the brand."""
    of_rival = listed(odd, counted_in="avg_position", competitor="Sage", top=1)
    of_brand = listed(odd, top=1)
    assert of_rival
    assert of_brand
    assert {1} == {row["competitor_positions"]["Sage"] for row in of_rival}
    assert {1} == {row["position_in_list"] for row in of_brand}


def test_a_cited_page_lists_the_answers_that_cite_it(odd: World) -> None:
    """As many as the list of pages counts, in whichever spelling the address is given."""
    days = {"from": "2026-11-01", "to": "2026-11-03"}
    pages = odd.call("GET", f"/projects/{odd.project}/citations", params=days).json()["data"]
    assert pages
    for page in pages:
        for spelling in (page["url"], page["url"].replace("https://", "http://www.") + "/"):
            assert page["answers"] == len(listed(odd, **days, page=spelling)), spelling


def test_a_place_and_a_page_are_checked(odd: World) -> None:
    """A place from 1 to 100, an address of at most 2,000 characters; what no answer cites lists nothing."""
    path = f"/projects/{odd.project}/answers"
    assert [422, 422] == [
        odd.call("GET", path, params=params).status_code for params in ({"top": 0}, {"page": "a" * 2_001})
    ]
    assert [] == listed(odd, page="no address at all")
