"""Database and bill of the provider at the end of a fault test, read without code of the package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

import psycopg2
import psycopg2.extras

Row = dict[str, Any]
Rows = Callable[[str], list[Row]]
OPERATOR = 0  # stands for the operator in place of a user's number

ATTEMPTS = """
SELECT a.*, a.id::text AS id, q.query_text, r.attempt_id IS NOT NULL AS has_receipt, f.id IS NOT NULL AS has_result
FROM llm_call_attempts a
         LEFT JOIN llm_monitoring_queries q ON q.id = a.query_id
         LEFT JOIN llm_call_receipts r ON r.attempt_id = a.id
         LEFT JOIN llm_monitoring_results f ON f.attempt_id = a.id
ORDER BY a.reserved_at, a.id
"""
ACCOUNTS = "SELECT * FROM user_llm_api_keys WHERE user_id IS NOT NULL ORDER BY user_id"
RESULTS = "SELECT *, attempt_id::text AS attempt_id FROM llm_monitoring_results"
TASKS = """
SELECT q.project_id, q.id AS query_id, provider AS llm_provider, sample
FROM llm_monitoring_projects p
         JOIN llm_monitoring_queries q ON q.project_id = p.id AND q.is_active
         CROSS JOIN LATERAL unnest(p.enabled_llms) AS provider
         CROSS JOIN LATERAL generate_series(1, p.samples_per_query) AS sample
WHERE p.is_active
"""
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"


@dataclass(frozen=True, slots=True)
class Charge:
    """One line of the bill. `owner` is the user of the key, OPERATOR, or None for an unknown key."""

    owner: int | None
    provider: str
    model: str
    prompt: str
    price_usd: Decimal


@dataclass(frozen=True)
class LedgerView:
    """A database with its bill. `keys` are all keys in the clear."""

    accounts: Sequence[Row]
    operator: Row
    attempts: Sequence[Row]
    results: Sequence[Row]
    tasks: Sequence[Row]
    alerts: Sequence[Row]
    runs: Sequence[Row]
    breaches: Sequence[Row]
    steps: Sequence[Row]
    dump: str
    bill: Sequence[Charge]
    keys: Sequence[str]
    output: str

    @property
    def calls(self) -> list[Row]:
        """The attempts that were to reach a provider: without openings and corrections by hand."""
        return [row for row in self.attempts if row["kind"] in ("answer", "sentiment", "probe")]

    @property
    def billed_usd(self) -> Decimal:
        return sum((charge.price_usd for charge in self.bill), Decimal(0))

    @property
    def charged_usd(self) -> Decimal:
        return sum((row["charged_usd"] for row in self.calls), Decimal(0))

    @property
    def lost_replies(self) -> int:
        """Paid answers that never came into the database."""
        return max(0, len(self.bill) - len([row for row in self.calls if row["has_receipt"]]))


def read_bill(lines: Iterable[Any], owners: Mapping[str, int]) -> list[Charge]:
    """Return the lines of the provider's bill, with the owner of each line's key."""
    return [
        Charge(owners.get(line.key), line.provider, line.model, line.prompt, Decimal(line.price_usd)) for line in lines
    ]


def fingerprint(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@contextmanager
def reading(url: str) -> Iterator[Rows]:
    """Give a function that reads rows of one snapshot of the database."""
    with closing(psycopg2.connect(url, cursor_factory=psycopg2.extras.RealDictCursor)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)

        def rows(sql: str) -> list[Row]:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return [dict(row) for row in cursor.fetchall()]

        yield rows


def read_ledger_view(
    url: str,
    bill: Iterable[Any] = (),
    keys: Mapping[str, int] | None = None,
    *,
    whole: bool = False,
    output: str = "",
) -> LedgerView:
    """Read everything; `keys` has the owner of each key in the clear, `whole` fills `dump`."""
    keys = keys or {}
    owners = {fingerprint(key): owner for key, owner in keys.items()}
    with reading(url) as rows:
        return LedgerView(
            accounts=rows(ACCOUNTS),
            operator=rows("SELECT * FROM llm_operator_account")[0],
            attempts=rows(ATTEMPTS),
            results=rows(RESULTS),
            tasks=rows(TASKS),
            alerts=rows("SELECT * FROM llm_budget_alerts"),
            runs=rows("SELECT * FROM llm_monitoring_analysis_runs ORDER BY id"),
            breaches=rows("SELECT * FROM watch_breaches ORDER BY n"),
            steps=rows("SELECT n, attempt_id::text AS attempt_id, before, after FROM watch_steps ORDER BY n"),
            dump=dump_rows(rows) if whole else "",
            bill=read_bill(bill, owners),
            keys=list(keys),
            output=output,
        )


def dump_tables(url: str) -> str:
    """Return every table as text."""
    with reading(url) as rows:
        return dump_rows(rows)


def dump_rows(rows: Rows) -> str:
    """Return every table as text, the bodies of the receipts also decoded."""
    texts = [str(row) for table in rows(TABLES) for row in rows(f"SELECT * FROM {table['table_name']}")]
    texts += [bytes(row["body"]).decode("utf-8", "replace") for row in rows("SELECT body FROM llm_call_receipts")]
    return "\n".join(texts)
