"""`answers`: an analyst finds the answers behind a figure, and reads one."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from llm_monitoring import logs
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database
from tests.integration.stored import Book, done, refused

DAYS = (date(2026, 11, 1), date(2026, 11, 2))


@pytest.fixture
def book(db: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Book:
    """Two prompts on two days at two providers."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    rivals = [Entity("Holded", (), ("holded.com",)), Entity("Sage")]
    made = Book.open(db, Entity("Quipu", (), ("getquipu.com",)), ["¿Qué ERP?", "¿Y otro?"], rivals)
    for day in DAYS:
        made.store(0, day, "1. **Holded**\n2. Quipu", citations=["https://holded.com/a"])
        made.store(1, day, "Sage", provider="google", model="m-2")
    return made


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ([], [4, 3, 2, 1]),
        (["--limit", "1"], [4]),
        (["--day", "2026-11-01"], [2, 1]),
        (["--from", "2026-11-02"], [4, 3]),
        (["--provider", "google"], [4, 2]),
        (["--model", "m-1"], [3, 1]),
        (["--mentioned"], [3, 1]),
        (["--not-mentioned"], [4, 2]),
        (["--competitor", "holded"], [3, 1]),
        (["--prompt", "2"], [4, 2]),
        (["--prompt", "2", "--mentioned"], []),
    ],
)
@pytest.mark.usefixtures("book")
def test_answers_are_found(options: list[str], numbers: list[int]) -> None:
    """Each filter narrows the list, latest first."""
    assert numbers == [row["id"] for row in json.loads(done("answers", "list", "1", "--json", *options))]


@pytest.mark.usefixtures("book")
def test_pages_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is lost or repeated between pages."""
    monkeypatch.setattr("llm_monitoring.reporting.stored_answers.PAGE", 1)
    assert [4, 3, 2, 1] == [row["id"] for row in json.loads(done("answers", "list", "1", "--json"))]


@pytest.mark.usefixtures("book")
def test_the_list_says_how_to_go_on() -> None:
    """The table ends with how to see more and how to read one."""
    assert done("answers", "list", "1", "--limit", "2").endswith(
        "There are more: `--limit 20`. Read one: `answers show 4`.\n"
    )


def test_answers_are_read_with_present_names(book: Book) -> None:
    """A competitor that became known later is found in earlier answers."""
    book.rename(competitors='[{"name": "Sage", "aliases": ["Holded"]}]')
    assert 4 == len(json.loads(done("answers", "list", "1", "--competitor", "Sage", "--json")))


@pytest.mark.usefixtures("book")
def test_one_answer() -> None:
    """An answer is shown with its prompt, models, cost and sources, the names in its text marked."""
    shown = done("answers", "show", "3")
    assert "‹Holded›\n" in shown
    assert "«Quipu»\n" in shown
    assert "[1] https://holded.com/a (Holded)" in shown
    facts = dict(line.split("  ", 1) for line in shown.split("\n\n")[0].splitlines())
    assert {"Prompt": "1 ¿Qué ERP?", "Position": "2 of 2", "Model served": "m-1", "Cost USD": "0.0100000000"} == {
        name: facts[name].strip() for name in ("Prompt", "Position", "Model served", "Cost USD")
    }


@pytest.mark.usefixtures("book")
def test_one_answer_for_programs() -> None:
    """With --json the whole answer is there, its sources with their owners."""
    found = json.loads(done("answers", "show", "3", "--json"))
    assert "1. **Holded**\n2. Quipu" == found["full_response"]
    assert "competitor" == found["sources"][0]["owner"]


def test_hostile_text_moves_no_cursor(book: Book) -> None:
    """What an answer holds is shown as text: no escape reaches the terminal, no markup is obeyed."""
    book.store(0, date(2026, 11, 3), "Quipu \x1b[2J\x9b31m [red]x[/red] \u202eabc")
    shown = done("answers", "show", "5")
    assert [] == [char for char in shown if char != "\n" and logs.UNSAFE.match(char)]
    assert "[red]x[/red]" in shown


def test_unread_and_emptied_answers(book: Book) -> None:
    """An answer that is not analysed shows its text and why; one whose text is gone says so."""
    book.db.execute("UPDATE llm_monitoring_results SET unread_reason = 'IndexError' WHERE id = 3")
    book.db.execute("UPDATE llm_monitoring_results SET full_response = NULL WHERE id = 1")
    assert ("not read yet (IndexError)" in done("answers", "show", "3")) is True
    assert "1. **Holded**" in done("answers", "show", "3")
    assert "The text is no longer stored." in done("answers", "show", "1")


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "99"), "answer 99 does not exist"),
        (("show", "x"), "is no answer number"),
        (("list",), "which project?"),
        (("list", "1", "--competitor", "Nobody"), "no competitor 'Nobody'"),
        (("list", "1", "--day", "2026-11-01", "--from", "2026-11-01"), "--day is one day"),
    ],
)
@pytest.mark.usefixtures("book")
def test_refusals(arguments: tuple[Any, ...], words: str) -> None:
    """What cannot be found is refused in one line that says where to look."""
    assert words in refused("answers", *arguments)
