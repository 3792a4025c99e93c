"""What the command line changes is in the record of changes, as what pages and programs change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from llm_monitoring import edits, projects
from llm_monitoring.access.audit import Actor
from llm_monitoring.analysis import Entity
from llm_monitoring.app import App, assemble
from llm_monitoring.db import Database
from llm_monitoring.errors import Invalid
from llm_monitoring.settings import load_settings
from tests.integration.command_line import MASTER, Cli


@pytest.fixture
def db(database_url: str) -> Database:
    return Database(database_url, size=1)


@pytest.fixture
def project(cli: Cli) -> int:
    """Project 1 of user 1, with prompts 1 and 2."""
    cli.done("users", "add", "ana@agency.example")
    cli.done("projects", "add", "1", "Quipu", "--brand", "Quipu", "--industry", "software", "--competitor", "Sage")
    cli.done("queries", "add", "1", "¿Qué programa recomiendas?", "¿Y para autónomos?")
    return 1


def record_of(db: Database) -> list[dict[str, Any]]:
    with db:
        return db.all(
            "SELECT user_id, actor_kind, action, project_id, object_id, before, after FROM llm_audit_log ORDER BY id"
        )


def test_a_new_project_is_recorded(cli: Cli, project: int, db: Database) -> None:
    """With its user and prompts, as a command for the account of its user."""
    found = [(row["user_id"], row["actor_kind"], row["action"], row["project_id"]) for row in record_of(db)]
    assert [
        (1, "command", "user.add", None),
        (1, "command", "project.create", 1),
        (1, "command", "prompts.add", 1),
    ] == found


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    ("command", "action", "before", "after"),
    [
        (
            "projects edit 1 --industry contabilidad",
            "project.change",
            {"industry": "software"},
            {"industry": "contabilidad"},
        ),
        ("projects edit 1 --brand Quipu2", "project.change", {"name": "Quipu"}, {"name": "Quipu"}),
        ("projects pause 1", "project.change", {"is_active": True}, {"is_active": False}),
        ("projects remove 1 --yes", "project.remove", {"name": "Quipu"}, None),
        ("competitors add 1 Holded", "competitor.add", None, {"name": "Holded"}),
        ("competitors edit 1 sage --domain sage.com", "competitor.change", {"domains": []}, {"domains": ["sage.com"]}),
        ("competitors remove 1 Sage", "competitor.remove", {"name": "Sage"}, None),
        ("competitors dismiss 1 Excel", "name.dismiss", None, None),
        ("queries pause 1 1", "prompt.change", {"is_active": True}, {"is_active": False}),
        ("queries tag 1 1 --add precios", "prompt.change", {"tags": []}, {"tags": ["precios"]}),
        ("queries edit 1 1 --type own", "prompt.change", {"query_type": "general"}, {"query_type": "own"}),
        ("queries remove 1 1 --yes", "prompt.remove", {"query_text": "¿Qué programa recomiendas?"}, None),
        ("users edit 1 ana@new.example", "user.change", {"email": "ana@agency.example"}, {"email": "ana@new.example"}),
        (
            "users remove 1 --yes",
            "user.remove",
            {"email": "ana@agency.example", "projects": 1, "prompts": 2, "answers": 0},
            None,
        ),
        ("budget set 1 --limit 50", "budget.set", {"monthly_budget_usd": "100.00"}, {"monthly_budget_usd": "50.00"}),
        ("budget correct 1 2.5 --reason refund", "budget.correct", None, {"amount_usd": "2.5", "reason": "refund"}),
    ],
)
def test_an_edit_is_recorded_once(
    cli: Cli,
    project: int,
    db: Database,
    command: str,
    action: str,
    before: Any,
    after: Any,
) -> None:
    """With what it was before and after."""
    with db:
        db.execute("TRUNCATE llm_audit_log")
    cli.done(*command.split())
    (row,) = record_of(Database(db.dsn, size=1))
    assert 1 == row["user_id"]
    assert "command" == row["actor_kind"]
    assert action == row["action"]
    assert (before, after) == tuple(
        wanted and {name: (row[side] or {}).get(name) for name in wanted}
        for side, wanted in (("before", before), ("after", after))
    )


def test_keys_are_recorded_without_their_text(cli: Cli, project: int, db: Database) -> None:
    """Stored and removed."""
    cli.done("keys", "set", "1", "openai", stdin="sk-test-abcdefghijklmnop")
    cli.done("keys", "remove", "1", "openai", "--yes")
    rows = record_of(db)[3:]
    assert [("key.store", "openai"), ("key.remove", "openai")] == [(row["action"], row["object_id"]) for row in rows]
    assert "abcdefghijklmnop" not in str(rows)


def test_a_rotation_is_recorded_for_each_key(
    cli: Cli,
    project: int,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second one finds each key up to date, and changes nothing."""
    cli.done("keys", "set", "1", "openai", stdin="sk-test-abcdefghijklmnop")
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", f"{Fernet.generate_key().decode()},{MASTER}")
    cli.done("keys", "rotate")
    cli.done("keys", "rotate")
    rows = record_of(db)[4:]
    assert [(1, "key.rotate", "openai")] == [(row["user_id"], row["action"], row["object_id"]) for row in rows]


