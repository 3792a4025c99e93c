"""A stage for whole runs: a loopback provider with its bill, a database, the job in a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database, Row
from llm_monitoring.db.migrate import migrate
from llm_monitoring.demo.server.loopback import DemoServer
from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.keys.encryption import KeyCipher
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.ledger.accounts import Audit
from llm_monitoring.ledger.budget import Budget
from tests.faults.nursery import Child, shared

ROOT = Path(__file__).resolve().parents[2]
KEYS: dict[ProviderName, str] = {
    "openai": "sk-proj-stage-aaaaaaaaaaaaaaaaaaaaaaaaaaaaZq81xK0v",
    "anthropic": "sk-ant-api03-stage-bbbbbbbbbbbbbbbbbbbbbbbTn52wJ7c",
    "google": "AQ.stage-ccccccccccccccccccccccccccccccccccHd93mP6r",
    "perplexity": "pplx-stage-ddddddddddddddddddddddddddddddddLf47sB1y",
}

ONE_SDK: Final[tuple[ProviderName, ...]] = ("openai", "perplexity")  # a run of these two imports a third of all SDKs


@dataclass
class Stage:
    """One database and one loopback provider. Output of every run is kept, to look for keys in it."""

    url: str
    server: DemoServer
    db: Database
    master_key: str = field(default_factory=lambda: Fernet.generate_key().decode())
    output: list[str] = field(default_factory=list)

    @property
    def store(self) -> KeyStore:
        return KeyStore(self.db, KeyCipher(self.master_key), {})

    @property
    def budget(self) -> Budget:
        return Budget(self.db)

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "NO_PROXY") if name in os.environ}
        return {
            **inherited,
            **self.server.environment(),
            "DATABASE_URL": self.url,
            "LLM_KEYS_ENCRYPTION_KEY": self.master_key,
            "PYTHONPATH": str(ROOT),
            "LLM_LOG_LEVEL": "DEBUG",
            **(extra or {}),
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / "daily_llm_monitoring_cron.py"), *arguments]

    def start(self, *arguments: str, extra: Mapping[str, str] | None = None) -> Child:
        return shared().start(self.environment(extra), *arguments)

    def finish(self, process: Child) -> tuple[int, str]:
        code = process.wait()
        self.output.append(process.said())
        return code, self.output[-1]

    def run(self, *arguments: str, extra: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run the job and return its exit code and output."""
        return self.finish(self.start(*arguments, extra=extra))

    def add_user(self, email: str, providers: Sequence[ProviderName] = PROVIDERS, budget: str = "100.00") -> int:
        user_id = projects.add_user(self.db, email)
        self.budget.set_limits(user_id, Decimal(budget), None)
        self.give_keys(user_id, providers)
        return user_id

    def give_keys(self, user_id: int, providers: Sequence[ProviderName] = PROVIDERS) -> None:
        for provider in providers:
            self.store.store(user_id, provider, Secret(KEYS[provider]))

    def add_project(
        self,
        user_id: int,
        prompts: Sequence[str],
        providers: Sequence[ProviderName] = PROVIDERS,
        name: str = "P",
    ) -> int:
        new = projects.NewProject(user_id, name, Entity("Quipu"), "software", [Entity("Holded")], providers=providers)
        project_id = projects.add(self.db, new)
        projects.add_prompts(self.db, project_id, prompts)
        return project_id

    def audit(self) -> Audit:
        return self.budget.audit()

    def billed(self) -> Decimal:
        """What the provider says it has billed, in USD."""
        return self.server.bill.total_usd

    def spent(self, user_id: int) -> Decimal:
        return next(each.spent_usd for each in self.budget.standings() if each.user_id == user_id)

    def charged(self) -> Decimal:
        """What calls were charged in all, openings and corrections left out."""
        rows = self.rows("SELECT sum(charged_usd) AS usd FROM llm_call_attempts WHERE sent_at IS NOT NULL")
        return Decimal(rows[0]["usd"] or 0)

    def rows(self, sql: str) -> list[Row]:
        return self.db.all(sql)

    def count(self, sql: str) -> int:
        return int(self.rows(f"SELECT count(*) AS n FROM {sql}")[0]["n"])

    def leaks(self) -> list[str]:
        """Keys, or their last eight characters, in the output so far or in the database outside its key columns."""
        tables = (
            "llm_monitoring_results",
            "llm_monitoring_failed_tasks",
            "llm_monitoring_analysis_runs",
            "llm_monitoring_snapshots",
            "llm_call_attempts",
            "user_llm_api_keys",
        )
        texts = [*self.output]
        for table in tables:
            texts += [str(row) for row in self.rows(f"SELECT * FROM {table}")]
        bodies = self.rows("SELECT body FROM llm_call_receipts")
        texts += [bytes(row["body"]).decode("utf-8", "replace") for row in bodies]
        return [key for key in KEYS.values() if any(key[-8:] in text for text in texts)]


@contextmanager
def staged(url: str, *, latency_ms: float = 0.0, migrated: bool = True) -> Iterator[Stage]:
    """A stage on the database at `url`."""
    with DemoServer(latency_ms=latency_ms) as server, Database(url, retry_seconds=10.0) as db:
        if migrated:
            migrate(db)
        yield Stage(url, server, db)
