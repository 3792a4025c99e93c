"""T4: `kill -9` of the whole daily run at random moments, restarted until the day is done."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from threading import Lock
from typing import Any

import pytest

from tests.environment import ALREADY_RUNNING, AMPLE, Environment, open_environment
from tests.faults.conftest import Note, forms

FIRST_DAY = date(2026, 11, 22)


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


def complete_a_day(environment: Environment, day: date, killer: Killer, longest: float) -> None:
    """Start the day's run again and again, killed after a random time, until one ends by itself."""
    while not killer.done:
        child = environment.start_day(day)
        if not child.ended.wait(environment.random.uniform(0.0, longest)):
            child.kill()
        code = child.wait()
        if code == -9:
            killer.count()
        elif code != 0:
            raise AssertionError(f"a run ended with exit code {code}:\n{child.said()[-3000:]}")
        elif ALREADY_RUNNING not in child.said():
            return
    environment.finish_day(day)


def seconds_of_a_day(environment: Environment, day: date) -> float:
    started = time.monotonic()
    environment.finish_day(day)
    return time.monotonic() - started


def kill_and_restart(environment: Environment, killer: Killer) -> list[str]:
    """Complete one day after another under kills; stops at the first violation."""
    days = [FIRST_DAY, FIRST_DAY - timedelta(days=1)]
    longest = min(seconds_of_a_day(environment, day) for day in days)
    broken: list[str] = []
    day = days[-1] - timedelta(days=1)
    while not killer.done and not broken:
        complete_a_day(environment, day, killer, longest)
        days.append(day)
        day -= timedelta(days=1)
        broken = environment.check(*days)
    return broken or environment.check(*days, whole=True)


@pytest.mark.parametrize(
    ("kills", "environments"),
    forms((1, 2), ci=(25, 2), long=(1_000, 3)),
)
def test_t4_killed_runs_end_complete_and_lose_no_charge(
    watched_urls: Any, random: Random, note: Note, kills: int, environments: int
) -> None:
    """After any number of kills at any moment the day is complete, in balance and paid twice only in doubt.

    The last of the environments asks in flex, which its providers shed now and then.
    """
    killer = Killer(kills, note)
    with ExitStack() as stack:
        made = []
        for _ in range(environments):
            own = Random(random.random())
            made.append(stack.enter_context(open_environment(watched_urls(), own, latency_ms=25, spread=1.0)))
        made[-1].operator["LLM_ECONOMY"] = "openai:flex,google:flex"
        made[-1].server.faults.set([{"match": {"tier": "flex", "probability": 0.3}, "action": {"kind": "shed"}}])
        for environment in made:
            environment.add_operator_keys(["google"])
            environment.add_numbered_project(environment.add_user(budget=AMPLE), 2)
            environment.add_numbered_project(
                environment.add_user(providers=["openai", "anthropic", "perplexity"], budget=AMPLE), 1
            )
        with ThreadPoolExecutor(environments) as pool:
            broken = list(pool.map(lambda environment: kill_and_restart(environment, killer), made))
        view = [environment.ledger_view() for environment in made]
        note.count_money(*view)
        note.add(kills=killer.kills, runs=sum(len(environment.processes) for environment in made))
        assert [[]] * environments == broken
