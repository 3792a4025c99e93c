"""The commands on projects and their prompts: what each does and what it refuses."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from llm_monitoring.db.database import Database
from llm_monitoring.domain import PROVIDERS
from tests.integration.command_line import EMAIL, Cli


def test_project_with_everything(cli: Cli, ana: int) -> None:
    """Every option of a new project is stored, and shown again by a table and as JSON."""
    Path("rivals.csv").write_text("name;aliases;domains\r\nSage;Sage 50|Sage Active;sage.com\r\n", encoding="utf-8-sig")
    Path("rivals.json").write_text('[{"name": "Ábaco", "exclude": ["ábaco chino"], "case_sensitive": true}]')
    added = cli.done(
        "projects", "add", EMAIL, "Quipu (ES)", "--brand", "Quipu", "--industry", "software de facturación",
        "--alias", "Quipu App", "--alias", "getquipu", "--domain", "getquipu.com", "--exclude", "quipu inca",
        "--case-sensitive", "--competitor", "Holded", "--competitor-file", "rivals.csv",
        "--competitor-file", "rivals.json", "--language", "en", "--country", "es", "--provider", "google",
        "--provider", "openai", "--web-search", "--samples", "3",
    )  # fmt: skip
    assert f"Project 1 added for user 1 ({EMAIL}): Quipu (ES). Next: `queries add 1 TEXT`" in added
    shown = cli.json("projects", "show", "1")
    none: dict[str, Any] = {"aliases": [], "domains": [], "exclude": [], "case_sensitive": False}
    assert {
        "id": 1, "name": "Quipu (ES)", "user_id": 1, "industry": "software de facturación", "language": "en",
        "country": "ES", "providers": ["openai", "google"], "web_search": True, "samples_per_query": 3,
        "pace": "punctual", "is_active": True,
        "brand": {"name": "Quipu", "aliases": ["Quipu App", "getquipu"], "domains": ["getquipu.com"],
                  "exclude": ["quipu inca"], "case_sensitive": True},
        "competitors": [
            {**none, "name": "Holded"},
            {**none, "name": "Sage", "aliases": ["Sage 50", "Sage Active"], "domains": ["sage.com"]},
            {**none, "name": "Ábaco", "exclude": ["ábaco chino"], "case_sensitive": True},
        ],
    } == shown  # fmt: skip
    Path("again.json").write_text(json.dumps(shown["competitors"]))
    cli.done("projects", "add", "1", "Copy", "--brand", "Quipu", "--industry", "x", "--competitor-file", "again.json")
    assert shown["competitors"] == cli.json("projects", "show", "2")["competitors"]
    table = cli.done("projects", "show", "1")
    assert all(each in table for each in ("en-ES", "openai, google", "Sage 50, Sage Active", "ábaco chino"))


def test_project_defaults(cli: Cli, quipu: int) -> None:
    """A project asks every provider once, in Spanish, without search."""
    shown = cli.json("projects", "show", "1")
    defaults = ("language", "country", "providers", "web_search", "samples_per_query", "competitors")
    assert ["es", None, list(PROVIDERS), False, 1, []] == [shown[name] for name in defaults]


@pytest.mark.ci
def test_projects_list_pause_and_resume(cli: Cli, quipu: int) -> None:
    """A project is listed with its state, and pausing and resuming change it."""
    cli.done("queries", "add", "1", "a", "b")
    assert "Project 1 is paused.\n" == cli.done("projects", "pause", "1")
    (row,) = cli.json("projects", "list")
    assert 1 == row["id"]
    assert "Quipu" == row["brand_name"]
    assert EMAIL == row["email"]
    assert 2 == row["active_queries"]
    assert row["is_active"] is False
    assert "paused" in cli.done("projects", "list")
    assert "Project 1 is active.\n" == cli.done("projects", "resume", "1")
    assert "active" in cli.done("projects", "list")


@pytest.mark.short(every=8)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("--language", "Spanish"), "language 'Spanish' is no ISO 639 code such as es or en"),
        (("--language", "es-toolonglng"), "language 'es-toolonglng' is no ISO 639 code such as es or en"),
        (("--country", "Spain"), "country 'SPAIN' is no ISO 3166 code: write ES"),
        (("--samples", "21"), "Invalid value for '--samples': 21 is not in the range 1<=x<=20; see "),
        (("--provider", "grok"), "Invalid value for '--provider': choose one of openai, anthropic"),
        (
            ("--brand", "Q"),
            "'Q' is one letter, which any text holds: give a longer name, or count it only in its own case: `--case",
        ),
        (
            ("--competitor", "x"),
            "'x' is one letter, which any text holds: give a longer name, or count it only in its own case: `--case",
        ),
        (("--brand", " "), "' ': an entity needs a name"),
        (("--industry", " "), "the industry is empty or over 255 characters"),
        (("--competitor", ""), "'': an entity needs a name"),
        (("--competitor", "QUIPU"), "brand and competitors need different names, and 'quipu' is there twice"),
        (("--competitor-file", "none.csv"), "Invalid value for '--competitor-file': 'none.csv': No such file or dir"),
        (("--competitor-file", "bad.csv"), "bad.csv, line 1: the header needs the column `name`"),
    ],
)
def test_project_refused(cli: Cli, ana: int, changes: tuple[str, ...], message: str) -> None:
    """A project that cannot be stored or measured is refused, and nothing is stored."""
    Path("bad.csv").write_text("Holded\n")
    said = cli.refused("projects", "add", "1", "P", "--brand", "Quipu", "--industry", "x", *changes)
    assert message == said[: len(message)]
    assert [] == cli.json("projects", "list")


def test_a_list_in_one_name_is_said(cli: Cli, ana: int) -> None:
    """It is taken as it is, since names have commas; who meant several learns it at once, where names are given."""
    quipu = ("Quipu", "--brand", "Quipu", "--industry", "x", "--competitor")
    assert "“Holded, Sage” counts as one name" in cli.done("projects", "add", str(ana), *quipu, "Holded, Sage")
    assert "“Billin; Anfix” counts as one name" in cli.done("competitors", "add", "1", "Billin; Anfix")
    assert "“A1, A2” counts as one name" in cli.done("projects", "edit", "1", "--alias", "A1, A2")
    assert "counts as one name" not in cli.done("competitors", "add", "1", "Acme, Inc.")


def test_project_twice(cli: Cli, quipu: int) -> None:
    """A user has one project of a name."""
    assert "user 1 already has a project named 'Quipu'" == cli.refused(
        "projects", "add", "1", "Quipu", "--brand", "Quipu", "--industry", "x"
    )


def test_project_that_cannot_be_read(cli: Cli, db: Database, quipu: int) -> None:
    """A row that a host application broke is one line, and can still be listed and paused."""
    db.execute("""UPDATE llm_monitoring_projects SET competitors = '[{"name": " "}]'""")
    assert "project 1 cannot be read: an entity needs a name" == cli.refused("projects", "show", "1")
    assert "project 1 cannot be read: an entity needs a name" == cli.refused("queries", "add", "1", "a")
    assert 1 == len(cli.json("projects", "list"))
    cli.done("projects", "pause", "1")


def test_queries_add(cli: Cli, quipu: int) -> None:
    """Prompts are stored as written, by default in the language of the project, and a known one is left alone."""
    assert "Project 1: new prompts: 2, known already: 0.\n" == cli.done(
        "queries", "add", "1", "¿Cuál?", "[b]Which[/b]?", "--language", "en", "--type", "t"
    )
    assert "Project 1: new prompts: 1, known already: 1.\n" == cli.done("queries", "add", "1", "¿Cuál?", " otra ")
    assert [
        {"id": 1, "query_text": "¿Cuál?", "language": "en", "query_type": "t", "is_active": True, "tags": []},
        {"id": 2, "query_text": "[b]Which[/b]?", "language": "en", "query_type": "t", "is_active": True, "tags": []},
    ] == cli.json("queries", "list", "1")[:2]
    assert ("otra", "es", "general") == tuple(
        cli.json("queries", "list", "1")[2][name] for name in ("query_text", "language", "query_type")
    )
    assert "[b]Which[/b]?" in cli.done("queries", "list", "1")


@pytest.mark.short(every=8)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("good", " "), "the prompt is empty"),
        (("good", "x" * 4001), "the prompt is longer than 4000 characters: 'xxx"),
        (("good", "--language", "Klingon"), "language 'Klingon' is no ISO 639 code"),
        (("good", "--type", ""), "type '' is empty or over 50 characters"),
        ((), "Missing argument 'TEXT...'"),
    ],
)
def test_queries_refused(cli: Cli, quipu: int, arguments: tuple[str, ...], message: str) -> None:
    """One prompt that cannot be stored keeps out the others."""
    assert message == cli.refused("queries", "add", "1", *arguments)[: len(message)]
    assert [] == cli.json("queries", "list", "1")


@pytest.mark.ci
def test_longest_prompt(cli: Cli, quipu: int) -> None:
    """A prompt of 4,000 characters is stored; one that the table's index cannot hold is refused and not cut."""
    words = ("¿Qué programa de facturación recomiendas a un autónomo de Madrid? " * 70)[:4000]
    assert "Project 1: new prompts: 1, known already: 0.\n" == cli.done("queries", "add", "1", words)
    noise = uuid.uuid5(uuid.NAMESPACE_DNS, "x").hex
    text = "".join(uuid.uuid5(uuid.NAMESPACE_DNS, f"{noise}{number}").hex for number in range(200))
    assert "the database does not take one of the prompts" in cli.refused("queries", "add", "1", text[:4000])
    text = text[:2500]
    assert "Project 1: new prompts: 1, known already: 0.\n" == cli.done("queries", "add", "1", text)


