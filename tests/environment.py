"""An environment for whole runs: a database, users with keys, a loopback provider with its bill, forked processes."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from random import Random
from typing import Final

from cryptography.fernet import Fernet

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database, Row
from llm_monitoring.demo.server.loopback import DemoServer
from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.keys.encryption import KeyCipher
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.ledger.accounts import Audit
from llm_monitoring.ledger.budget import Budget
from tests.fork_server import ROOT, Child, Halt, fork_server
from tests.invariants import i10_day_complete, violations
from tests.ledger_view import OPERATOR, LedgerView, dump_tables, read_ledger_view

PREFIXES: Final[dict[ProviderName, str]] = {
    "openai": "sk-proj-",
    "anthropic": "sk-ant-api03-",
    "google": "AQ.",
    "perplexity": "pplx-",
}
KEYS: Final[dict[ProviderName, str]] = {
    "openai": "sk-proj-test-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaZq81xK0v",
    "anthropic": "sk-ant-api03-test-bbbbbbbbbbbbbbbbbbbbbbbbTn52wJ7c",
    "google": "AQ.test-cccccccccccccccccccccccccccccccccccHd93mP6r",
    "perplexity": "pplx-test-dddddddddddddddddddddddddddddddddLf47sB1y",
}
"""Keys of no user, for the operator's variables and for clients on their own."""
ONE_SDK: Final[tuple[ProviderName, ...]] = ("openai", "perplexity")
"""A process that asks these two imports a third of all SDKs."""
AMPLE: Final = "100000.00"
"""A limit in USD that no number of kills reaches, each of which may cost a ceiling."""
ALREADY_RUNNING: Final = "Otra ejecución diaria está en curso"


