"""Commands next to rows that cannot be read: the other rows are listed, measured and exported all the same."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database
from llm_monitoring.domain import Secret
from llm_monitoring.keys.encryption import KeyCipher
from llm_monitoring.keys.store import KeyStore
from tests.integration.stored import Book, command

DAY = date(2026, 11, 20)
RING = Fernet.generate_key().decode()
POISON = f"""
UPDATE user_llm_api_keys SET openai_api_key_encrypted = '{Fernet(RING).encrypt(b"[" * 1500).decode()}',
    last_spend_reset = '20000-01-01', created_at = '0044-03-15 BC' WHERE user_id = 1;
UPDATE llm_monitoring_projects SET competitors = '[1e5000]', last_analysis_date = '20000-01-01' WHERE id = 1;
UPDATE llm_monitoring_results SET competitors_mentioned = '[1e5000]', sources = '[7]', position_in_list = 2147483647,
    created_at = '20000-01-01' WHERE project_id = 1;
UPDATE llm_monitoring_snapshots SET competitor_breakdown = '[1e5000]', snapshot_date = '20000-01-01'
WHERE project_id = 1;
INSERT INTO llm_budget_alerts VALUES (1, '20000-01-01', 'NaN', 1, 1);
"""


@pytest.fixture
def poisoned(db: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, quiet: None) -> Database:
    """Two users with a measured project each; what the first one has is poisoned."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", RING)
    for number, address in enumerate(("a@example.com", "b@example.com"), start=1):
        user = projects.add_user(db, address)
        KeyStore(db, KeyCipher(RING), {}).store(user, "openai", Secret(f"sk-proj-poisoned-{number}-0123456789"))
        new = projects.NewProject(user, f"P{number}", Entity("Quipu"), "software", [Entity("Holded")])
        book = Book(db, projects.add(db, new))
        projects.add_prompts(db, book.project_id, ["¿Qué programa?"])
        book.store(0, DAY, "1. **Holded**\n2. **Quipu**")
        book.figures(DAY)
    db.execute(POISON)
    return db


@pytest.mark.short(every=6)
@pytest.mark.parametrize(
    "line",
    [
        "projects list", "projects list --json", "projects show 2", "projects check 2", "users list", "runs list",
        "keys list", "keys list --json", "budget show", "budget show --json", "budget history", "models list",
        "metrics 2 --from 2026-11-01 --to 2026-11-30", "export results --project 2",
        "export citations --project 2", "export snapshots --project 2",
        "reanalyse --project 2 --yes", "queries list 2", "competitors list 2",
    ],
)  # fmt: skip
def test_a_command_goes_on_next_to_poisoned_rows(poisoned: Database, line: str) -> None:
    """It ends well, whatever another user's rows hold."""
    result = command(*line.split())
    assert 0 == result.exit_code, result.output
    assert result.exception is None, result.output


def test_the_healthy_key_is_listed(poisoned: Database) -> None:
    """The key that is nested text is named as no key, and the other one by its end."""
    said = command("keys", "list", "--json").stdout
    assert "not_a_key" in said
    assert "6789" in said


def test_doctor_examines_everything_else(poisoned: Database) -> None:
    """No row ends the examination: every subject is there, and the key that cannot be read is red."""
    result = command("doctor", "--offline")
    assert 1 == result.exit_code
    for subject in ("master key", "API key", "model", "budget", "runs", "ledger"):
        assert subject in result.stdout


@pytest.mark.parametrize("project", [1, 2])
def test_report(poisoned: Database, tmp_path: Path, project: int) -> None:
    """The healthy project has its page; the poisoned one ends with one line that names it, no traceback."""
    result = command("report", str(project), "--out", str(tmp_path / "page.html"))
    assert (project == 2) == (tmp_path / "page.html").exists()
    assert (project == 1) == ("error: project 1 cannot be read" in result.stderr)


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "line", ["metrics 1 --from 2026-11-01 --to 2026-11-30", "report 1", "reanalyse --project 1 --yes"]
)
def test_an_answer_that_cannot_be_counted_stays_out(
    poisoned: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """A readable project with a broken answer is measured without that answer, or says in one line why not."""
    monkeypatch.chdir(tmp_path)
    poisoned.execute("UPDATE llm_monitoring_projects SET competitors = '[]' WHERE id = 1")
    result = command(*line.split())
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert "Traceback" not in result.output
