"""T4: `kill -9` of the whole daily run at random moments, restarted until the day is done."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any

import pytest

from tests.faults.conftest import Note
from tests.faults.nursery import Nursery
from tests.faults.scene import ALREADY_RUNNING, Scene, staged

FIRST_DAY = date(2026, 11, 22)
SHORT_FORM = 25 if "CI" in os.environ else 8


@dataclass
class Killer:
    """Kills runs until there were `wanted` kills; shared by the scenes that run side by side."""

    wanted: int
    note: Note
    kills: int = 0
    lock: Lock = field(default_factory=Lock)

    def count(self) -> None:
        with self.lock:
            self.kills += 1
            if self.kills <= self.wanted:
                self.note.progress(self.kills, self.wanted, "kills")

    @property
    def done(self) -> bool:
        return self.kills >= self.wanted


def complete_a_day(scene: Scene, day: date, killer: Killer, longest: float) -> None:
    """Start the day's run again and again, killed after a random time, until one ends by itself."""
    while not killer.done:
        child = scene.start(day)
        if not child.ended.wait(scene.random.uniform(0.0, longest)):
            child.kill()
        code = child.wait()
        if code == -9:
            killer.count()
        elif code != 0:
            raise AssertionError(f"a run ended with exit code {code}:\n{child.said()[-3000:]}")
        elif ALREADY_RUNNING not in child.said():
            return
    scene.finish(day)


def seconds_of_a_day(scene: Scene, day: date) -> float:
    started = time.monotonic()
    scene.finish(day)
    return time.monotonic() - started


def kill_and_restart(scene: Scene, killer: Killer) -> list[str]:
    """Complete one day after another under kills; stops at the first violation."""
    days = [FIRST_DAY, FIRST_DAY - timedelta(days=1)]
    longest = min(seconds_of_a_day(scene, day) for day in days)
    broken: list[str] = []
    day = days[-1] - timedelta(days=1)
    while not killer.done and not broken:
        complete_a_day(scene, day, killer, longest)
        days.append(day)
        day -= timedelta(days=1)
        broken = scene.check(*days)
    return broken or scene.check(*days, whole=True)


@pytest.mark.parametrize(("kills", "scenes"), [(SHORT_FORM, 2), pytest.param(1_000, 3, marks=pytest.mark.long)])
def test_t4_killed_runs_end_complete_and_lose_no_charge(
    watched_urls: Any, tmp_path: Path, nursery: Nursery, random: Random, note: Note, kills: int, scenes: int
) -> None:
    """After any number of kills at any moment the day is complete, in balance and paid twice only in doubt."""
    killer = Killer(kills, note)
    with ExitStack() as stack:
        made = []
        for number in range(scenes):
            folder, own = tmp_path / f"scene-{number}", Random(random.random())
            stage = staged(watched_urls(), folder, nursery, own, latency_ms=25, spread=1.0)
            made.append(stack.enter_context(stage))
        for scene in made:
            scene.add_operator_keys(["google"])
            scene.add_project(scene.add_user(), 2)
            scene.add_project(scene.add_user(["openai", "anthropic", "perplexity"]), 1)
        with ThreadPoolExecutor(scenes) as pool:
            broken = list(pool.map(lambda scene: kill_and_restart(scene, killer), made))
        books = [scene.books() for scene in made]
        note.count_money(*books)
        note.add(kills=killer.kills, runs=sum(len(scene.children) for scene in made))
        assert [[]] * scenes == broken
