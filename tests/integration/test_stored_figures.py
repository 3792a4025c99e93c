"""Stored figures: equal to fresh ones after every kind of change, and measured once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

import pytest

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.answers import retention
from llm_monitoring.db.database import Database, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.errors import Invalid, NotFound
from llm_monitoring.figures import stored_figures as store
from llm_monitoring.figures.periods import Period, PeriodRequest
from llm_monitoring.projects import fingerprints
from llm_monitoring.reporting import stored_figures
from llm_monitoring.reporting.stored_figures import as_text, figures_text, measure
from llm_monitoring.web.stored_figures import figures_of
from tests.conftest import Databases
from tests.integration.stored import Book, done

DAYS: Final = tuple(date(2026, 11, 1) + timedelta(days=number) for number in range(4))
BEFORE: Final = Period(*DAYS[:2])
AFTER: Final = Period(*DAYS[2:])
PROMPTS: Final = [f"¿Qué programa conviene en el caso {number}?" for number in range(7)]
TEXTS: Final = ("1. **Quipu**\n2. **Holded**\n3. **Sage**", "1. **Holded**\n2. **Kipu**", "Usa Holded.")


def fill(url: str) -> None:
    """Two periods of two days of seven prompts, and the figures of each day."""
    with Database(url) as db:
        brand = Entity("Quipu", domains=("getquipu.com",))
        made = Book.open(db, brand, PROMPTS, [Entity("Holded"), Entity("Sage")])
        for day in DAYS:
            for number in range(len(PROMPTS) - 1):
                made.store(number, day, TEXTS[(number + day.day) % 3], citations=["https://getquipu.com/a"])
        made.figures(*DAYS)


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """The address of a fresh database with both periods."""
    with databases.clone(databases.template("seven_prompts", fill, databases.migrated())) as url:
        yield url


@pytest.fixture
def db(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    with Database(database_url, retry_seconds=5.0) as opened:
        yield opened


@pytest.fixture
def book(db: Database) -> Book:
    """The only project."""
    return Book(db, 1)


def wanted(book: Book) -> PeriodRequest:
    return PeriodRequest(book.project_id, AFTER, BEFORE)


def add_answer(book: Book) -> None:
    book.store(len(PROMPTS) - 1, DAYS[3], TEXTS[0])


def answer_of_the_earlier_period(book: Book) -> None:
    book.store(len(PROMPTS) - 1, DAYS[0], TEXTS[0])


def answer_of_another_day(book: Book) -> None:
    """The last day with answers is shown too."""
    book.store(0, DAYS[3] + timedelta(days=9), TEXTS[0])


def score_answer(book: Book) -> None:
    book.judge(book.task(0, DAYS[2]))


def fail_tasks(book: Book) -> None:
    """Failed tasks are counted in the snapshots."""
    book.db.execute("UPDATE llm_monitoring_snapshots SET failed_queries = 3")


def remove_answer(book: Book) -> None:
    book.db.execute("DELETE FROM llm_monitoring_results WHERE analysis_date = %(day)s", {"day": DAYS[3]})


def edit_row(book: Book) -> None:
    """As the host application may."""
    book.db.execute("UPDATE llm_monitoring_results SET brand_mentioned = NOT brand_mentioned")


def leave_unread(book: Book) -> None:
    sql = "UPDATE llm_monitoring_results SET unread_reason = 'x' WHERE analysis_date = %(day)s"
    book.db.execute(sql, {"day": DAYS[3]})


def add_alias(book: Book) -> None:
    book.rename(brand_aliases=["Kipu"])


def add_competitor(book: Book) -> None:
    projects.add_competitor(book.db, book.project_id, Entity("Kipu"))


def reanalyse(book: Book) -> None:
    add_alias(book)
    figures_text(book.db, wanted(book))
    done("reanalyse", "--project", str(book.project_id), "--yes")


def brand_prompt(book: Book) -> None:
    """An answer is branded as its prompt reads, with present names."""
    book.db.execute("UPDATE llm_monitoring_results SET branded = TRUE WHERE query_id = %(id)s", {"id": first_of(book)})


def remove_prompt(book: Book) -> None:
    book.db.execute("DELETE FROM llm_monitoring_queries WHERE id = %(id)s", {"id": first_of(book)})


def first_of(book: Book) -> int:
    return int(book.queries[0]["id"])


def tag_prompt(book: Book) -> None:
    book.db.execute("INSERT INTO llm_prompt_tags (query_id, tag) VALUES (%(id)s, 'erp')", {"id": first_of(book)})


def fail_task(book: Book) -> None:
    """The failures of a tag's prompts are counted one by one."""
    sql = """
        INSERT INTO llm_monitoring_failed_tasks
            (project_id, query_id, llm_provider, analysis_date, sample, reason, message, final)
        VALUES (%(project_id)s, %(id)s, 'openai', %(day)s, 2, 'timeout', '', FALSE)
    """
    tag_prompt(book)
    figures_text(book.db, replace(wanted(book), tag="erp"))
    book.db.execute(sql, {"project_id": book.project_id, "id": first_of(book), "day": DAYS[2]})


