"""T3: several whole daily runs started at once, and one that loses its lock to another while it works."""

from __future__ import annotations

import time
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.faults.conftest import Note
from tests.faults.nursery import Child, Nursery
from tests.faults.scene import ALREADY_RUNNING, Scene, staged

FIRST_DAY = date(2026, 11, 20)
CUT_SHORT = ("Ejecución cortada", "Ningún proyecto tuvo éxito")
CUT_LOCKS = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def answers_billed(scene: Scene) -> int:
    """How many of the tasks' own prompts were billed."""
    books = scene.books()
    return len(books.bill) - len([row for row in books.calls if row["kind"] == "sentiment" and row["sent_at"]])


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.long)])
def test_t3_runs_started_at_once_pay_each_task_once(
    watched_urls: Any, tmp_path: Path, nursery: Nursery, random: Random, note: Note, rounds: int
) -> None:
    """Of two, four, eight starts at once one works at a time; each task is asked and paid once, to the digit."""
    with staged(watched_urls(), tmp_path / "scene", nursery, random, latency_ms=40, spread=1.0) as scene:
        scene.add_project(scene.add_user(), 3)
        scene.add_project(scene.add_user(), 2)
        days: list[date] = []
        for number in range(3 * rounds):
            days.append(FIRST_DAY - timedelta(days=number))
            started = [scene.start(days[-1]) for _ in range((2, 4, 8)[number % 3])]
            codes = [child.wait() for child in started]
            assert {0} == set(codes), "\n".join(child.said()[-1000:] for child in started)
            note.progress(number + 1, 3 * rounds, "rounds")
        books = scene.books()
        note.count_money(books)
        note.add(rounds=3 * rounds, runs=len(scene.children), tasks=len(books.tasks) * len(days))
        assert [] == scene.check(*days, whole=True)
        assert (len(books.tasks) * len(days), books.billed_usd) == (answers_billed(scene), books.charged_usd)


def take_over(scene: Scene, day: date, first: Child) -> Child:
    """Cut the lock of a run that works, until a second run has taken it."""
    while True:
        scene.db.execute(CUT_LOCKS)
        second = scene.start(day, LLM_MAX_WORKERS="4")
        while not second.ended.is_set() and "🚀 Iniciando" not in second.said():
            time.sleep(0.005)
        if ALREADY_RUNNING not in second.said():
            return second
        if first.ended.is_set():
            return first


def cut_short(run: Child) -> int:
    """Return the exit code of what the run said: 1 after a part of the day or nothing of it, 0 after all of it."""
    return int(any(sentence in run.said() for sentence in CUT_SHORT))


@pytest.mark.parametrize("times", [2, pytest.param(50, marks=pytest.mark.long)])
def test_t3_a_run_that_lost_its_lock_asks_nothing_that_the_next_has_asked(
    watched_urls: Any, tmp_path: Path, nursery: Nursery, random: Random, note: Note, times: int
) -> None:
    """A run whose lock went to another start pays for no task that the other one answered."""
    with staged(watched_urls(), tmp_path / "scene", nursery, random, latency_ms=60, spread=1.0) as scene:
        scene.add_project(scene.add_user(), 10)
        taken, days = 0, []
        for number in range(times):
            day = FIRST_DAY - timedelta(days=number)
            days.append(day)
            first = scene.start(day, LLM_MAX_WORKERS="4", LLM_SENTIMENT="false")
            while "🚀 Iniciando" not in first.said() and not first.ended.is_set():
                time.sleep(0.005)
            time.sleep(random.uniform(0.0, 0.5))
            second = take_over(scene, day, first)
            taken += second is not first
            codes, said = (first.wait(), second.wait()), first.said()[-1500:] + second.said()[-1500:]
            assert codes == (cut_short(first), cut_short(second)), said
            assert 0 in codes, said
            scene.finish(day)
            note.progress(number + 1, times, "days")
        note.count_money(scene.books())
        note.add(days=times, taken_over=taken)
        assert ([], True) == (scene.check(*days, whole=True), taken > 0)


def test_t3_a_run_that_stops_before_its_first_answer_is_no_success(scene: Scene) -> None:
    """A run that has to stop before it asked anything says that no project succeeded; the next one does the day."""
    scene.add_project(scene.add_user(), 1)
    assert scene.run(FIRST_DAY, None, LLM_RUN_DEADLINE_MINUTES="0.000001") == 1
    assert "Ningún proyecto tuvo éxito" in scene.children[-1].said()
    scene.finish(FIRST_DAY)
    assert [] == scene.check(FIRST_DAY)