@dataclass
class Environment:
    """One database and one loopback provider; `keys` has the owner of each key in the clear.

    Processes and their output are kept, to look for keys in it.
    """

    url: str
    server: DemoServer
    db: Database
    random: Random = field(default_factory=lambda: Random(0))
    master_key: str = field(default_factory=lambda: Fernet.generate_key().decode())
    keys: dict[str, int] = field(default_factory=dict)
    operator: dict[str, str] = field(default_factory=dict)
    processes: list[Child] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def budget(self) -> Budget:
        return Budget(self.db)

    @property
    def store(self) -> KeyStore:
        operators = {
            p: Secret(self.operator[name]) for p in PROVIDERS if (name := f"{p.upper()}_API_KEY") in self.operator
        }
        return KeyStore(self.db, KeyCipher(self.master_key), operators)

    def new_key(self, provider: ProviderName, owner: int) -> str:
        key = f"{PREFIXES[provider]}test-{self.random.randbytes(24).hex()}"
        self.keys[key] = owner
        return key

    def key_of(self, user: int, provider: ProviderName) -> str:
        """Return the key in the clear of a user for a provider."""
        return next(key for key, owner in self.keys.items() if owner == user and key.startswith(PREFIXES[provider]))

    def replaced_keys(self) -> set[str]:
        """The keys in the clear after which their owner got another one for the same provider."""
        last = {
            (owner, prefix): key
            for key, owner in self.keys.items()
            for prefix in PREFIXES.values()
            if key.startswith(prefix)
        }
        return self.keys.keys() - last.values()

    def add_operator_keys(self, providers: Sequence[ProviderName] = PROVIDERS) -> None:
        for provider in providers:
            self.operator[f"{provider.upper()}_API_KEY"] = self.new_key(provider, OPERATOR)

    def add_user(
        self, email: str | None = None, providers: Sequence[ProviderName] = PROVIDERS, budget: str = "100.00"
    ) -> int:
        """Add a user with a key for each of `providers` and this limit in USD."""
        user = projects.add_user(self.db, email or f"u{next(self.numbers)}@example.com")
        self.budget.set_limits(user, Decimal(budget), None)
        self.give_keys(user, providers)
        return user

    def give_keys(self, user: int, providers: Sequence[ProviderName] = PROVIDERS) -> None:
        for provider in providers:
            self.store.store(user, provider, Secret(self.new_key(provider, user)))

    def add_project(
        self, user: int, prompts: Sequence[str], providers: Sequence[ProviderName] = PROVIDERS, name: str = "P"
    ) -> int:
        new = projects.NewProject(user, name, Entity("Quipu"), "software", [Entity("Holded")], providers=providers)
        project = projects.add(self.db, new)
        projects.add_prompts(self.db, project, prompts)
        return project

    def add_numbered_project(self, user: int, prompts: int, providers: Sequence[ProviderName] = PROVIDERS) -> int:
        """Add a project with so many unique prompts; half of them name the brand, so about half get a sentiment."""
        name = f"P{next(self.numbers)}"
        texts = [f"¿Es {'Quipu' if n % 2 else 'un programa'} bueno para el caso {name}-{n}?" for n in range(prompts)]
        return self.add_project(user, texts, providers, name)

    def variables(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment variables of a process."""
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "NO_PROXY") if name in os.environ}
        return {
            **inherited,
            **self.server.environment(),
            **self.operator,
            "DATABASE_URL": self.url,
            "LLM_KEYS_ENCRYPTION_KEY": self.master_key,
            "PYTHONPATH": str(ROOT),
            "LLM_LOG_LEVEL": "INFO",
            **(extra or {}),
        }

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of the daily script, for a start without the fork server."""
        return [sys.executable, str(ROOT / "daily_llm_monitoring_cron.py"), *arguments]

    def start(
        self,
        *arguments: str,
        extra: Mapping[str, str] | None = None,
        program: str = "daily",
        halt: Halt | None = None,
        stdout: str | None = None,
    ) -> Child:
        """Start a program in a process of its own; a daily job of a given day takes any, as tests have fixed days."""
        if program == "daily" and "--date" in arguments:
            arguments = (*arguments, "--any-past")
        process = fork_server().start(self.variables(extra), *arguments, halt=halt, program=program, stdout=stdout)
        self.processes.append(process)
        return process

    def finish(self, process: Child) -> tuple[int, str]:
        """Wait for a process; return its exit code and output."""
        code = process.wait()
        self.output.append(process.said())
        return code, self.output[-1]

    def run(self, *arguments: str, extra: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run the daily job; return its exit code and output."""
        return self.finish(self.start(*arguments, extra=extra))

    def start_day(self, day: date, halt: Halt | None = None, **extra: str) -> Child:
        """Start the daily job of `day`."""
        return self.start("--date", day.isoformat(), extra=extra, halt=halt)

    def run_day(self, day: date, halt: Halt | None = None, **extra: str) -> int:
        return self.start_day(day, halt, **extra).wait()

    def finish_day(self, day: date, **extra: str) -> str:
        """Run the day until one run gets the lock and ends; return the output of that run."""
        for _ in range(200):
            child = self.start_day(day, None, **extra)
            code = child.wait()
            if code != 0:
                raise AssertionError(f"the run ended with exit code {code}:\n{child.said()[-3000:]}")
            if ALREADY_RUNNING not in child.said():  # the lock of a dead run lives as long as its last statement
                return child.said()
        raise AssertionError("the lock of a dead run does not go away")

    def ledger_view(self, *, whole: bool = False) -> LedgerView:
        """Return database and bill; `whole` with every table and the output of all processes, to look for keys."""
        output = "\n".join(child.said() for child in self.processes) if whole else ""
        return read_ledger_view(self.url, self.server.bill.lines, self.keys, whole=whole, output=output)

    def check(self, *days: date, whole: bool = False) -> list[str]:
        """Return the broken invariants, for `days` also what they lack; needs a database that watches itself."""
        view = self.ledger_view(whole=whole)
        return violations(view) + i10_day_complete(view, days)

    def audit(self) -> Audit:
        return self.budget.audit()

    def billed(self) -> Decimal:
        """Return what the provider has billed, in USD."""
        return self.server.bill.total_usd

    def spent(self, user_id: int) -> Decimal:
        return next(each.spent_usd for each in self.budget.standings() if each.user_id == user_id)

    def charged(self) -> Decimal:
        """Return what calls were charged in all, without openings and corrections."""
        rows = self.rows("SELECT sum(charged_usd) AS usd FROM llm_call_attempts WHERE sent_at IS NOT NULL")
        return Decimal(rows[0]["usd"] or 0)

    def rows(self, sql: str) -> list[Row]:
        return self.db.all(sql)

    def count(self, sql: str) -> int:
        return int(self.rows(f"SELECT count(*) AS n FROM {sql}")[0]["n"])

    def leaks(self) -> list[str]:
        """Return keys that appear, whole or with their last eight characters, in output or outside the key columns."""
        text = "\n".join((*self.output, *(child.said() for child in self.processes), dump_tables(self.url)))
        return [key for key in (*KEYS.values(), *self.keys) if key[-8:] in text]


@contextmanager
def open_environment(
    url: str, random: Random | None = None, *, latency_ms: float = 0.0, spread: float = 0.0
) -> Iterator[Environment]:
    """Give an environment on the migrated database at `url`."""
    with (
        DemoServer(latency_ms=latency_ms, latency_spread=spread) as server,
        Database(url, size=20, retry_seconds=30.0) as db,
    ):
        yield Environment(url, server, db, random or Random(0))
