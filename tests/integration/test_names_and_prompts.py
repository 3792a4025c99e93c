"""`projects check` on stored answers and `queries generate` on a project."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database
from tests.integration.stored import Book, command, done, refused

TODAY = date(2026, 11, 23)


@pytest.fixture(autouse=True)
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands work on the test's database."""
    monkeypatch.setenv("DATABASE_URL", database_url)


def warnings(db: Database) -> dict[str, Any]:
    found = json.loads(done("projects", "check", "1", "--json"))["warnings"]
    return {warning["term"]: warning for warning in found}


def open_book(db: Database, rival: Entity, *texts: str) -> Book:
    book = Book.open(db, Entity("Quipu"), [f"¿Caso {n}?" for n in range(len(texts) or 1)], [rival])
    for number, text in enumerate(texts):
        book.store(number, TODAY, text)
    return book


def test_an_everyday_word_is_shown_as_answers_use_it(db: Database) -> None:
    """Hits in another case are counted apart, shown first, and their phrases proposed as exclude."""
    open_book(db, Entity("Sage"), "Sage y Quipu.", "Un tono sage green precioso.", "El color sage green. Y Sage.")
    sage = warnings(db)["Sage"]
    assert 4 == sage["hits"]
    assert 2 == sage["hits_in_the_case_given"]
    assert {"common word", "inside common words"} == {reason["kind"] for reason in sage["reasons"]}
    assert "sage green" in sage["examples"][0]["text"]
    assert ["case_sensitive for Sage (keeps 2 of 4 hits)", "exclude “sage green” (2 times)"] == sage["proposals"][:2]
    assert "`python -m llm_monitoring competitors edit 1 Sage`: --case-sensitive" in done("projects", "check", "1")


def test_a_longer_product_is_proposed_as_exclude_or_alias(db: Database) -> None:
    """A capitalised word that often follows a name, and that is not declared, is pointed out."""
    open_book(
        db, Entity("Zoho"), *["Prueba Zoho Books hoy.", "Zoho Books es contable.", "Con Zoho Books basta.", "Zoho."]
    )
    assert ["exclude “Zoho Books” if it is not Zoho, else make it an alias (3 times)"] == warnings(db)["Zoho"][
        "proposals"
    ]


def test_a_form_that_is_not_counted_is_proposed_as_alias(db: Database) -> None:
    """An inflected form that answers use and the matcher leaves out is pointed out."""
    open_book(db, Entity("Holded"), *["Los Holdeds de hoy."] * 3)
    assert ["alias “holdeds” if it is Holded (3 times, not counted now)"] == warnings(db)["Holded"]["proposals"]


def test_neighbours_are_told(db: Database) -> None:
    """A competitor's name inside another's says that the longer one counts."""
    Book.open(db, Entity("Quipu"), ["¿?"], [Entity("Sage"), Entity("Sage Intacct")])
    assert "part of “Sage Intacct” (Sage Intacct)" in [each["detail"] for each in warnings(db)["Sage"]["reasons"]]


def test_good_names_pass(db: Database) -> None:
    """Names that nothing speaks against are said to be fine, with what was looked at."""
    open_book(db, Entity("Holded"), "Quipu y Holded.")
    said = done("projects", "check", "1")
    assert said.startswith("Project 1, P: no name is likely to mislead (looked at in the latest 1 answer).\n")


def test_names_without_a_site(db: Database) -> None:
    """What cannot be cited for want of a declared site is said with the command, and not any more once it is there."""
    open_book(db, Entity("Holded"), "Quipu y Holded.")
    said = done("projects", "check", "1")
    assert "Quipu: no site is declared, so there is no citation rate." in said
    assert "Holded: no site is declared, so citations of theirs are not counted." in said
    assert ["Quipu", "Holded"] == json.loads(done("projects", "check", "1", "--json"))["without_site"]
    done("projects", "edit", "1", "--domain", "getquipu.com")
    done("competitors", "edit", "1", "Holded", "--domain", "holded.com")
    assert "no site is declared" not in done("projects", "check", "1")


def test_a_check_is_printed_for_people(db: Database) -> None:
    """Reasons, hits, examples and proposals stand under the name."""
    open_book(db, Entity("Sage"), "Un sage green de Sage.")
    said = done("projects", "check", "1")
    assert "“Sage”: a common word (English); inside message" in said
    assert "    hits: 2, 1 of them in the case given" in said
    assert f"    answer 1, openai, {TODAY}: …Un sage green de Sage.…" in said
    assert "    → exclude “sage green” (1 time)" in said


def generate(*options: str, stdin: str | None = None) -> str:
    return done("queries", "generate", "--project", "1", "--count", "10", *options, stdin=stdin)


def stored(book: Book) -> list[tuple[str, str]]:
    return [(row["query_text"], row["query_type"]) for row in book.queries]


def test_prompts_are_shown_before_they_are_stored(db: Database) -> None:
    """Without an answer but no nothing is stored; with yes exactly what was shown is, by type and language."""
    book = Book.open(db, Entity("Quipu"), [], [Entity("Holded"), Entity("Sage")])
    shown = generate(stdin="n\n")
    assert [] == stored(book)
    assert "10 prompts asked for: 6 general, 2 with the brand, 2 with a competitor" in shown
    assert shown.rpartition("Store them?")[0] == generate(stdin="y\n").rpartition("Store them?")[0]
    types = [kind for _, kind in stored(book)]
    assert (6, 2, 2) == tuple(types.count(kind) for kind in ("general", "with_brand", "with_competitor"))
    assert all(text in shown for text, _ in stored(book))
    assert {"es"} == {row["language"] for row in book.queries}


def test_prompts_that_the_project_has_are_not_proposed(db: Database) -> None:
    """A second round proposes others, also where a known one differs in case and punctuation alone."""
    book = Book.open(db, Entity("Quipu"), [], [Entity("Holded")])
    first = json.loads(generate("--json"))
    book.db.execute(
        "INSERT INTO llm_monitoring_queries (project_id, query_text) VALUES (1, %(text)s)",
        {"text": first[0]["query"].upper().strip("¿?") + " !!"},
    )
    second = json.loads(generate("--json", "--yes"))
    assert first[0]["query"] not in [each["query"] for each in second]
    third = json.loads(generate("--json"))
    assert set() == {each["query"] for each in second} & {each["query"] for each in third}
    assert 11 == len(book.queries)
    assert 10 == len(third)


def test_another_seed_proposes_others(db: Database) -> None:
    """--seed changes the choice, and nothing else does."""
    Book.open(db, Entity("Quipu"), [], [Entity("Holded")])
    assert generate("--json") == generate("--json") != generate("--json", "--seed", "2")


def test_when_sentences_run_out_it_is_said(db: Database) -> None:
    """Where there are not as many different sentences, what there is comes with how many are missing."""
    Book.open(db, Entity("Quipu"), [], [Entity("Holded")])
    printed = done("queries", "generate", "--project", "1", "--count", "500", "--yes")
    assert "are missing: there are no more different sentences." in printed
    assert (
        "no sentence left"
        in refused("queries", "generate", "--project", "1", "--count", "500", "--yes").split("error:")[1]
    )


def test_a_language_without_templates_is_refused(db: Database) -> None:
    """For a language without templates the error lists the languages; a regional form has those of its language."""
    book = Book.open(db, Entity("Quipu"), [], language="ja")
    assert "there are no templates in 'ja', only in es, en" in refused(
        "queries", "generate", "--project", "1", "--count", "5"
    )
    book.rename(language="pt-BR")
    assert 0 == command("queries", "generate", "--project", "1", "--count", "5", "--json").exit_code