def test_queries_import(cli: Cli, quipu: int) -> None:
    """A file as Excel writes it is imported whole, says what was new, and changes nothing when imported again."""
    lines = 'Query;Language;Type\r\n"¿Cuál; a ver?";;\r\n\r\nWhich?;en;compare\r\nWhich?;en;compare\r\n'
    Path("prompts.csv").write_bytes(b"\xef\xbb\xbf" + lines.encode())
    shown = cli.done("queries", "import", "1", "prompts.csv", "--dry-run")
    assert "prompts.csv: UTF-8, columns divided by “;”; prompt from “Query”, language from “Language”" in shown
    assert "3 prompts: 2 new, 1 skipped." in shown
    assert "Skipped: line 5 says the same as line 4" in shown
    assert [] == cli.json("queries", "list", "1")
    assert "Project 1: new prompts: 2, known already: 1.\n" in cli.done("queries", "import", "1", "prompts.csv")
    assert "Project 1: new prompts: 0, known already: 3.\n" in cli.done("queries", "import", "1", "prompts.csv")
    assert [("¿Cuál; a ver?", "es", "general"), ("Which?", "en", "compare")] == [
        (row["query_text"], row["language"], row["query_type"]) for row in cli.json("queries", "list", "1")
    ]
    assert "Project 1: new prompts: 1, known already: 0.\n" in cli.done(
        "queries", "import", "1", "-", stdin="One a line, with a comma\n"
    )
    Path("excel.csv").write_bytes("¿Qué señal?\n".encode("cp1252"))
    assert "the encoding was guessed" in cli.run("queries", "import", "1", "excel.csv").stderr
    assert "new prompts: 1" in cli.done("queries", "import", "1", "excel.csv", "--yes")


def test_queries_import_is_all_or_nothing(cli: Cli, quipu: int) -> None:
    """A file with one wrong line is refused by that line, and nothing of it is stored."""
    Path("prompts.csv").write_text("query,language\ngood,es\nbad,e5\n")
    assert "prompts.csv, line 3: language 'e5' is no ISO 639 code such as es or en" == cli.refused(
        "queries", "import", "1", "prompts.csv"
    )
    assert [] == cli.json("queries", "list", "1")
    assert cli.refused("queries", "import", "1", ".").startswith("Invalid value for 'FILE': '.': Is a directory; see ")


@pytest.mark.ci
def test_queries_are_stored_in_one_transaction(cli: Cli, db: Database, quipu: int) -> None:
    """What the database refuses in the middle takes back what was stored before it."""
    db.execute("ALTER TABLE llm_monitoring_queries ADD CHECK (query_text <> 'bad')")
    assert "violates check constraint" in cli.refused("queries", "add", "1", "good", "bad")
    assert [] == cli.json("queries", "list", "1")
