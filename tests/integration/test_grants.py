"""The least-privilege roles: what the runner can do, and all that it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

import psycopg2
import pytest
from click.testing import CliRunner

from llm_monitoring.access import sessions
from llm_monitoring.cli.root import root
from llm_monitoring.db import Database
from llm_monitoring.distributed.queue import ChunkQueue
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.ledger.budget import Budget
from tests.conftest import Databases
from tests.environment import KEYS, Environment, open_environment
from tests.integration.worker_processes import open_worker_processes

PROMPTS = ["¿Qué es Quipu?", "¿Qué programa de facturación conviene?"]


def grants() -> str:
    result = CliRunner().invoke(root, ["migrate", "--print-grants"])
    assert 0 == result.exit_code
    assert "" == result.stderr
    return result.stdout


def execute(url: str, sql: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(sql)


UNCALLABLE = "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;"
HOST = f"""
    {UNCALLABLE}
    ALTER TABLE users ADD password_hash TEXT DEFAULT 'argon2id', ADD is_admin BOOLEAN DEFAULT FALSE;
    CREATE TABLE llm_chat_sessions (id SERIAL PRIMARY KEY, secret TEXT);
    INSERT INTO llm_chat_sessions (secret) VALUES ('of the host');
    CREATE FUNCTION host_secret() RETURNS TEXT LANGUAGE sql AS $$ SELECT secret FROM llm_chat_sessions $$;
"""
EARLIER_GRANTS = """
    GRANT ALL ON users, llm_chat_sessions TO llm_monitoring_admin, llm_monitoring_runner;
    GRANT ALL ON SEQUENCE llm_chat_sessions_id_seq TO llm_monitoring_admin, llm_monitoring_runner;
"""


def fill_granted(url: str) -> None:
    """Grant in the hardened database of a host with secrets of its own, over grants of its own, and once more."""
    for sql in (HOST, grants(), EARLIER_GRANTS, grants(), grants()):
        execute(url, sql)


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """The address of a host's database with the grants."""
    with databases.clone(databases.template("granted", fill_granted, databases.migrated())) as url:
        yield url


@pytest.fixture
def environment(database_url: str) -> Iterator[Environment]:
    """A hardened database of a host with secrets of its own; both roles have a login."""
    with open_environment(database_url) as made:
        for login in ("runner", "admin"):
            execute(database_url, f"CREATE ROLE test_{login} LOGIN PASSWORD 'pw' IN ROLE llm_monitoring_{login}")
        yield made
        for login in ("runner", "admin"):
            execute(database_url, f"DROP ROLE test_{login}")


