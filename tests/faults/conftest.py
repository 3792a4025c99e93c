"""Fixtures of the fault tests: seeds to replay, databases that watch themselves, the report of the long run."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pytest

from tests.conftest import Databases, fill_migrated
from tests.environment import Environment, open_environment
from tests.fork_server import ROOT
from tests.ledger_view import LedgerView

REPORT = ROOT / "faults.json"
CI, LONG = pytest.mark.ci, pytest.mark.long
WATCH = Path(__file__).with_name("watch.sql")


@dataclass
class Report:
    """What the long forms found, for faults.json."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    long: bool = False
    failed: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def write(self) -> None:
        found = self.entries.values()
        ratios = [entry["charged_to_billed"] for entry in found if entry.get("charged_to_billed")]
        paid, lost = (sum(entry.get(name, 0) for entry in found) for name in ("paid_answers", "lost_answers"))
        report = {
            "violations": self.failed,
            "seconds": round(time.monotonic() - self.started, 1),
            "worst_charged_to_billed": max(ratios, default=None),
            "paid_answers": paid,
            "lost_answers": lost,
            "share_of_paid_answers_lost": round(lost / paid, 6) if paid else None,
            "tests": self.entries,
        }
        REPORT.write_text(json.dumps(report, indent=2, default=str) + "\n", encoding="utf-8")


REPORT_KEY = pytest.StashKey[Report]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPORT_KEY] = Report()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    made = yield
    report = item.config.stash.get(REPORT_KEY, None)
    if report is not None and made.failed and item.path.parent == Path(__file__).parent:
        report.failed.append(item.nodeid)
    return made


def pytest_sessionfinish(session: pytest.Session) -> None:
    report = session.config.stash.get(REPORT_KEY, None)
    if report is not None and report.long:
        report.write()


@dataclass
class Note:
    """Where a test writes its counts, and shows how far it is."""

    name: str
    seed: int
    long: bool
    counts: dict[str, Any]

    def progress(self, done: int, total: int, what: str) -> None:
        """One line on the terminal that is written over, in the long form alone."""
        if self.long and sys.stdout.isatty():
            print(f"\r{self.name}: {done}/{total} {what}", end="" if done < total else "\n", flush=True)
        elif self.long and (done == total or done % max(1, total // 20) == 0):
            print(f"{self.name}: {done}/{total} {what}", flush=True)

    def add(self, **counts: Any) -> None:
        self.counts.update(counts)

    def count_money(self, *views: LedgerView) -> None:
        """Charged to billed, and the paid answers that never came into the database."""
        billed, charged = sum(each.billed_usd for each in views), sum(each.charged_usd for each in views)
        self.add(
            billed_usd=billed,
            charged_usd=charged,
            charged_to_billed=round(float(charged / billed), 6) if billed else None,
            paid_answers=sum(len(each.bill) for each in views),
            lost_answers=sum(each.lost_replies for each in views),
        )


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """FAULT_SEED, or a new seed; printed, so that a failure shows it."""
    text = os.environ.get("FAULT_SEED", "")
    found = int(text) if text else SystemRandom().randrange(10**9)
    print(f"\n{request.node.name}: FAULT_SEED={found}")
    return found


@pytest.fixture
def random(seed: int) -> Random:
    return Random(seed)


@pytest.fixture
def note(request: pytest.FixtureRequest, seed: int) -> Iterator[Note]:
    """The test's entry in faults.json; its long form alone makes the file."""
    long = request.node.get_closest_marker("long") is not None
    made = Note(request.node.name, seed, long, {"seed": seed})
    started = time.monotonic()
    yield made
    made.counts["seconds"] = round(time.monotonic() - started, 1)
    report = request.config.stash[REPORT_KEY]
    report.long = report.long or long
    report.entries[made.name] = made.counts


def forms(short: Any, *, ci: Any, long: Any) -> list[Any]:
    """Return the sizes of a test: by default, in CI (`make test-slow`), and by name (`make faults`)."""
    return [short, *(pytest.param(*as_tuple(size), marks=mark) for size, mark in ((ci, CI), (long, LONG)))]


def as_tuple(size: Any) -> tuple[Any, ...]:
    return size if isinstance(size, tuple) else (size,)


def fill_watched(url: str) -> None:
    from llm_monitoring.db.database import Database

    fill_migrated(url)
    with Database(url) as db:
        db.execute(WATCH.read_text(encoding="utf-8").replace("%", "%%"))


@pytest.fixture
def watched_urls(databases: Databases) -> Iterator[Any]:
    """Makes fresh, migrated databases that watch themselves; gives their addresses."""
    template = databases.template("watched", fill_watched)
    with ExitStack() as stack:
        yield lambda: stack.enter_context(databases.clone(template))


@pytest.fixture
def watched_url(watched_urls: Any) -> str:
    return str(watched_urls())


@pytest.fixture
def environment(watched_url: str, random: Random) -> Iterator[Environment]:
    """An environment without latency on a database that watches itself."""
    with open_environment(watched_url, random) as made:
        yield made