def change_language(book: Book) -> None:
    """It is the language in which stale answers are read again."""
    add_alias(book)
    figures_text(book.db, wanted(book))
    book.rename(language="en")


def change_language_of_prompt(book: Book) -> None:
    add_alias(book)
    figures_text(book.db, wanted(book))
    book.db.execute("UPDATE llm_monitoring_queries SET language = 'en'")


def delete_texts(book: Book) -> None:
    """Stale answers without a text are read no more."""
    add_alias(book)
    figures_text(book.db, wanted(book))
    sql = "UPDATE llm_monitoring_results SET created_at = created_at - INTERVAL '400 days'"
    book.db.execute(sql)
    retention.prune(book.db, 30, RowErrors())


def record_rules(book: Book) -> None:
    """Names that another project records say what a reading without a text had counted."""
    former = book.project
    book.db.execute("UPDATE llm_monitoring_results SET full_response = NULL")
    book.rename(competitors='["Holded", "Sage", "Billin"]')
    book.db.execute("DELETE FROM llm_monitoring_rules")
    figures_text(book.db, wanted(book))
    fingerprints.record(book.db, former)


CHANGES: Final[tuple[Callable[[Book], None], ...]] = (
    add_answer,
    answer_of_the_earlier_period,
    answer_of_another_day,
    score_answer,
    fail_tasks,
    remove_answer,
    edit_row,
    leave_unread,
    add_alias,
    add_competitor,
    reanalyse,
    brand_prompt,
    remove_prompt,
    tag_prompt,
    fail_task,
    change_language,
    change_language_of_prompt,
    delete_texts,
    record_rules,
)


@pytest.mark.short(every=7)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_is_in_the_next_figures(book: Book, change: Callable[[Book], None]) -> None:
    """Whoever writes it and whatever it is: what is stored is measured again, and equals fresh figures."""
    requests = [wanted(book), replace(wanted(book), tag="erp")]
    for each in requests:
        figures_text(book.db, each)
    version = version_of(book)
    change(book)
    for each in requests:
        assert as_text(measure(book.db, each)) == figures_text(book.db, each)
    assert version != version_of(book)


def version_of(book: Book) -> str:
    params = store.columns_of(wanted(book), stored_figures.code_version())
    return str(store.find(book.db, params)["version"])


def never(db: Database) -> str:
    raise AssertionError("measured again")


def stored(book: Book, request: PeriodRequest) -> str:
    """The figures if they are stored; fails if they would be measured."""
    return store.stored_text(book.db, request, stored_figures.code_version(), never)


def test_what_is_stored_is_read_as_it_was_measured(book: Book) -> None:
    """Every value to the last digit, decimals as decimals and days as days."""
    fresh = measure(book.db, wanted(book))
    assert fresh == figures_of(book.db, wanted(book))
    assert stored(book, wanted(book)) == as_text(fresh)
    assert fresh == figures_of(book.db, wanted(book))


def test_each_request_has_figures_of_its_own(book: Book) -> None:
    """Another comparison, another provider, another day: no two share what is stored."""
    requests = [
        wanted(book),
        PeriodRequest(book.project_id, AFTER),
        PeriodRequest(book.project_id, AFTER, BEFORE, "openai"),
        PeriodRequest(book.project_id, AFTER, BEFORE, "google"),
        PeriodRequest(book.project_id, Period(DAYS[1], DAYS[3])),
    ]
    for _ in range(2):
        assert [as_text(measure(book.db, each)) for each in requests] == [
            figures_text(book.db, each) for each in requests
        ]


def test_other_code_measures_again(book: Book) -> None:
    """A release may count otherwise: what an earlier one stored is not shown by it."""
    code = "0" * 32
    assert "1" == store.stored_text(book.db, wanted(book), code, lambda _: "1")
    assert "1" == store.stored_text(book.db, wanted(book), code, never)
    assert "2" == store.stored_text(book.db, wanted(book), "1" * 32, lambda _: "2")


