"""Every value that PostgreSQL lets into a row, column by column, and the run that they must not disturb."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet
from psycopg2.errors import FeatureNotSupported

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.app import App
from llm_monitoring.db.database import Conflict, Database, Rejected, Row
from llm_monitoring.db.migrations import migrate
from llm_monitoring.demo.server.loopback import DemoServer
from llm_monitoring.domain import Secret
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.jobs import daily, daily_log, digest, run_notices
from llm_monitoring.keys.encryption import KeyCipher
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.notify.outbox import Notice
from llm_monitoring.runs.daily import RunRequest, run_day
from llm_monitoring.runs.report import DayReport
from llm_monitoring.settings.fields import load_settings

MASTER_KEY: Final = "q3vXo0ZzXH0mJqLkKqQJ8r5Zb2m0bq0m9f3t1n8yM2E="
KEY: Final = "sk-proj-poison-{}-aaaaaaaaaaaaaaaaaaaaaaZq81xK0v"
FIRST_DAY, DAY = date(2026, 11, 20), date(2026, 11, 21)
POISONED, HEALTHY = 1, 2
PROMPTS: Final = ("¿Qué programa de facturación conviene?", "¿Qué es Quipu?")
EVERY_TABLE: Final = Path(__file__).with_name("every_table.sql")
BRACKETS: Final = Fernet(MASTER_KEY).encrypt(b"[" * 1500).decode()

OF_USER: Final = "user_id = 1"
OF_PROJECT: Final = "project_id = 1"
OF_ANOTHER_MODEL: Final = "llm_provider = 'anthropic'"
FIRST_ROW: Final = "ctid = (SELECT min(ctid) FROM {table})"
OWNED: Final = {
    "users": "id = 1",
    "user_llm_api_keys": OF_USER,
    "llm_monitoring_projects": OF_USER,
    "llm_monitoring_queries": OF_PROJECT,
    "llm_monitoring_results": OF_PROJECT,
    "llm_monitoring_snapshots": OF_PROJECT,
    "llm_monitoring_failed_tasks": OF_PROJECT,
    "llm_call_attempts": OF_USER,
    "llm_batches": "key_user_id = 1",
    "llm_budget_alerts": OF_USER,
    "llm_call_receipts": "attempt_id IN (SELECT id FROM llm_call_attempts WHERE user_id = 1)",
    "llm_agencies": OF_USER,
    "llm_analysis_orders": OF_PROJECT,
    "llm_api_tokens": OF_USER,
    "llm_audit_log": OF_USER,
    "llm_dismissed_names": OF_PROJECT,
    "llm_idempotency_keys": OF_USER,
    "llm_paced_days": OF_USER,
    "llm_paced_projects": OF_PROJECT,
    "llm_pacing": OF_USER,
    "llm_people": OF_USER,
    "llm_project_notes": OF_PROJECT,
    "llm_project_viewers": OF_PROJECT,
    "llm_viewer_invitations": OF_PROJECT,
    "llm_prompt_tags": "query_id IN (SELECT id FROM llm_monitoring_queries WHERE project_id = 1)",
    "llm_reanalysis_jobs": OF_PROJECT,
    "llm_sessions": OF_USER,
    "llm_share_links": OF_PROJECT,
    "llm_sign_in_links": OF_USER,
    "llm_site_kinds": OF_PROJECT,
    "llm_stored_figures": OF_PROJECT,
    # of no tenant: a model that the healthy tenant does not ask, and rows of former runs
    "llm_model_registry": OF_ANOTHER_MODEL,
    "llm_model_prices": OF_ANOTHER_MODEL,
    "llm_model_changelog": OF_ANOTHER_MODEL,
    "llm_monitoring_chunks": "project_ids = '{1}'",
    "llm_monitoring_news": FIRST_ROW,
    "llm_monitoring_analysis_runs": FIRST_ROW,
    "llm_monitoring_rules": "fingerprint IN (SELECT rules_fingerprint FROM llm_monitoring_results"
    " WHERE project_id = 1)",
    "llm_operator_account": "id = 1",
    "llm_spent_hand_offs": FIRST_ROW,
}
"""Which rows of each table belong to the poisoned tenant, or else concern no one who is healthy."""
NOT_READ: Final = {"llm_schema_migrations"}
"""The record of migrations: a start that does not find its own tables is refused."""

HEALTHY_DAY: Final = """
    SELECT (SELECT count(*) FROM llm_monitoring_results
            WHERE project_id = 2 AND analysis_date = %(day)s AND unread_reason IS NULL) AS answers,
           (SELECT sum(total_queries + branded_total_queries) FROM llm_monitoring_snapshots
            WHERE project_id = 2 AND snapshot_date = %(day)s) AS figured,
           (SELECT count(*) FROM llm_call_attempts WHERE user_id = 2 AND state IN ('reserved', 'sent')) AS open,
           (SELECT count(*) FROM llm_monitoring_results WHERE project_id = 2 AND analysis_date = %(first)s) AS kept
