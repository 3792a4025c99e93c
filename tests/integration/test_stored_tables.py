"""Stored prompts, sources and listed names: counted once, and equal to fresh ones after every kind of change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from llm_monitoring import projects
from llm_monitoring.db.database import Database
from llm_monitoring.projects import site_kinds
from llm_monitoring.reporting import stored_tables
from llm_monitoring.reporting.stored_figures import as_text, figures_text
from llm_monitoring.reporting.stored_tables import (
    NamesRequest,
    PromptsRequest,
    SourcesRequest,
    count_sources,
    find_names,
    measure_prompts,
    names_request,
    names_text,
    prompts_text,
    sources_text,
)
from llm_monitoring.web.stored_figures import NAMES, PROMPTS, SOURCES
from tests.integration.stored import Book
from tests.integration.test_stored_figures import AFTER, BEFORE, CHANGES, DAYS, book, database_url, db, wanted

__all__ = ["book", "database_url", "db"]

LIST = "1. **Quipu**\n2. **Zetaflux**\n3. **Contamax**"


def asked(book: Book) -> SourcesRequest:
    return SourcesRequest(book.project_id, AFTER)


def names(book: Book) -> NamesRequest:
    found = names_request(book.db, book.project_id, None, None)
    assert found is not None
    return found


def list_twice(book: Book) -> None:
    for number in (5, 6):
        book.store(number, DAYS[3], LIST, sample=2, citations=["https://example.org/a"])


def never(db: Database, *_: object) -> str:
    raise AssertionError("counted again")


def set_kind(book: Book) -> None:
    cite(book)
    sources_text(book.db, asked(book))
    site_kinds.set_kind(book.db, book.project_id, "example.org", "forum")


def cite(book: Book) -> None:
    book.store(6, DAYS[3], LIST, citations=["https://example.org/a", "https://getquipu.com/b"])


@pytest.mark.short(every=12)
@pytest.mark.parametrize("change", [*CHANGES, set_kind, cite], ids=lambda change: change.__name__)
def test_a_change_is_in_the_next_ones(book: Book, change: Callable[[Book], None]) -> None:
    """Whoever writes it and whatever it is, what is read next equals what is counted freshly."""
    prompts = PromptsRequest(book.project_id, AFTER, BEFORE)
    prompts_text(book.db, prompts), sources_text(book.db, asked(book)), names_text(book.db, names(book))
    change(book)
    assert as_text(measure_prompts(book.db, prompts)) == prompts_text(book.db, prompts)
    assert as_text(count_sources(book.db, asked(book))) == sources_text(book.db, asked(book))
    request = names_request(book.db, book.project_id, None, None)
    if request is not None:
        assert as_text(find_names(book.db, request)) == names_text(book.db, request)


def test_what_is_stored_is_read_as_it_was_counted(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value, and without counting a second time."""
    list_twice(book)
    prompts = PromptsRequest(book.project_id, AFTER, BEFORE)
    assert measure_prompts(book.db, prompts) == PROMPTS.measured(book.db, prompts)
    fresh, listed = count_sources(book.db, asked(book)), find_names(book.db, names(book))
    assert ["Kipu", "Contamax", "Zetaflux"] == [each.name for each in listed.candidates]
    assert fresh == SOURCES.measured(book.db, asked(book))
    assert listed.candidates == NAMES.measured(book.db, names(book)).candidates
    monkeypatch.setattr(stored_tables, "count_sources", never)
    monkeypatch.setattr(stored_tables, "find_names", never)
    assert fresh == SOURCES.measured(book.db, asked(book))
    assert [fresh] == SOURCES.stored(book.db, [asked(book)])
    assert NAMES.measured(book.db, names(book)) == NAMES.stored(book.db, [names(book)])[0]


def test_each_request_has_its_own(book: Book) -> None:
    """Figures, sources and names of the same days, a provider and a tag share nothing."""
    requests = [asked(book), replace(asked(book), provider="openai"), replace(asked(book), tag="erp")]
    figures_text(book.db, wanted(book)), names_text(book.db, NamesRequest(book.project_id, AFTER))
    for _ in range(2):
        assert [as_text(count_sources(book.db, each)) for each in requests] == [
            sources_text(book.db, each) for each in requests
        ]


def test_dismissed_names_go_at_once_and_come_back(book: Book) -> None:
    """Who dismisses a name does not wait for another reading of the answers."""
    list_twice(book)
    text = names_text(book.db, names(book))

    def shown() -> list[str]:
        found = projects.without_dismissed(book.db, book.project_id, NAMES.measured(book.db, names(book)))
        return [each.name for each in found.candidates]

    projects.dismiss_name(book.db, book.project_id, "zetaflux")
    assert ["Kipu", "Contamax"] == shown()
    assert text == names_text(book.db, names(book))
    projects.restore_name(book.db, book.project_id, "Zetaflux")
    assert ["Kipu", "Contamax", "Zetaflux"] == shown()
    assert ["Kipu", "Contamax", "Zetaflux"] == [
        each.name for each in projects.name_inbox(book.db, book.project_id).candidates
    ]


def test_a_project_without_answers_has_no_names(book: Book) -> None:
    """Nothing is stored for it."""
    book.db.execute("DELETE FROM llm_monitoring_results")
    assert None is names_request(book.db, book.project_id, None, None)