def test_an_invitation_of_someone_new_is_recorded_with_the_user(
    cli: Cli,
    db: Database,
) -> None:
    """Both are for the new account."""
    cli.done("users", "invite", "bea@agency.example")
    assert [(1, "user.add"), (1, "person.invite")] == [(row["user_id"], row["action"]) for row in record_of(db)]


def test_imports_are_recorded(cli: Cli, project: int, db: Database, tmp_path: Path) -> None:
    """Each competitor that is new, and the number of new prompts."""
    (tmp_path / "rivals.csv").write_text("name\nHolded\nSage\nAnfix\n")
    cli.done("competitors", "import", "1", str(tmp_path / "rivals.csv"), "--yes")
    (tmp_path / "prompts.txt").write_text("¿Qué programa recomiendas?\n¿Cuál es el más barato?\n")
    cli.done("queries", "import", "1", str(tmp_path / "prompts.txt"), "--yes")
    rows = record_of(db)[3:]
    assert ["competitor.add", "competitor.add", "prompts.add"] == [row["action"] for row in rows]
    assert ["Holded", "Anfix"] == [row["object_id"] for row in rows[:2]]
    assert {"added": 1} == rows[2]["after"]


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    "command",
    [
        "projects resume 1",
        "projects edit 1 --name Quipu",
        "queries resume 1 1",
        "budget set 1 --limit 100",
        "users edit 1 ana@agency.example",
    ],
)
def test_what_changes_nothing_leaves_no_record(cli: Cli, project: int, db: Database, command: str) -> None:
    """A value that is there already."""
    cli.done(*command.split())
    assert ["user.add", "project.create", "prompts.add"] == [row["action"] for row in record_of(db)]


def test_a_project_that_changes_hands_is_in_both_records(cli: Cli, project: int, db: Database) -> None:
    """Each user sees it."""
    cli.done("users", "add", "bea@agency.example")
    cli.done("projects", "edit", "1", "--user", "2")
    assert [1, 2] == [row["user_id"] for row in record_of(db) if row["action"] == "project.change"]


@pytest.fixture
def app(database_url: str) -> App:
    db = Database(database_url, size=1)
    return assemble(db, load_settings({"DATABASE_URL": database_url}, dotenv=False))


def test_a_change_and_its_record_stand_or_fall_together(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the record cannot be written, nothing is changed."""
    with app.db as db:
        user = projects.add_user(db, "ana@agency.example")
        project = projects.add(db, projects.NewProject(user, "Quipu", Entity("Quipu"), "software"))
        db.execute("ALTER TABLE llm_audit_log ADD CHECK (action = 'none.at_all')")
        for change in (
            lambda: edits.set_active(db, edits.COMMAND, project, False),
            lambda: edits.correct_spend(app, edits.COMMAND, user, app.settings.default_monthly_budget_usd, "a test"),
        ):
            with pytest.raises(Exception, match="audit"):
                change()
        assert projects.find(db, project).is_active
        assert [] == db.all("SELECT FROM llm_call_attempts")


def test_a_project_of_no_user_is_changed_without_a_record(app: App) -> None:
    """As the host application stored it: there is no account to which the record would belong."""
    with app.db as db:
        user = projects.add_user(db, "ana@agency.example")
        project = projects.add(db, projects.NewProject(user, "Quipu", Entity("Quipu"), "software"))
        db.execute("UPDATE llm_monitoring_projects SET user_id = NULL")
        edits.set_active(db, edits.COMMAND, project, False)
        assert [] == db.all("SELECT FROM llm_audit_log")


def test_a_refused_edit_leaves_nothing(app: App) -> None:
    """The error is that of the domain."""
    with app.db as db:
        user = projects.add_user(db, "ana@agency.example")
        project = projects.add(db, projects.NewProject(user, "Quipu", Entity("Quipu"), "software"))
        with pytest.raises(Invalid):
            edits.add_competitor(db, Actor("person", user, 1), project, Entity("quipu"))
        assert [] == db.all("SELECT FROM llm_audit_log")