def as_login(url: str, login: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://test_{login}:pw@{rest.partition('@')[2]}"


@pytest.mark.ci
def test_the_runner_does_a_whole_day(environment: Environment) -> None:
    """Answers, sentiments, a new account, failures, figures, all pruning: nothing of a daily run is refused."""
    user = environment.add_user("a@example.com")
    environment.add_project(user, PROMPTS)
    keyless = environment.add_user("b@example.com", [])
    environment.db.execute("DELETE FROM user_llm_api_keys WHERE user_id = %(id)s", {"id": keyless})
    environment.add_project(keyless, PROMPTS)
    runner = {"DATABASE_URL": as_login(environment.url, "runner"), "OPENAI_API_KEY": KEYS["openai"]}
    environment.server.faults.set(
        [
            {"match": {"provider": "google"}, "times": 1, "action": {"kind": "refusal"}},
            {"match": {"provider": "anthropic"}, "times": 1, "action": {"kind": "status", "status": 500}},
        ]
    )
    assert environment.run(extra=runner)[0] == 0
    environment.db.execute("UPDATE llm_call_receipts SET received_at = now() - INTERVAL '2 years'")
    environment.db.execute("UPDATE llm_monitoring_results SET created_at = now() - INTERVAL '2 years'")
    sessions.begin(environment.db, user, "link")
    environment.db.execute("UPDATE llm_sessions SET ended_at = now() - INTERVAL '2 years'")
    code, output = environment.run(extra=runner)
    assert environment.count("llm_sessions") == 0
    assert 0 == code, output
    assert "permission denied" not in "".join(environment.output), output
    assert environment.count("llm_monitoring_results WHERE full_response IS NOT NULL") == 0
    assert environment.count("llm_monitoring_results") == 2 * 4 - 1 + 2
    assert environment.audit().differences == []
    assert environment.audit().open_attempts == []


@pytest.mark.ci
def test_the_runner_inserts_after_a_restore(environment: Environment) -> None:
    """A sequence that is behind its table is brought forward for a role that may not set it."""
    run = "INSERT INTO llm_monitoring_analysis_runs ({}analysis_date, owner) VALUES ({}'2026-01-01', 'x') RETURNING id"
    environment.db.execute(run.format("id, ", "1, "))
    with Database(as_login(environment.url, "runner"), retry_seconds=5.0) as db:
        assert [{"id": 2}] == db.all(run.format("", ""))


@pytest.mark.ci
def test_the_runner_does_a_day_on_two_machines(environment: Environment) -> None:
    """Coordinator and worker need no more than the runner's rights, once the owner has made the queue's tables."""
    environment.add_project(environment.add_user("a@example.com"), PROMPTS)
    ChunkQueue(environment.db).create_tables()
    execute(environment.url, grants())
    with open_worker_processes(environment, DATABASE_URL=as_login(environment.url, "runner")) as processes:
        worker = processes.worker()
        assert 0 == processes.coordinator().wait(), processes.said()
        assert 0 == worker.end(), processes.said()
        assert "permission denied" not in processes.said()
    assert 8 == environment.count("llm_monitoring_results")
    assert environment.audit().clean is True


FORBIDDEN = [
    "UPDATE llm_model_registry SET cost_per_1m_input_tokens = 0.01",
    "UPDATE llm_model_registry SET is_current = FALSE",
    "INSERT INTO llm_model_registry (llm_provider, model_id) VALUES ('openai', 'mine')",
    "UPDATE user_llm_api_keys SET openai_api_key_encrypted = 'x'",
    "UPDATE user_llm_api_keys SET monthly_budget_usd = 1e6",
    "UPDATE user_llm_api_keys SET spending_alert_threshold = 100",
    "INSERT INTO user_llm_api_keys (user_id, openai_api_key_encrypted) VALUES (1, 'x')",
    "INSERT INTO user_llm_api_keys (user_id, monthly_budget_usd) VALUES (2, 99999999)",
    (
        "INSERT INTO llm_call_attempts (id, kind, state, user_id, month, ceiling_usd, charged_usd, closed_at)"
        " VALUES (gen_random_uuid(), 'correction', 'settled', 1, '2026-11-01', 0, -1000, now())"
    ),
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

FORBIDDEN_TO_BOTH = [
    "SELECT * FROM users",
    "SELECT password_hash FROM users",
    "UPDATE users SET password_hash = 'x'",
    "UPDATE users SET email = 'x@example.com'",
    "UPDATE users SET is_admin = TRUE",
    "INSERT INTO users (email, is_admin) VALUES ('x@example.com', TRUE)",
    "DELETE FROM users",
    "SELECT * FROM llm_chat_sessions",
    "INSERT INTO llm_chat_sessions (secret) VALUES ('x')",
    "SELECT nextval('llm_chat_sessions_id_seq')",
    "SELECT host_secret()",
    (
        "INSERT INTO llm_model_changelog (llm_provider, model_id, changed_by, reason, changes)"
        " VALUES ('openai', 'x', 'y', 'z', '{}')"
    ),
    "UPDATE llm_model_changelog SET changed_by = 'someone'",
    "DELETE FROM llm_model_changelog",
    "UPDATE llm_call_attempts SET user_id = 2",
    "UPDATE llm_call_attempts SET ceiling_usd = 0",
    "UPDATE llm_call_attempts SET charged_usd = 0 WHERE state = 'settled'",
    "UPDATE llm_call_attempts SET state = 'unknown' WHERE state = 'settled'",
    "DELETE FROM llm_call_attempts",
    "TRUNCATE llm_call_attempts",
    "CREATE FUNCTION lower(varchar) RETURNS TEXT LANGUAGE sql AS $$ SELECT 'x' $$",
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


@pytest.mark.short(every=2)
@pytest.mark.parametrize("login", ["runner", "admin"])
def test_no_role_reads_the_host_or_rewrites_what_was_paid(environment: Environment, login: str) -> None:
    """A role reads users' numbers and addresses of the host; closed calls and the changelog stay as they are."""
    user = environment.add_user("a@example.com")
    environment.add_project(user, PROMPTS)
    assert 0 == environment.run()[0]
    url = as_login(environment.url, login)
    assert [] == let_through(url, FORBIDDEN_TO_BOTH)
    assert ["SELECT id, email FROM users"] == let_through(url, ["SELECT id, email FROM users"])


@pytest.mark.ci
def test_a_doubtful_call_may_be_settled_by_the_runner(environment: Environment) -> None:
    """The truth that arrives late corrects a call in doubt, and nothing else of a closed call."""
    user = environment.add_user("a@example.com")
    environment.add_project(user, PROMPTS)
    environment.run()
    one = "(SELECT id FROM llm_call_attempts WHERE state = 'settled' LIMIT 1)"
    environment.db.execute(
        f"UPDATE llm_call_attempts SET state = 'unknown', charged_usd = ceiling_usd WHERE id = {one}"
    )
    settle = "UPDATE llm_call_attempts SET state = 'settled', charged_usd = 0.001 WHERE state = 'unknown'"
    void = "UPDATE llm_call_attempts SET state = 'void', charged_usd = 0 WHERE state = 'unknown'"
    assert [settle] == let_through(as_login(environment.url, "runner"), [void, settle])


@pytest.mark.ci
def test_a_change_of_a_model_keeps_the_login_next_to_the_claimed_author(environment: Environment) -> None:
    """Whoever names another author in a session is in the changelog under the own login."""
    with closing(psycopg2.connect(as_login(environment.url, "admin"))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT set_config('llm_monitoring.changed_by', 'someone else', TRUE)")
        cursor.execute("UPDATE llm_model_registry SET max_output_tokens = 7 WHERE is_current")
        connection.commit()
    row = environment.db.one("SELECT changed_by, changed_by_login FROM llm_model_changelog ORDER BY id DESC LIMIT 1")
    assert {"changed_by": "someone else", "changed_by_login": "test_admin"} == row


def test_every_table_of_the_package_is_named_in_the_grants(environment: Environment) -> None:
    """A table that a migration adds is granted by name: none is reached by a pattern, and none is forgotten."""
    rows = environment.db.all(
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')"
        " AND relname <> 'llm_chat_sessions' AND NOT has_any_column_privilege('llm_monitoring_admin', oid, 'SELECT')"
    )
    assert [] == rows


def test_every_function_of_the_package_is_granted_to_each_role(environment: Environment) -> None:
    """A server that lets PUBLIC call no function keeps no role from those that its statements call."""
    rows = environment.db.all(
        "SELECT p.oid::regprocedure::text, role FROM pg_proc p"
        " CROSS JOIN unnest(ARRAY['llm_monitoring_runner', 'llm_monitoring_admin', 'llm_monitoring_web']) AS r (role)"
        " WHERE p.pronamespace = current_schema()::regnamespace AND p.prorettype <> 'trigger'::regtype"
        " AND p.proname NOT IN ('host_secret', 'llm_owner_of') AND NOT has_function_privilege(role, p.oid, 'EXECUTE')"
    )
    assert [] == rows


@pytest.mark.ci
def test_the_limit_of_a_new_account_is_the_columns_default(environment: Environment) -> None:
    """The runner opens accounts with the default that the owner has set, and none if its own setting differs."""
    user = environment.add_user("a@example.com")
    environment.db.execute("DELETE FROM user_llm_api_keys")
    runner = Database(as_login(environment.url, "runner"), size=1)
    with runner, pytest.raises(ConfigurationError, match="lacks a right"):
        Budget(runner, Decimal(5)).ensure_account(user)
    assert 0 == environment.count("user_llm_api_keys")
    Budget(environment.db, Decimal(5)).set_default_limit()
    with Database(as_login(environment.url, "runner"), size=1) as again:
        assert Budget(again, Decimal(5)).ensure_account(user)
    assert 1 == environment.count("user_llm_api_keys WHERE monthly_budget_usd = 5")


def test_the_runner_touches_neither_prices_nor_keys_nor_limits(environment: Environment) -> None:
    """What a daily run never does, its role cannot do, even where its password is stolen."""
    environment.add_user("a@example.com")
    assert let_through(as_login(environment.url, "runner"), FORBIDDEN) == []


@pytest.mark.ci
def test_the_admin_sets_prices_and_keys_but_erases_no_ledger(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line works under the admin's role; what was paid and who changed what stays."""
    environment.add_user("a@example.com")
    url = as_login(environment.url, "admin")
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", environment.master_key)
    environment.add_project(1, ["One?", "Two?"], ["openai"])
    for arguments in (
        ["users", "add", "b@example.com"],
        ["queries", "remove", "1", "1", "--yes"],
        ["queries", "edit", "1", "2", "--text", "Which?"],
        ["budget", "set", "a@example.com", "--limit", "50"],
        ["keys", "rotate"],
        ["budget", "correct", "a@example.com", "1", "--reason", "x"],
        ["budget", "audit", "--fix"],
        ["keys", "remove", "a@example.com", "openai", "--yes"],
    ):
        result = CliRunner().invoke(root, arguments)
        assert result.exit_code == 0, result.output
    never = ["DELETE FROM llm_call_attempts", "DELETE FROM llm_model_changelog", "DROP TABLE llm_call_attempts"]
    assert let_through(url, never) == []
    assert let_through(url, ["UPDATE llm_model_registry SET cost_per_1m_input_tokens = 3 WHERE is_current"]) != []