"""
DEEP: Final = "repeat('[', 5000) || repeat(']', 5000)"
TEXTS: Final = (
    "''",
    "'   '",
    "'no such thing'",
    "repeat('x', 1000000)",
    "repeat('[', 1500)",
    "E'\\u0001\\u202e\\x1b[2J'",
    DEEP,
    f"'{BRACKETS}'",
)
NUMBERS: Final = ("'NaN'", "'Infinity'", "'-Infinity'", "0", "-1", "0.0000000001", "99999999.99", "9", "1e30")
DATES: Final = ("'infinity'", "'-infinity'", "'20000-01-01'", "'0044-03-15 BC'", "'1000-01-01'", "'9999-12-01'")
OBJECTS: Final = (
    "'null'", "'5'", "'\"x\"'", "'[]'", "'{}'", "'[null]'", "'[[[1]]]'", "'{\"a\": null}'", "'[1e5000]'",
    "'{\"a\": 1e5000}'", "'[{\"name\": 5}]'", "'[{\"name\": \" \"}]'", "'[7]'", "'{\"Holded\": \"x\"}'",
    "'[{\"above_input_tokens\": \"x\"}]'",
)  # fmt: skip
VALUES: Final[dict[str, tuple[str, ...]]] = {
    "numeric": NUMBERS,
    "integer": ("0", "-1", "2147483647", "-2147483648"),
    "bigint": ("0", "-1", "9223372036854775807", "-9223372036854775808"),
    "smallint": ("0", "-1", "32767", "-32768"),
    "boolean": ("TRUE", "FALSE"),
    "text": TEXTS,
    "character varying": TEXTS,
    "date": DATES,
    "timestamp without time zone": DATES,
    "timestamp with time zone": DATES,
    "json": (*OBJECTS, f"({DEEP})"),
    "jsonb": (*OBJECTS, f"({DEEP})"),
    "ARRAY": ("'{}'", "'{NULL}'", "'{\"\"}'", "'{{a,b},{c,d}}'", "'{a,a}'", "'{2147483647,-1}'", "'{{1,2}}'"),
    "uuid": ("gen_random_uuid()", "'00000000-0000-0000-0000-000000000000'"),
    "bytea": ("''", "'\\x00ff'", "decode(repeat('00', 1000000), 'hex')"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A column of the poisoned tenant's rows and the SQL of a value for it."""

    table: str
    column: str
    type: str
    value: str

    def __str__(self) -> str:
        value = "a sealed key of brackets" if self.value == f"'{BRACKETS}'" else self.value[:40]
        return f"{self.table}.{self.column} = {value}"

    def apply(self, db: Database) -> bool:
        """Write the value; False where the database refuses it."""
        cast = "" if self.value == "NULL" or self.type == "ARRAY" else f"::{self.type}"
        sql = f"UPDATE {self.table} SET {self.column} = ({self.value}){cast} WHERE {owned_rows(self.table)}"
        try:
            return db.execute(sql) > 0
        except (Rejected, Conflict, ConfigurationError, FeatureNotSupported):
            return False


def owned_rows(table: str) -> str:
    """The condition of the rows of a table that are poisoned."""
    return OWNED[table].replace("{table}", table)


def tables(db: Database) -> set[str]:
    """Every table of the product, as the catalogue names them."""
    rows = db.all(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    )
    return {row["table_name"] for row in rows} - NOT_READ


def cells(db: Database) -> Iterator[Cell]:
    """Every column of every table, with every value of its type."""
    rows = db.all(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = ANY (%(tables)s) "
        "AND identity_generation IS DISTINCT FROM 'ALWAYS' ORDER BY table_name, ordinal_position",
        {"tables": sorted(tables(db))},
    )
    for row in rows:
        for value in ("NULL", *VALUES[row["data_type"]]):
            yield Cell(row["table_name"], row["column_name"], row["data_type"], value)


