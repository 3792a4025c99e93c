"""The figures that a daily run stores for the web service: those that are asked first, at no run's expense."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

import pytest

from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database, DatabaseUnavailable
from llm_monitoring.figures import stored_figures as store
from llm_monitoring.figures.periods import Period, PeriodRequest, measured_days
from llm_monitoring.jobs import daily
from llm_monitoring.reporting import recent_figures, stored_figures
from llm_monitoring.reporting.recent_figures import store_recent
from llm_monitoring.web.pages.filters import Filters
from tests.environment import ONE_SDK, Environment, open_environment
from tests.integration.stored import Book

LAST: Final = date(2026, 11, 20)
PROMPTS: Final = ["¿Qué programa conviene?", "¿Y para autónomos?"]


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    with Database(database_url, retry_seconds=5.0) as opened:
        yield opened


@pytest.fixture
def books(db: Database) -> list[Book]:
    """Two projects with twenty days of answers."""
    made = [Book.open(db, Entity("Quipu"), PROMPTS, name=name) for name in ("A", "B")]
    for book in made:
        for back in range(20):
            book.store(0, LAST - timedelta(days=back), "Usa Quipu.")
    return made


def ids(books: list[Book]) -> list[int]:
    return [book.project_id for book in books]


def forever() -> bool:
    return True


def measured_again(_: Database) -> str:
    raise AssertionError("measured again")


def stored(db: Database, wanted: PeriodRequest) -> str:
    return store.stored_text(db, wanted, stored_figures.code_version(), measured_again)


def test_what_is_asked_first_is_stored(db: Database, books: list[Book]) -> None:
    """Pages without a choice and with one click, and the API without parameters, measure nothing."""
    done = store_recent(db, ids(books), forever)
    assert 10 == done.figures
    assert [] == done.errors
    assert done.is_complete is True
    for book in books:
        days = measured_days(db, book.project_id)
        presets = [Filters(first=LAST - timedelta(days=days - 1), last=LAST) for days in (7, 30, 90)]
        for chosen in (Filters(), *presets):
            assert stored(db, PeriodRequest(book.project_id, *chosen.periods(days, LAST)))
        assert stored(db, PeriodRequest(book.project_id, Period(LAST - timedelta(days=29), LAST)))


@pytest.mark.ci
def test_a_project_that_fails_stops_no_other(db: Database, books: list[Book], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is returned once, without a line for each of its periods."""
    measure = stored_figures.measure

    def broken(state: Database, wanted: PeriodRequest) -> Any:
        return 1 / 0 if wanted.project_id == books[0].project_id else measure(state, wanted)

    monkeypatch.setattr(stored_figures, "measure", broken)
    done = store_recent(db, ids(books), forever)
    assert 5 == done.figures
    assert ["ZeroDivisionError"] == [error.code for error in done.errors]


def test_it_ends_when_it_may_not_go_on(db: Database, books: list[Book]) -> None:
    """The figures that are asked most are stored first, of every project."""
    turns = iter([True, True, False])
    done = store_recent(db, ids(books), lambda: next(turns))
    assert 2 == done.figures
    assert done.is_complete is False
    rows = db.all("SELECT project_id, first_day FROM llm_stored_figures ORDER BY project_id")
    assert [(book.project_id, LAST - timedelta(days=9)) for book in books] == [
        (row["project_id"], row["first_day"]) for row in rows
    ]


@pytest.mark.ci
def test_large_periods_are_left_to_who_asks(db: Database, books: list[Book], monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's memory does not grow with the number of answers of a project."""
    monkeypatch.setattr(recent_figures, "MOST_ANSWERS", 14)
    assert 2 == store_recent(db, ids(books), forever).figures
    monkeypatch.setattr(recent_figures, "MOST_ANSWERS", 0)
    assert 0 == store_recent(db, ids(books), forever).figures


def test_a_project_without_answers_has_none(db: Database) -> None:
    """Nor one that was removed meanwhile."""
    book = Book.open(db, Entity("Quipu"), PROMPTS)
    done = store_recent(db, [book.project_id, 999], forever)
    assert 0 == done.figures
    assert [] == done.errors
    assert done.is_complete is True


@pytest.fixture
def environment(database_url: str) -> Iterator[Environment]:
    with open_environment(database_url) as made:
        made.add_project(made.add_user("ana@example.com", ONE_SDK), PROMPTS, ONE_SDK)
        yield made


def test_a_run_leaves_its_figures_ready(environment: Environment) -> None:
    """After its end, with the success line as the last one."""
    code, output = environment.run()
    assert 0 == code, output
    assert output.rstrip().endswith("COMPLETED SUCCESSFULLY")
    days = measured_days(environment.db, 1)
    assert days is not None
    assert stored(environment.db, PeriodRequest(1, *Filters().periods(days, days.last)))


@pytest.mark.ci
def test_figures_that_cannot_be_stored_fail_no_run(environment: Environment) -> None:
    """One line with its event; the answers, the bill and the exit code are those of any run."""
    environment.db.execute("DROP TABLE llm_stored_figures")
    code, output = environment.run(extra={"RAILWAY_ENVIRONMENT_NAME": "production"})
    lines = [json.loads(line) for line in output.splitlines()]
    assert 0 == code
    assert 1 == [each["event"] for each in lines].count("figures.not_stored")
    assert 4 == environment.count("llm_monitoring_results")
    assert environment.billed() == environment.charged()


@pytest.mark.ci
def test_a_database_that_goes_away_then_is_logged(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The run is closed by then."""

    def away(*_: Any) -> Any:
        raise DatabaseUnavailable("the database is away")

    for name, text in environment.variables().items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(recent_figures, "store_recent", away)
    assert 0 == daily.main([])
    found = [record for record in caplog.records if getattr(record, "event", "") == "figures.not_stored"]
    assert ["the database is away"] == [str(record.message).rpartition(": ")[2] for record in found]
