"""Reading a project's history a page at a time: in the order of days, nothing twice, nothing left out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database, Row
from llm_monitoring.db.queries import load
from llm_monitoring.reporting import exports
from tests.integration.stored import Book

FIRST = date(2026, 11, 20)
DAYS = [FIRST + timedelta(days=number) for number in range(3)]


@pytest.fixture
def book(db: Database, monkeypatch: pytest.MonkeyPatch) -> Book:
    """Three prompts on three days, the days stored in the wrong order, beside another project's answers."""
    monkeypatch.setattr(exports, "PAGE", 2)
    made = Book.open(db, Entity("Quipu"), ["one", "two", "three"])
    other = Book.open(db, Entity("Holded"), ["one"], name="Other")
    for day in (DAYS[1], DAYS[0], DAYS[2]):
        for number in range(3):
            made.store(number, day, f"{day} {number}")
        other.store(0, day, "other")
    return made


def rows(db: Database, sql: str, params: dict[str, Any]) -> Iterator[Row]:
    for page in exports.pages(db, sql, params, exports.PAGE):
        yield from page


@pytest.mark.parametrize("kind", ["results", "citations"])
def test_in_the_order_of_days(book: Book, kind: str) -> None:
    """Pages follow the days and within a day the order of storing, also where an earlier day was stored later."""
    params = {"project_id": book.project_id, "first": None, "last": None, "providers": None}
    found = [(row["analysis_date"], row["query_id"]) for row in rows(book.db, getattr(load("reporting"), kind), params)]
    assert [(day, query["id"]) for day in DAYS for query in book.queries] == found


def test_period(book: Book) -> None:
    """A period's first and last day belong to it, and no other."""
    params = {"project_id": book.project_id, "first": DAYS[1], "last": DAYS[1], "providers": None}
    texts = [row["full_response"] for row in rows(book.db, load("reporting").results, params)]
    assert [f"{DAYS[1]} {number}" for number in range(3)] == texts


def test_an_answer_that_vanishes_between_pages(book: Book) -> None:
    """Where the last answer of a page is deleted before the next is read, the next goes on behind its place."""
    params = {"project_id": book.project_id, "first": None, "last": None, "providers": None}
    found = rows(book.db, load("reporting").results, params)
    first = [next(found), next(found)]
    book.db.execute("DELETE FROM llm_monitoring_results WHERE id = %(id)s", {"id": first[-1]["id"]})
    texts = [row["full_response"] for row in [*first, *found]]
    assert [f"{day} {number}" for day in DAYS for number in range(3)] == texts
