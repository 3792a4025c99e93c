"""What a fault test's database and the provider's bill hold at the end, read without a line of the package."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras

Row = dict[str, Any]
OPERATOR = 0  # stands for the operator where a user's number stands else

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
    """One line of the bill. `owner` is the user whose key it names, OPERATOR, or None for a key nobody has."""

    owner: int | None
    provider: str
    model: str
    prompt: str
    price_usd: Decimal


@dataclass(frozen=True)
class Books:
    """A database with its bill. `owners` tells by fingerprint whose key it is; `keys` are all keys in the clear."""

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


def read_bill(path: Path | None, owners: Mapping[str, int]) -> list[Charge]:
    """The bill's file, one JSON line a charge."""
    lines = path.read_text("utf-8").splitlines() if path is not None and path.exists() else []
    return [
        Charge(owners.get(line["key"]), line["provider"], line["model"], line["prompt"], Decimal(line["price_usd"]))
        for line in map(json.loads, lines)
    ]


def fingerprint(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def read_books(
    url: str,
    bill: Path | None = None,
    keys: Mapping[str, int] | None = None,
    *,
    whole: bool = False,
    output: str = "",
) -> Books:
    """Read everything; `keys` tells whose each key in the clear is, `whole` fills `dump`."""
    keys = keys or {}
    owners = {fingerprint(key): owner for key, owner in keys.items()}
    with closing(psycopg2.connect(url, cursor_factory=psycopg2.extras.RealDictCursor)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)

        def rows(sql: str) -> list[Row]:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return [dict(row) for row in cursor.fetchall()]

        return Books(
            accounts=rows(ACCOUNTS),
            operator=rows("SELECT * FROM llm_operator_account")[0],
            attempts=rows(ATTEMPTS),
            results=rows(RESULTS),
            tasks=rows(TASKS),
            alerts=rows("SELECT * FROM llm_budget_alerts"),
            runs=rows("SELECT * FROM llm_monitoring_analysis_runs ORDER BY id"),
            breaches=rows("SELECT * FROM watch_breaches ORDER BY n"),
            steps=rows("SELECT n, attempt_id::text AS attempt_id, before, after FROM watch_steps ORDER BY n"),
            dump=dumped(rows) if whole else "",
            bill=read_bill(bill, owners),
            keys=list(keys),
            output=output,
        )


def dumped(rows: Any) -> str:
    """Every table as text, the receipts' bodies also decoded."""
    texts = [str(row) for table in rows(TABLES) for row in rows(f"SELECT * FROM {table['table_name']}")]
    texts += [bytes(row["body"]).decode("utf-8", "replace") for row in rows("SELECT body FROM llm_call_receipts")]
    return "\n".join(texts)
