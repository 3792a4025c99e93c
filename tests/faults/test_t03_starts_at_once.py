"""T3: several whole daily runs started at once, and one that loses its lock to another while it works."""

from __future__ import annotations

import time
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from tests.environment import ALREADY_RUNNING, AMPLE, Environment, open_environment
from tests.faults.conftest import LONG, Note
from tests.fork_server import Child

FIRST_DAY = date(2026, 11, 20)
CUT_SHORT = ("Ejecución cortada", "Ningún proyecto tuvo éxito")
CUT_LOCKS = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def answers_billed(environment: Environment) -> int:
    """How many of the tasks' own prompts were billed."""
    view = environment.ledger_view()
    return len(view.bill) - len([row for row in view.calls if row["kind"] == "sentiment" and row["sent_at"]])


@pytest.mark.ci
@pytest.mark.parametrize(
    ("rounds", "starts"),
    [
        pytest.param(1, (3,), id="three starts"),
        pytest.param(1, (2, 4, 8), id="1"),
        pytest.param(20, (2, 4, 8), id="20", marks=LONG),
    ],
)
def test_t3_runs_started_at_once_pay_each_task_once(
    watched_urls: Any, random: Random, note: Note, rounds: int, starts: tuple[int, ...]
) -> None:
    """Of several starts at once one works at a time; each task is asked and paid once, to the digit."""
    with open_environment(watched_urls(), random, latency_ms=40, spread=1.0) as environment:
        environment.add_numbered_project(environment.add_user(budget=AMPLE), 3)
        environment.add_numbered_project(environment.add_user(budget=AMPLE), 2)
        days: list[date] = []
        for number, together in enumerate(starts * rounds, 1):
            days.append(FIRST_DAY - timedelta(days=number))
            started = [environment.start_day(days[-1]) for _ in range(together)]
            codes = [child.wait() for child in started]
            assert {0} == set(codes), "\n".join(child.said()[-1000:] for child in started)
            note.progress(number, len(starts) * rounds, "rounds")
        view = environment.ledger_view()
        note.count_money(view)
        note.add(rounds=len(days), runs=len(environment.processes), tasks=len(view.tasks) * len(days))
        assert [] == environment.check(*days, whole=True)
        assert len(view.tasks) * len(days) == answers_billed(environment)
        assert view.billed_usd == view.charged_usd


def take_over(environment: Environment, day: date, first: Child) -> Child:
    """Cut the lock of a run that works, until a second run has taken it."""
    while True:
        environment.db.execute(CUT_LOCKS)
        second = environment.start_day(day, LLM_MAX_WORKERS="4")
        while not second.ended.is_set() and "🚀 Iniciando" not in second.said():
            time.sleep(0.005)
        if ALREADY_RUNNING not in second.said():
            return second
        if first.ended.is_set():
            return first


def cut_short(run: Child) -> int:
    """Return the exit code of what the run said: 1 after a part of the day or nothing of it, 0 after all of it."""
    return int(any(sentence in run.said() for sentence in CUT_SHORT))


@pytest.mark.ci
@pytest.mark.parametrize("times", [2, pytest.param(50, marks=LONG)])
def test_t3_a_run_that_lost_its_lock_asks_nothing_that_the_next_has_asked(
    watched_urls: Any, random: Random, note: Note, times: int
) -> None:
    """A run that lost its lock to another start pays for no task that the other one answered."""
    with open_environment(watched_urls(), random, latency_ms=60, spread=1.0) as environment:
        environment.add_numbered_project(environment.add_user(budget=AMPLE), 10)
        taken, days = 0, []
        for number in range(times):
            day = FIRST_DAY - timedelta(days=number)
            days.append(day)
            first = environment.start_day(day, LLM_MAX_WORKERS="4", LLM_SENTIMENT="false")
            while "🚀 Iniciando" not in first.said() and not first.ended.is_set():
                time.sleep(0.005)
            time.sleep(random.uniform(0.0, 0.5))
            second = take_over(environment, day, first)
            taken += second is not first
            codes = [first.wait(), second.wait()]
            said = first.said()[-1500:] + second.said()[-1500:]
            assert [cut_short(first), cut_short(second)] == codes, said
            assert 0 in codes, said
            environment.finish_day(day)
            note.progress(number + 1, times, "days")
        note.count_money(environment.ledger_view())
        note.add(days=times, taken_over=taken)
        assert [] == environment.check(*days, whole=True)
        assert taken > 0


@pytest.mark.ci
def test_t3_a_run_that_stops_before_its_first_answer_is_no_success(environment: Environment) -> None:
    """A run that has to stop before it asked anything says that no project succeeded; the next one does the day."""
    environment.add_numbered_project(environment.add_user(budget=AMPLE), 1)
    assert environment.run_day(FIRST_DAY, None, LLM_RUN_DEADLINE_MINUTES="0.000001") == 1
    assert "Ningún proyecto tuvo éxito" in environment.processes[-1].said()
    environment.finish_day(FIRST_DAY)
    assert [] == environment.check(FIRST_DAY)
