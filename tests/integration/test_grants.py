"""The least-privilege roles: what the runner can do, and all that it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from click.testing import CliRunner

from llm_monitoring.cli.root import root
from llm_monitoring.fleet.queue import Queue
from tests.integration.crew import crewed
from tests.integration.stage import KEYS, Stage, staged

PROMPTS = ["¿Qué es Quipu?", "¿Qué programa de facturación conviene?"]


def grants() -> str:
    result = CliRunner().invoke(root, ["migrate", "--print-grants"])
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def execute(url: str, sql: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(sql)


@pytest.fixture
def stage(database_url: str) -> Iterator[Stage]:
    """A stage whose database has both roles, each with a login."""
    with staged(database_url) as made:
        execute(database_url, grants())
        execute(database_url, grants())
        for login in ("runner", "admin"):
            execute(database_url, f"CREATE ROLE test_{login} LOGIN PASSWORD 'pw' IN ROLE llm_monitoring_{login}")
        yield made
        for login in ("runner", "admin"):
            execute(database_url, f"DROP ROLE test_{login}")


def as_login(url: str, login: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://test_{login}:pw@{rest.partition('@')[2]}"


def test_the_runner_does_a_whole_day(stage: Stage) -> None:
    """Answers, sentiments, a new account, failures, figures, pruning: nothing of a daily run is refused."""
    user = stage.add_user("a@example.com")
    stage.add_project(user, PROMPTS)
    keyless = stage.add_user("b@example.com", [])
    stage.db.execute("DELETE FROM user_llm_api_keys WHERE user_id = %(id)s", {"id": keyless})
    stage.add_project(keyless, PROMPTS)
    runner = {"DATABASE_URL": as_login(stage.url, "runner"), "OPENAI_API_KEY": KEYS["openai"]}
    stage.server.faults.set([
        {"match": {"provider": "google"}, "times": 1, "action": {"kind": "refusal"}},
        {"match": {"provider": "anthropic"}, "times": 1, "action": {"kind": "status", "status": 500}},
    ])  # fmt: skip
    assert stage.run(extra=runner)[0] == 0
    stage.db.execute("UPDATE llm_call_receipts SET received_at = now() - INTERVAL '2 years'")
    stage.db.execute("UPDATE llm_monitoring_results SET created_at = now() - INTERVAL '2 years'")
    code, output = stage.run(extra=runner)
    assert (code, "permission denied" in "".join(stage.output)) == (0, False), output
    assert stage.count("llm_monitoring_results WHERE full_response IS NOT NULL") == 0
    assert stage.count("llm_monitoring_results") == 2 * 4 - 1 + 2
    assert (stage.audit().differences, stage.audit().open_attempts) == ([], [])


def test_the_runner_does_a_day_on_two_machines(stage: Stage, tmp_path: Path) -> None:
    """Scheduler and worker need no more than the runner's rights, once the owner has made the queue's tables."""
    stage.add_project(stage.add_user("a@example.com"), PROMPTS)
    Queue(stage.db).prepare()
    execute(stage.url, grants())
    with crewed(stage, tmp_path, DATABASE_URL=as_login(stage.url, "runner")) as crew:
        worker = crew.worker()
        assert (0, 0) == (crew.scheduler().wait(), worker.end()), crew.said()
        assert "permission denied" not in crew.said()
    assert (8, True) == (stage.count("llm_monitoring_results"), stage.audit().clean)


FORBIDDEN = [
    "UPDATE llm_model_registry SET cost_per_1m_input_tokens = 0.01",
    "UPDATE llm_model_registry SET is_current = FALSE",
    "INSERT INTO llm_model_registry (llm_provider, model_id) VALUES ('openai', 'mine')",
    "UPDATE user_llm_api_keys SET openai_api_key_encrypted = 'x'",
    "UPDATE user_llm_api_keys SET monthly_budget_usd = 1e6",
    "UPDATE user_llm_api_keys SET spending_alert_threshold = 100",
    "INSERT INTO user_llm_api_keys (user_id, openai_api_key_encrypted) VALUES (1, 'x')",
    "DELETE FROM user_llm_api_keys",
    "DELETE FROM llm_call_attempts",
    "DELETE FROM llm_budget_alerts",
    "DELETE FROM llm_monitoring_results",
    "UPDATE llm_monitoring_results SET brand_mentioned = TRUE",
    "UPDATE llm_monitoring_projects SET user_id = 1",
    "INSERT INTO llm_monitoring_queries (project_id, query_text) VALUES (1, 'x')",
    "INSERT INTO users (email) VALUES ('x@example.com')",
    "DELETE FROM llm_model_changelog",
    "UPDATE llm_schema_migrations SET checksum = ''",
    "DROP TABLE llm_call_receipts",
    "TRUNCATE llm_call_receipts",
    "ALTER TABLE llm_call_attempts DROP CONSTRAINT llm_call_attempts_admitted_within_budget",
    "CREATE TABLE mine (id INT)",
]


def let_through(url: str, statements: list[str]) -> list[str]:
    """The statements that are not refused for want of a right."""
    allowed = []
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        for statement in statements:
            try:
                connection.cursor().execute(statement)
                allowed.append(statement)
            except psycopg2.errors.InsufficientPrivilege:
                continue
    return allowed


def test_the_runner_touches_neither_prices_nor_keys_nor_limits(stage: Stage) -> None:
    """What a daily run never does, its role cannot do, even where its password is stolen."""
    stage.add_user("a@example.com")
    assert let_through(as_login(stage.url, "runner"), FORBIDDEN) == []


def test_the_admin_sets_prices_and_keys_but_erases_no_ledger(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line works under the admin's role; what was paid and who changed what stays."""
    stage.add_user("a@example.com")
    url = as_login(stage.url, "admin")
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", stage.master_key)
    for arguments in (
        ["users", "add", "b@example.com"], ["budget", "set", "a@example.com", "--limit", "50"], ["keys", "rotate"],
        ["budget", "correct", "a@example.com", "1", "--reason", "x"], ["budget", "audit", "--fix"],
        ["keys", "remove", "a@example.com", "openai"],
    ):  # fmt: skip
        result = CliRunner().invoke(root, arguments)
        assert result.exit_code == 0, result.output
    never = ["DELETE FROM llm_call_attempts", "DELETE FROM llm_model_changelog", "DROP TABLE llm_call_attempts"]
    assert let_through(url, never) == []
    assert let_through(url, ["UPDATE llm_model_registry SET cost_per_1m_input_tokens = 3 WHERE is_current"]) != []
