"""T2: sixteen threads want the last calls of a thousand budgets at once, while months change and limits fall."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier

import pytest

from llm_monitoring import projects
from llm_monitoring.db.database import Database
from llm_monitoring.domain import Usage
from llm_monitoring.ledger.attempts import Attempt, Settlement
from llm_monitoring.ledger.budget import Budget
from tests.admission import admits
from tests.faults.conftest import Note, forms
from tests.invariants import i1_never_over_budget, i2_counters_are_sums, i9_one_alert
from tests.ledger_view import read_ledger_view

THREADS = 16
CEILING = Decimal("0.10")
NOW = datetime.now(UTC)
NEXT_MONTH = (NOW.replace(day=1) + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True)
class Edge:
    """A budget with room for `fits` calls, and the two clocks that its callers may go by."""

    db: Database
    pool: ThreadPoolExecutor
    user: int
    fits: int

    @property
    def now(self) -> Budget:
        return Budget(self.db, clock=lambda: NOW)

    @property
    def later(self) -> Budget:
        return Budget(self.db, clock=lambda: NEXT_MONTH)

    def call(self) -> Attempt:
        return Attempt(uuid.uuid4(), "probe", self.user, "openai", "m", "user", CEILING)

    def at_once(self, *acts: Callable[[], bool]) -> list[bool]:
        """Do all of these at the same moment."""
        barrier = Barrier(len(acts))

        def act(number: int) -> bool:
            barrier.wait(30)
            return acts[number]()

        return list(self.pool.map(act, range(len(acts))))

    def reserving(self, budget: Budget, number: int) -> list[Callable[[], bool]]:
        return [lambda: admits(budget, self.call()) for _ in range(number)]

    def settling(self, call: Attempt) -> Callable[[], bool]:
        """An act that ends a call of this month at half its ceiling."""

        def settle() -> bool:
            outcome = Settlement("settled", CEILING / 2, Usage(1, 1), "m")
            self.db.transact(lambda tx: self.now.close(tx, call.id, outcome))
            return False

        return settle

    def limit(self, calls: int) -> Decimal:
        """A limit in USD in which so many calls fit."""
        return CEILING * calls + CEILING / 2

    def lowering(self, calls: int) -> Callable[[], bool]:
        def lower() -> bool:
            self.now.set_limits(self.user, self.limit(calls), None)
            return False

        return lower


def edge(made: Edge) -> bool:
    """As many are admitted as fit, however many want."""
    return sum(made.at_once(*made.reserving(made.now, THREADS))) == made.fits


def month_change(made: Edge) -> bool:
    """The new month's budget is filled once, with calls of the old month settling and others still coming late."""
    old = [made.call() for _ in range(2)]
    assert all(admits(made.now, call) and made.now.mark_sent(call) for call in old)
    acts = [*made.reserving(made.now, 7), *made.reserving(made.later, 7), *map(made.settling, old)]
    made.at_once(*acts)
    row = made.db.one(
        "SELECT count(*) AS n FROM llm_call_attempts WHERE user_id = %(user)s AND month = %(month)s",
        {"user": made.user, "month": NEXT_MONTH.date()},
    )
    return row is not None and row["n"] == made.fits


def lowered_limit(made: Edge) -> bool:
    """A limit that falls while calls come in holds for every call after it."""
    lower = max(1, made.fits - 2)
    admitted = sum(made.at_once(*made.reserving(made.now, THREADS - 1), made.lowering(lower)))
    return lower <= admitted <= made.fits and not admits(made.now, made.call())


MODES = (edge, month_change, lowered_limit)


@pytest.mark.parametrize("budgets", forms(30, ci=120, long=1_000))
def test_t2_the_last_call_of_a_budget_is_given_once(watched_url: str, note: Note, budgets: int) -> None:
    """At the edge, over a month's end and under a falling limit no budget is passed, and none is left unfilled."""
    wrong = []
    with Database(watched_url, size=THREADS) as db, ThreadPoolExecutor(THREADS) as pool:
        for number in range(budgets):
            made = Edge(db, pool, projects.add_user(db, f"{number}@example.com"), fits=3 + number % 5)
            made.now.set_limits(made.user, made.limit(made.fits), None)
            mode = MODES[number % len(MODES)]
            wrong += [] if mode(made) else [f"{mode.__name__} of user {made.user} with room for {made.fits}"]
            note.progress(number + 1, budgets, "budgets")
    view = read_ledger_view(watched_url)
    note.add(budgets=budgets, threads=THREADS, admitted=len(view.calls))
    found = [*i1_never_over_budget(view), *i2_counters_are_sums(view), *i9_one_alert(view)]
    assert [] == wrong
    assert [] == found
