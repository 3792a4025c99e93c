"""A scene for whole runs: a watched database, users with keys of their own, a loopback provider and its bill's file."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random

from cryptography.fernet import Fernet

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database
from llm_monitoring.demo.server.loopback import DemoServer
from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.keys.encryption import KeyCipher
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.ledger.budget import Budget
from tests.faults.books import OPERATOR, Books, read_books
from tests.faults.invariants import i10_day_complete, violations
from tests.faults.nursery import ROOT, Child, Halt, Nursery

PREFIXES: dict[ProviderName, str] = {
    "openai": "sk-proj-",
    "anthropic": "sk-ant-api03-",
    "google": "AQ.",
    "perplexity": "pplx-",
}
ALREADY_RUNNING = "Otra ejecución diaria está en curso"


@dataclass
class Scene:
    """Everything that a fault test of whole runs needs. `keys` tells whose each key in the clear is."""

    url: str
    server: DemoServer
    bill: Path
    db: Database
    nursery: Nursery
    random: Random
    master_key: str = field(default_factory=lambda: Fernet.generate_key().decode())
    keys: dict[str, int] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    operator: dict[str, str] = field(default_factory=dict)

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
        key = f"{PREFIXES[provider]}fault-{self.random.randbytes(24).hex()}"
        self.keys[key] = owner
        return key

    def add_operator_keys(self, providers: Sequence[ProviderName] = PROVIDERS) -> None:
        for provider in providers:
            self.operator[f"{provider.upper()}_API_KEY"] = self.new_key(provider, OPERATOR)

    def add_user(self, providers: Sequence[ProviderName] = PROVIDERS, budget: str = "100000.00") -> int:
        """A user with a key for each of `providers` and this limit in USD."""
        user = projects.add_user(self.db, f"u{next(self.numbers)}@example.com")
        self.budget.set_limits(user, Decimal(budget), None)
        for provider in providers:
            self.store.store(user, provider, Secret(self.new_key(provider, user)))
        return user

    def add_project(self, user: int, prompts: int, providers: Sequence[ProviderName] = PROVIDERS) -> int:
        """A project with so many prompts, each of them unique; about half name the brand and get a sentiment."""
        name = f"P{next(self.numbers)}"
        new = projects.NewProject(user, name, Entity("Quipu"), "software", [Entity("Holded")], providers=providers)
        project = projects.add(self.db, new)
        texts = (f"¿Es {'Quipu' if n % 2 else 'un programa'} bueno para el caso {name}-{n}?" for n in range(prompts))
        projects.add_prompts(self.db, project, list(texts))
        return project

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
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

    def start(self, day: date, halt: Halt | None = None, **extra: str) -> Child:
        """Start the daily job of `day` in a process of its own."""
        child = self.nursery.start(self.environment(extra), "--date", day.isoformat(), halt=halt)
        self.children.append(child)
        return child

    def run(self, day: date, halt: Halt | None = None, **extra: str) -> int:
        return self.start(day, halt, **extra).wait()

    def finish(self, day: date, **extra: str) -> str:
        """Run the day until a run works on it to its end; return what that run said."""
        for _ in range(200):
            child = self.start(day, None, **extra)
            code = child.wait()
            if code != 0:
                raise AssertionError(f"the run ended with exit code {code}:\n{child.said()[-3000:]}")
            if ALREADY_RUNNING not in child.said():  # a dead run's lock lives as long as its last statement
                return child.said()
        raise AssertionError("the lock of a dead run does not go away")

    def books(self, *, whole: bool = False) -> Books:
        """The books; `whole` with every table and the output of all runs as text, to look for keys."""
        output = "\n".join(child.said() for child in self.children) if whole else ""
        return read_books(self.url, self.bill, self.keys, whole=whole, output=output)

    def check(self, *days: date, whole: bool = False) -> list[str]:
        """What is broken now; with `days`, also what these days lack."""
        books = self.books(whole=whole)
        return violations(books) + i10_day_complete(books, days)


@contextmanager
def staged(
    url: str, folder: Path, nursery: Nursery, random: Random, *, latency_ms: float = 0.0, spread: float = 0.0
) -> Iterator[Scene]:
    """A scene on the watched database at `url`, whose bill is a file in `folder`."""
    folder.mkdir(exist_ok=True)
    bill = folder / "bill.jsonl"
    with (
        DemoServer(latency_ms=latency_ms, latency_spread=spread, bill=bill) as server,
        Database(url, size=20, retry_seconds=30.0) as db,
    ):
        yield Scene(url, server, bill, db, nursery, random)