@pytest.mark.ci
def test_one_measures_and_the_others_wait(book: Book) -> None:
    """Eight requests at once, while answers arrive: measured at most twice."""
    calls: list[str] = []

    def counted(state: Database) -> str:
        calls.append("measured")
        add_answer(book) if len(calls) == 1 else None
        return as_text(measure(state, wanted(book)))

    def ask(_: int) -> str:
        return store.stored_text(book.db, wanted(book), "code", counted)

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(ask, range(8)))
    assert len(calls) <= 2
    assert len(found) <= 2
    assert as_text(measure(book.db, wanted(book))) == figures_text(book.db, wanted(book))


def test_figures_are_of_one_moment(book: Book) -> None:
    """What is written while they are measured is not half in them, and the next request has it."""
    before = as_text(measure(book.db, wanted(book)))

    def overtaken(state: Database) -> str:
        add_answer(book)
        return as_text(measure(state, wanted(book)))

    assert before == store.stored_text(book.db, wanted(book), "code", overtaken)
    assert '"after"' == store.stored_text(book.db, wanted(book), "code", lambda _: '"after"')


def test_what_was_measured_since_is_new_enough(book: Book) -> None:
    """A request that waited takes figures of a moment after it arrived; one that arrived later does not."""
    assert '"first"' == store.stored_text(book.db, wanted(book), "code", lambda _: '"first"')
    add_answer(book)
    assert '"first"' == store.stored_text(book.db, wanted(book), "code", never, waited=60.0)
    assert '"later"' == store.stored_text(book.db, wanted(book), "code", lambda _: '"later"')


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "hangs"])
def test_a_holder_that_is_gone_blocks_no_one(book: Book, is_killed: bool) -> None:
    """A killed session's lock ends with it; one that hangs is waited for no longer than a statement waits."""
    name = store.lock_name(store.columns_of(wanted(book), "code"))
    book.db.lock_seconds = 30.0 if is_killed else 0.3
    book.db.discard_idle()
    with closing(book.db.connect()) as other, ThreadPoolExecutor(1) as pool:
        Transaction(other).one(load("database").wait_for_lock, {"name": name})
        waiting = pool.submit(store.stored_text, book.db, wanted(book), "code", lambda _: '"mine"')
        if is_killed:
            book.db.one("SELECT pg_terminate_backend(%(pid)s)", {"pid": other.info.backend_pid})
        assert '"mine"' == waiting.result(timeout=20)


def test_an_error_stores_nothing_and_frees_the_lock(book: Book) -> None:
    """Periods that overlap, a project that is gone: the error is that of the measurement."""
    overlapping = PeriodRequest(book.project_id, AFTER, Period(DAYS[0], DAYS[2]))
    for _ in range(2):
        with pytest.raises(Invalid):
            figures_text(book.db, overlapping)
    with pytest.raises(NotFound):
        figures_text(book.db, PeriodRequest(999, AFTER))
    assert [] == book.db.all("SELECT 1 AS one FROM llm_stored_figures")
    assert [] == book.db.all("SELECT 1 AS one FROM pg_locks WHERE locktype = 'advisory'")


def test_a_project_keeps_its_latest_figures_alone(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number the oldest go, of this project; with the project all go."""
    monkeypatch.setattr(store, "MOST_STORED", 2)
    for last in DAYS:
        store.stored_text(book.db, PeriodRequest(book.project_id, Period(DAYS[0], last)), "code", lambda _: "{}")
    kept = book.db.all("SELECT last_day FROM llm_stored_figures ORDER BY last_day")
    assert list(DAYS[2:]) == [row["last_day"] for row in kept]
    book.db.execute("DELETE FROM llm_monitoring_projects")
    assert [] == book.db.all("SELECT 1 AS one FROM llm_stored_figures")


def test_a_slower_measurement_replaces_no_later_one(book: Book) -> None:
    """Of two processes the one that began earlier does not overwrite what is newer."""
    with Database(book.db.dsn) as other:
        params = store.columns_of(wanted(book), "code")
        now = store.find(other, params)["now"]

        def overtaken(_: Database) -> str:
            later = {**params, "version": "f" * 32, "body": '"newer"', "measured_at": now + timedelta(hours=1)}
            other.execute(store.SQL.keep, later)
            return '"older"'

        assert '"older"' == store.stored_text(book.db, wanted(book), "code", overtaken)
    assert [{"body": '"newer"'}] == book.db.all("SELECT body FROM llm_stored_figures")
