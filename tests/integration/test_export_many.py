"""Exports of several projects in one sheet, a row a name, and of the answers that somebody looks for."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Any

import pytest

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database
from tests.integration.stored import Book, done, refused

DAYS = (date(2026, 11, 1), date(2026, 11, 2))


@pytest.fixture
def books(db: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Book, Book]:
    """Two projects of one user, and a third of somebody else."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    rivals = [Entity("Holded", (), ("holded.com",)), Entity("Sage")]
    first = Book.open(db, Entity("Quipu", (), ("getquipu.com",)), ["one"], rivals, name="First")
    second = Book.open(db, Entity("Zaptly"), ["two"], name="=Second")
    other = projects.add_user(db, "b@example.com")
    projects.add(db, projects.NewProject(other, "Third", Entity("Acme"), "CRM"))
    for day in reversed(DAYS):
        first.store(0, day, "1. Holded\n2. Quipu\n\nhttps://holded.com/a")
        first.store(0, day, "Sage y Sage", provider="google")
        second.store(0, day, "Zaptly")
    for book in (first, second):
        book.figures(*DAYS)
    return first, second


def rows(*arguments: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(done("export", *arguments), newline=""), delimiter=delimiter))


@pytest.mark.short(every=2)
@pytest.mark.parametrize("kind", ["results", "snapshots", "citations"])
@pytest.mark.usefixtures("books")
def test_many_projects_in_one_sheet(kind: str) -> None:
    """Every row of every kind names its project and brand, and the rows of all projects follow the days."""
    chosen = [("--project", "1", "--project", "2"), ("--user", "a@example.com")]
    found, same = (rows(kind, *each) for each in chosen)
    day = "snapshot_date" if kind == "snapshots" else "analysis_date"
    assert found == same
    assert sorted(row[day] for row in found) == [row[day] for row in found]
    named = {("1", "First", "Quipu")} | ({("2", "'=Second", "Zaptly")} if kind != "citations" else set())
    assert named == {(row["project_id"], row["project_name"], row["project_brand"]) for row in found}


@pytest.mark.usefixtures("books")
def test_a_row_a_name() -> None:
    """In the long form each name of an answer has its row: mentions, position and site, empty if unknown."""
    found = rows("results", "--project", "1", "--long", "--to", "2026-11-01", "--provider", "openai")
    assert [
        ("brand", "Quipu", "true", "1", "2", "false"),
        ("competitor", "Holded", "true", "1", "1", "true"),
        ("competitor", "Sage", "false", "0", "", ""),
    ] == [(row["role"], row["name"], row["mentioned"], row["mentions"], row["position"], row["cited"]) for row in found]


@pytest.mark.usefixtures("books")
def test_figures_a_row_a_name() -> None:
    """In the long form a day's figures have a row a name with how many answers name it."""
    found = rows("snapshots", "--project", "1", "--long", "--from", "2026-11-02")
    assert [
        ("google", "Quipu", "0"),
        ("google", "Holded", "0"),
        ("google", "Sage", "1"),
        ("openai", "Quipu", "1"),
        ("openai", "Holded", "1"),
        ("openai", "Sage", "0"),
    ] == sorted(
        ((row["llm_provider"], row["name"], row["answers_with_name"]) for row in found),
        key=lambda row: row[0],
    )


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("options", "providers"),
    [
        (["--mentioned"], {"openai"}),
        (["--not-mentioned"], {"google"}),
        (["--provider", "google"], {"google"}),
        ([], {"openai", "google"}),
    ],
)
@pytest.mark.usefixtures("books")
def test_only_the_answers_that_are_looked_for(options: list[str], providers: set[str]) -> None:
    """Answers can be narrowed to a provider, and to those that name the brand or do not."""
    assert providers == {row["llm_provider"] for row in rows("results", "--project", "1", *options)}


def test_unread_answers_say_so(books: tuple[Book, Book], db: Database) -> None:
    """An answer that is not analysed yet is neither a mention nor an absence, and gives its reason."""
    db.execute("UPDATE llm_monitoring_results SET unread_reason = 'IndexError' WHERE llm_provider = 'google'")
    found = rows("results", "--project", "1", "--provider", "google")
    assert {("", "IndexError")} == {(row["brand_mentioned"], row["unread_reason"]) for row in found}
    assert [] == rows("results", "--project", "1", "--provider", "google", "--not-mentioned")


@pytest.mark.usefixtures("books")
def test_semicolons() -> None:
    """With a semicolon the file has decimal commas."""
    found = rows("results", "--project", "2", "--delimiter", ";", delimiter=";")
    assert {"0,0100000000"} == {row["cost_usd"] for row in found}


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("results",), "which project? Add its number: 1 First"),
        (("results", "--user", "c@example.com"), "does not exist"),
        (("citations", "--project", "1", "--long"), "leave out `--long`"),
        (("snapshots", "--project", "1", "--mentioned"), "leave out `--mentioned`"),
        (("results", "--project", "1", "--format", "jsonl", "--delimiter", ";"), "--delimiter is for --format csv"),
    ],
)
@pytest.mark.usefixtures("books")
def test_refusals(arguments: tuple[Any, ...], words: str) -> None:
    """What cannot be exported is refused with what to write instead."""
    assert words in refused("export", *arguments)
