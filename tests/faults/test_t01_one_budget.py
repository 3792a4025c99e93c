"""T1: one budget under a hundred thousand reservations of two processes with sixteen connections."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal

import pytest

from llm_monitoring import projects
from llm_monitoring.db.database import Database
from llm_monitoring.ledger.budget import Budget
from tests.faults.conftest import Note, forms
from tests.fork_server import ROOT
from tests.invariants import i1_never_over_budget, i2_counters_are_sums, i9_one_alert
from tests.ledger_view import read_ledger_view

THREADS = 8


def start_filler(url: str, user: int, reservations: int, seed: int, *limit: Decimal) -> subprocess.Popen[str]:
    arguments = [url, *map(str, (user, reservations, THREADS, seed, *limit))]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.budget_filler", *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE
    )


@pytest.mark.parametrize("reservations", forms(300, ci=4_000, long=100_000))
def test_t1_two_processes_fill_one_budget_and_never_pass_it(watched_url: str, note: Note, reservations: int) -> None:
    """Sixteen connections of two processes fill a budget to 99.9 % and never beyond; the counters are the sums."""
    limit = (Decimal(reservations) * Decimal("0.004")).quantize(Decimal("0.01"))
    with Database(watched_url) as db:
        user = projects.add_user(db, "one@example.com")
        Budget(db).set_limits(user, limit, None)
    started = time.monotonic()
    fillers = [start_filler(watched_url, user, reservations // 2, note.seed + 10**7 * n) for n in range(2)]
    counts: Counter[str] = Counter()
    last: dict[str, int] = {}
    for filler in fillers:
        assert filler.stdout is not None
        for line in filler.stdout:
            last = json.loads(line)
            note.progress(reservations // 2 - last["left"], reservations // 2, "reservations of one process")
        assert filler.wait() == 0
        filler.stdout.close()
        counts += Counter({name: number for name, number in last.items() if name != "left"})
    seconds = time.monotonic() - started
    view = read_ledger_view(watched_url)
    (account,) = view.accounts
    filled = (account["current_month_spend"] + account["reserved_spend_usd"]) / limit
    note.add(reservations=reservations, **counts, filled=f"{filled:.6f}", per_second=round(reservations / seconds))
    found = [*i1_never_over_budget(view), *i2_counters_are_sums(view), *i9_one_alert(view)]
    assert [] == found
    assert counts["admitted"] == len(view.calls)
    assert Decimal("0.999") <= filled <= 1


@pytest.mark.ci
@pytest.mark.parametrize("reservations", forms(200, ci=2_000, long=100_000))
def test_t1_two_processes_fill_the_operators_limit_and_never_pass_it(
    watched_url: str, note: Note, reservations: int
) -> None:
    """Five users' calls with the operator's key, from two processes, fill its limit to 99.9 % and never beyond."""
    limit = (Decimal(reservations) * Decimal("0.004")).quantize(Decimal("0.01"))
    with Database(watched_url) as db:
        users = [projects.add_user(db, f"{number}@example.com") for number in range(5)]
    fillers = [start_filler(watched_url, users[-1], reservations // 2, note.seed + 10**7 * n, limit) for n in range(2)]
    for filler in fillers:
        filler.communicate()
    assert [0, 0] == [filler.returncode for filler in fillers]
    view = read_ledger_view(watched_url)
    filled = (view.operator["spent_usd"] + view.operator["reserved_usd"]) / limit
    found = [*i1_never_over_budget(view), *i2_counters_are_sums(view)]
    assert [] == found
    assert Decimal("0.998") <= filled <= 1
