"""Prompts, users and keys are edited and removed: what was asked stays, what goes is said before it goes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from llm_monitoring.db.database import Database
from llm_monitoring.db.migrations import migrate
from llm_monitoring.ledger.attempts import Attempt
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.process.wording import PROGRAM
from tests.admission import admits
from tests.integration.command_line import Cli


def ask(db: Database, query_id: int) -> None:
    """A stored answer of a prompt."""
    db.execute(
        "INSERT INTO llm_monitoring_results (project_id, query_id, analysis_date, llm_provider, query_text, brand_name)"
        " VALUES (1, %(query)s, '2026-11-01', 'openai', 'x', 'Quipu')",
        {"query": query_id},
    )


def texts(cli: Cli) -> list[str]:
    return [row["query_text"] for row in cli.json("queries", "list", "1")]


@pytest.mark.ci
def test_prompts_that_were_never_asked_are_removed(cli: Cli, db: Database, quipu: int) -> None:
    """Several at a time, after a yes; one that was asked keeps all, and the error says how to pause it."""
    cli.done("queries", "add", "1", "One?", "Two?", "Three?")
    assert "Nothing was deleted." in cli.done("queries", "remove", "1", "1", stdin="n\n")
    ask(db, 2)
    said = cli.refused("queries", "remove", "1", "1", "2", "--yes")
    assert (
        f"prompt 2 was asked, and its answers, figures or calls stay: stop asking it with `{PROGRAM} queries pause 1 2`"
    ) == said
    assert ["One?", "Two?", "Three?"] == texts(cli)
    assert "2 prompts deleted." in cli.done("queries", "remove", "1", "1", "3", "--yes")
    assert ["Two?"] == texts(cli)
    assert "project 1 has no prompt 9" in cli.refused("queries", "remove", "1", "9", "--yes")


def test_a_prompt_with_a_call_is_not_removed(cli: Cli, db: Database, quipu: int) -> None:
    """A paid call without an answer counts as asked."""
    cli.done("queries", "add", "1", "One?")
    cli.done("budget", "set", "1", "--limit", "5")
    db.execute(
        "INSERT INTO llm_call_attempts (id, kind, state, user_id, month, ceiling_usd, charged_usd, project_id,"
        " query_id, closed_at) VALUES (gen_random_uuid(), 'correction', 'settled', 1, '2026-11-01', 0, 0, 1, 1, now())"
    )
    assert "prompt 1 was asked" in cli.refused("queries", "remove", "1", "1", "--yes")


def test_prompts_are_edited(cli: Cli, db: Database, quipu: int) -> None:
    """Words change until the prompt is asked; language and type afterwards too."""
    cli.done("queries", "add", "1", "One?", "Two?")
    cli.done("queries", "edit", "1", "1", "--text", "Which one?", "--language", "EN")
    assert ("Which one?", "en") == tuple(
        cli.json("queries", "list", "1")[0][name] for name in ("query_text", "language")
    )
    assert "has a prompt with these words" in cli.refused("queries", "edit", "1", "1", "--text", "Two?")
    ask(db, 1)
    assert "prompt 1 was asked" in cli.refused("queries", "edit", "1", "1", "--text", "Other?")
    cli.done("queries", "edit", "1", "1", "--type", "compare")
    assert "compare" == cli.json("queries", "list", "1")[0]["query_type"]


def test_the_same_prompt_in_other_letters(cli: Cli, quipu: int) -> None:
    """Case, spaces and marks at the end make no other prompt."""
    cli.done("queries", "add", "1", "Mejor app")
    assert "new prompts: 0, known already: 2." in cli.done("queries", "add", "1", "mejor  app", "¿MEJOR APP?")


def test_users_are_edited(cli: Cli, ana: int) -> None:
    """Another address is stored, unless it is another user's."""
    cli.done("users", "add", "luis@agency.example")
    cli.done("users", "edit", "1", "ana@new.example")
    assert "ana@new.example" == cli.json("users", "list")[0]["email"]
    assert "user 2 has the address" in cli.refused("users", "edit", "1", "LUIS@agency.example")
    assert "is no e-mail address" in cli.refused("users", "edit", "1", "luis")


def test_users_are_removed(cli: Cli, db: Database, quipu: int) -> None:
    """What goes is said first; an open call keeps the user; the ledger stays."""
    cli.done("queries", "add", "1", "One?")
    Budget(db).correct(1, Decimal(3), "elsewhere")
    said = cli.done("users", "remove", "1", stdin="n\n")
    assert "1 projects: 1 prompts, 0 answers. The ledger keeps 1 calls and their 3.0000 USD." in said
    assert "Nothing was deleted." in said
    assert "is deleted" in cli.done("users", "remove", "1", "--yes")
    assert [] == cli.json("users", "list")
    assert [] == cli.json("projects", "list")
    assert [3] == [row["charged_usd"] for row in db.all("SELECT charged_usd FROM llm_call_attempts")]


def test_a_key_is_removed_after_a_yes(cli: Cli, ana: int) -> None:
    """`keys remove` asks, and --yes is for scripts."""
    cli.done("keys", "set", "1", "openai", stdin="sk-proj-0123456789abcdef")
    assert "Nothing was removed." in cli.done("keys", "remove", "1", "openai", stdin="n\n")
    assert 1 == len(cli.json("keys", "list"))
    assert "Removed the openai key" in cli.done("keys", "remove", "1", "openai", "--yes")
    assert [] == cli.json("keys", "list")