def ignore(_: object) -> None: ...


def row_notices(app: App, day: date) -> Iterator[Notice]:
    return run_notices.row_notices(app.errors.found, day)


@dataclass
class House:
    """Two tenants on one database, each with a project at one provider."""

    url: str
    server: DemoServer
    db: Database
    reports: Path

    @property
    def app(self) -> App:
        named = {**self.server.environment(), "LLM_SENTIMENT": "false", "LLM_NOTIFY_URLS": "json://127.0.0.1:9/"}
        settings = load_settings(
            {**named, "LLM_REPORT_DIR": str(self.reports), "LLM_RUN_DEADLINE_MINUTES": "5"}, dotenv=False
        )
        store = KeyStore(self.db, KeyCipher(MASTER_KEY), {})
        return App(self.db, Budget(self.db, Decimal("100.00")), store, settings)

    def add_tenants(self) -> None:
        for name in ("a", "b"):
            self.add_tenant(name)

    def add_tenant(self, name: str, brand: str = "Quipu") -> None:
        """A user with a key, a budget and a project of two prompts; both get the next number."""
        user = projects.add_user(self.db, f"{name}@example.com")
        self.app.budget.set_limits(user, Decimal("50.00"), None)
        self.app.keys.store(user, "openai", Secret(KEY.format(name)))
        new = projects.NewProject(
            user,
            f"P {name}",
            Entity(brand, domains=("quipu.example",)),
            "software",
            [Entity("Holded")],
            providers=("openai",),
        )
        projects.add_prompts(self.db, projects.add(self.db, new), PROMPTS)

    def leave_open(self) -> None:
        """Leave a call of each tenant as a run that was killed leaves it: sent, with its receipt."""
        self.db.execute(
            "UPDATE llm_call_attempts SET state = 'sent', charged_usd = 0, closed_at = NULL WHERE id IN "
            "(SELECT DISTINCT ON (user_id) id FROM llm_call_attempts ORDER BY user_id, id)"
        )
        self.db.execute(
            "DELETE FROM llm_monitoring_results r USING llm_call_attempts a "
            "WHERE a.id = r.attempt_id AND a.state = 'sent'"
        )
        for user in (POISONED, HEALTHY):
            self.app.budget.repair(user)
        self.db.execute(
            "INSERT INTO llm_monitoring_failed_tasks SELECT project_id, id, 'openai', %(day)s, 2, NULL, "
            "'bad_response', 'x', FALSE, NULL FROM llm_monitoring_queries",
            {"day": FIRST_DAY},
        )
        self.db.execute(
            "INSERT INTO llm_budget_alerts (user_id, month, threshold, spent_usd, budget_usd) "
            "SELECT user_id, '2026-11-01', 80, 40, 50 FROM user_llm_api_keys"
        )

    def run(self, day: date = DAY, meanwhile: Callable[[], object] = lambda: None) -> DayReport:
        """The daily job in this process: its run, its reports, its digest's lines; `meanwhile` once it has planned."""
        app = self.app
        request = RunRequest(day, on_start=lambda pending: ignore(meanwhile()))
        report = run_day(app, request, listener=daily_log.StartLog())
        daily.write_reports(app, report)
        digest.collect(app, day, lambda: [*run_notices.run_notices(report, day), *row_notices(app, day)])
        return report

    def healthy(self, day: date = DAY) -> Row:
        """What the other tenant has of the day, and what is open of its calls."""
        row = self.db.one(HEALTHY_DAY, {"day": day, "first": FIRST_DAY})
        assert row is not None
        return row


def fill_two_tenants(url: str, server: DemoServer, reports: Path) -> None:
    """Fill a database with two tenants, a day that was measured, and a call of each that a dead run left open."""
    with Database(url, retry_seconds=10.0) as db:
        migrate(db)
        house = House(url, server, db, reports)
        house.add_tenants()
        house.run(FIRST_DAY)
        house.leave_open()


def fill_every_table(url: str) -> None:
    """Add a row of each tenant to every table that is still empty."""
    with Database(url, retry_seconds=10.0) as db:
        db.execute(EVERY_TABLE.read_text(encoding="utf-8"))
