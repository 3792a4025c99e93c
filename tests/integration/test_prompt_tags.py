"""Tags of prompts: written by commands, compared in any case of letters, kept by the database's own rules."""

from __future__ import annotations

import json
from datetime import date
from typing import Final

import pytest

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database
from llm_monitoring.db.failures import Rejected
from llm_monitoring.errors import Invalid, NotFound
from tests.integration.stored import Book, done, refused

DAY: Final = date(2026, 11, 1)


@pytest.fixture
def book(db: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Book:
    """A project with three prompts."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    return Book.open(db, Entity("Quipu"), ["¿Uno?", "¿Dos?", "¿Tres?"])


def tags(book: Book) -> list[list[str]]:
    return [row["tags"] for row in book.queries]


def test_prompts_are_tagged_and_listed(book: Book) -> None:
    """Added and removed by command; another case of letters and more spaces are the same tag."""
    done("queries", "tag", "1", "1", "2", "--add", "Precios", "--add", "  pymes   ES ")
    done("queries", "tag", "1", "2", "--remove", "PRECIOS", "--add", "precios largos")
    assert [["precios", "pymes es"], ["precios largos", "pymes es"], []] == tags(book)
    assert [1] == [row["id"] for row in json.loads(done("queries", "list", "1", "--tag", "PRECIOS", "--json"))]
    assert ["precios", "precios largos", "pymes es"] == [row["tag"] for row in projects.tags_of(book.db, 1)]
    assert "precios largos" in done("queries", "tag", "1")


def test_a_tag_that_is_none_changes_nothing(book: Book) -> None:
    """All or none: an empty one, one too long, a comma, a control character, too many, a prompt that is not there."""
    for text in ("", "   ", "x" * 51, "a,b", "a\x1bb"):
        with pytest.raises(Invalid):
            projects.tag_prompts(book.db, 1, [1, 2], ["bien", text], [])
    projects.set_tags(book.db, 1, 1, [f"t{number}" for number in range(20)])
    with pytest.raises(Invalid):
        projects.tag_prompts(book.db, 1, [2, 1], ["uno más"], [])
    with pytest.raises(NotFound):
        projects.tag_prompts(book.db, 1, [2, 99], ["bien"], [])
    assert [20, 0, 0] == [len(each) for each in tags(book)]
    assert "QUERY with --add" in refused("queries", "tag", "1", "1")


def test_the_database_keeps_the_rule(book: Book) -> None:
    """A tag that another program writes is held to the same form, and goes with its prompt."""
    for text in ("", " a", "a,b", "x" * 51):
        with pytest.raises(Rejected):
            book.db.execute("INSERT INTO llm_prompt_tags VALUES (1, %(tag)s)", {"tag": text})
    projects.set_tags(book.db, 1, 3, ["largo"])
    projects.remove_prompts(book.db, 1, [3])
    assert [] == projects.tags_of(book.db, 1)


def test_prompts_of_another_project_stay(book: Book) -> None:
    """A prompt is tagged in its own project alone."""
    other = Book.open(book.db, Entity("Sage"), ["¿Otra?"], name="Q")
    with pytest.raises(NotFound):
        projects.set_tags(book.db, 1, other.queries[0]["id"], ["x"])
    assert [[]] == tags(other)


def test_figures_of_a_tag_are_those_of_its_prompts(book: Book) -> None:
    """As if the project had no other prompts: rate, basis, failures and cost; an unknown tag has none."""
    for number, text in enumerate(("Quipu va bien.", "Usa Sage.", "Quipu.")):
        book.store(number, DAY, text)
    book.db.execute(
        "UPDATE llm_monitoring_results SET attempt_id = NULL"
    )  # older than the ledger, with a cost of its own
    fail(book, 1, sample=2)
    fail(book, 3, sample=2)
    book.figures(DAY)
    projects.tag_prompts(book.db, 1, [1, 2], ["dos"], [])
    assert ("50.00", 2, 2, 1, "0.0200000000") == shown(book, "--tag", "DOS")
    assert ("66.67", 3, 3, 2, "0.0300000000") == shown(book)
    assert (None, 0, 0, 0, "0") == shown(book, "--tag", "otra")
    listed = json.loads(done("answers", "list", "1", "--tag", "dos", "--counted-in", "mention_rate", "--json"))
    assert [1, 2] == sorted(row["query_id"] for row in listed)


def fail(book: Book, query_id: int, sample: int) -> None:
    book.db.execute(
        "INSERT INTO llm_monitoring_failed_tasks "
        "(project_id, query_id, llm_provider, analysis_date, sample, reason, message, final) "
        "VALUES (1, %(query_id)s, 'openai', %(day)s, %(sample)s, 'timeout', '', TRUE)",
        {"query_id": query_id, "day": DAY, "sample": sample},
    )


def shown(book: Book, *options: str) -> tuple[object, ...]:
    """The mention rate of a day, its answers and prompts, failures and cost."""
    found = json.loads(done("metrics", "1", "--from", str(DAY), "--to", str(DAY), *options, "--json"))["all"]
    names = ("mention_rate", "total_queries", "prompts", "failed_queries", "total_cost_usd")
    return tuple(found[name] for name in names)