@pytest.mark.ci
def test_what_a_host_stored_beyond_the_limits_is_said(cli: Cli, db: Database, quipu: int) -> None:
    """It is measured as it is, `projects check` and `doctor` say it, and other fields can be changed."""
    db.execute("UPDATE llm_monitoring_projects SET country = 'UK', brand_domains = '{*.quipu.com}' WHERE id = 1")
    said = cli.done("projects", "check", "1")
    assert "country 'UK' is no ISO 3166 code: write GB" in said
    assert "the site '*.quipu.com' of 'Quipu': write quipu.com: its subdomains count as well" in said
    assert "country 'UK' is no ISO 3166 code: write GB" in cli.run("doctor", "--offline").stdout
    cli.done("projects", "edit", "1", "--samples", "2")
    assert "write FR" in cli.refused("projects", "edit", "1", "--country", "FX")


def test_who_may_not_remove_a_user(cli: Cli, db: Database, ana: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role without the right gets an error that names who has it."""
    migrate(db)
    db.execute("CREATE ROLE input_admin LOGIN")
    db.execute("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO input_admin")
    db.execute("REVOKE UPDATE ON users FROM input_admin")
    try:
        url = db.dsn.replace("user=postgres", "user=input_admin").replace("//postgres", "//input_admin")
        monkeypatch.setenv("DATABASE_URL", url)
        for arguments in (("users", "remove", "1", "--yes"), ("users", "edit", "1", "b@x.example")):
            result = cli.run(*arguments)
            assert 1 == result.exit_code, result.output
            assert "DATABASE_URL of the tables' owner" in result.stderr, result.output
    finally:
        db.execute("DROP OWNED BY input_admin")
        db.execute("DROP ROLE input_admin")


@pytest.mark.ci
def test_web_search_that_cannot_be_asked_is_said(cli: Cli, db: Database, quipu: int) -> None:
    """When it is switched on, with the command that mends it, and by doctor; the command's fee makes it callable."""
    db.execute("UPDATE llm_model_registry SET cost_per_1k_searches = NULL WHERE llm_provider = 'openai'")
    model = next(row for row in cli.json("models", "list") if row["llm_provider"] == "openai" and row["is_current"])
    said = cli.done("projects", "edit", "1", "--web-search", "--provider", "openai")
    mend = f"`{PROGRAM} models price openai {model['model_id']} --search-fee USD --reason TEXT`"
    assert f"Not asked until it is fixed: openai/{model['model_id']}: web search has no price" in said
    assert mend in said
    assert mend in cli.done(
        "projects", "add", "1", "Other", "--brand", "Brand", "--industry", "x", "--web-search", "--case-sensitive"
    )
    shown = cli.run("doctor", "--offline").stdout
    assert "projects #1, #2 with web search get no answers of openai" in shown
    cli.done("models", "price", "openai", model["model_id"], "--search-fee", "10", "--reason", "list")
    assert "Not asked" not in cli.done("projects", "edit", "1", "--web-search")


def test_competitors_are_imported(cli: Cli, quipu: int) -> None:
    """What a file says is shown first; those that the project has are skipped, other columns are left out."""
    Path("rivals.csv").write_text("Competidor;Web;Notas\nHolded;holded.com;x\nSAGE;sage.com;y\n")
    cli.done("competitors", "add", "1", "Sage")
    shown = cli.done("competitors", "import", "1", "rivals.csv", "--dry-run")
    assert "name from “Competidor”, domains from “Web”; left out: Notas" in shown
    assert "1 new, 1 skipped: SAGE" in shown
    assert ["Sage"] == [row["name"] for row in cli.json("competitors", "list", "1")]
    assert "has 2 competitors now" in cli.done("competitors", "import", "1", "rivals.csv")
    assert ["holded.com"] == cli.json("competitors", "list", "1")[1]["domains"]
    Path("bad.csv").write_text("name,domains\nFoo,*.foo.com\n")
    assert "write foo.com" in cli.run("competitors", "import", "1", "bad.csv").stderr


def test_a_user_with_an_open_call_stays(cli: Cli, db: Database, ana: int) -> None:
    """While a call may still be billed to a user, the user is not removed."""
    Budget(db).set_limits(1, Decimal(5), None)
    assert admits(Budget(db), Attempt(uuid4(), "probe", 1, "openai", "m", "user", Decimal(1)))
    assert "user 1 has 1 calls that are not closed" in cli.run("users", "remove", "1", "--yes").stderr
    assert 1 == len(cli.json("users", "list"))


@pytest.mark.parametrize(
    "line",
    [
        ("projects", "edit", "1", "--brand", " "),
        ("competitors", "edit", "1", "Sage", "--name", ""),
        ("competitors", "edit", "1", "Sage", "--name", "  ", "--drop-old-name"),
        ("competitors", "add", "1", " "),
    ],
    ids=" ".join,
)
def test_an_empty_name_is_refused(cli: Cli, quipu: int, line: tuple[str, ...]) -> None:
    """Of a brand or a competitor, new or renamed."""
    cli.done("competitors", "add", "1", "Sage")
    assert "needs a name" in cli.refused(*line)


@pytest.mark.parametrize("option", ["aliases", "domains", "exclude"])
def test_an_empty_entry_does_not_empty_a_list(cli: Cli, quipu: int, option: str) -> None:
    """An unset variable of a script deletes nothing; the option that does is named."""
    given = {"aliases": "--alias", "domains": "--domain", "exclude": "--exclude"}[option]
    assert f"--clear {option}" in cli.refused("projects", "edit", "1", given, "")


@pytest.mark.parametrize("number", ["9" * 5000, "0000000001", "0"])
def test_the_number_of_a_column_is_one_that_the_file_has(cli: Cli, quipu: int, number: str) -> None:
    """However it is written; the error is short and says what to choose from."""
    Path("a.csv").write_text("a,b\nx,y\n")
    said = cli.refused("queries", "import", "1", "a.csv", "--column", number, "--dry-run")
    assert said.endswith("choose by title or number of 1 “a”, 2 “b”")
    assert len(said) < 1300
