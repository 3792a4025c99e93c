"""T4 on several machines: coordinators and workers killed at random moments, each replaced, until the day is done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from llm_monitoring.domain import ProviderName
from tests.environment import ALREADY_RUNNING, AMPLE, Environment, open_environment
from tests.faults.conftest import Note
from tests.fork_server import Child

FIRST_DAY = date(2026, 11, 22)
SPREAD = {"LLM_DISTRIBUTE": "true", "LLM_CHUNK_TASKS": "1", "LLM_MAX_WORKERS": "4"}


@dataclass
class Fleet:
    """A coordinator and two workers, each started again when it is killed."""

    environment: Environment
    processes: dict[str, Child] = field(default_factory=dict)
    launched: list[tuple[str, Child]] = field(default_factory=list)

    def launch(self, name: str, day: date) -> None:
        program, arguments = (
            ("daily", ["--date", day.isoformat()]) if name == "coordinator" else ("command", ["worker"])
        )
        self.processes[name] = self.environment.start(*arguments, extra=SPREAD, program=program)
        self.launched.append((name, self.processes[name]))

    def said(self) -> str:
        return "\n".join(f"--- {name}\n{process.said()}" for name, process in self.launched)

    def found_another(self) -> bool:
        """Whether the last coordinator found a lock that had outlived its process for a moment."""
        return ALREADY_RUNNING in self.processes["coordinator"].said()

    def complete(self, day: date, kills: int, longest: float) -> None:
        """Run the day with so many kills on the way; raises AssertionError where a process ends in an error."""
        for name in ("coordinator", "worker 1", "worker 2"):
            if name not in self.processes or self.processes[name].ended.is_set():
                self.launch(name, day)
        for _ in range(kills):
            time.sleep(self.environment.random.uniform(0.2, longest))
            self.replace(self.environment.random.choice(sorted(self.processes)), day)
        while self.processes["coordinator"].wait(60) == 0 and self.found_another():
            self.launch("coordinator", day)
        assert 0 == self.processes["coordinator"].code, self.said()[-5000:]

    def replace(self, name: str, day: date) -> None:
        process = self.processes[name]
        process.kill()
        process.wait()
        self.launch(name, day)


@contextmanager
def fleet_of(environment: Environment) -> Iterator[Fleet]:
    fleet = Fleet(environment)
    try:
        yield fleet
    finally:
        for process in fleet.processes.values():
            process.kill()
            process.wait()


@pytest.mark.ci
@pytest.mark.parametrize(("days", "kills"), [(1, 2), pytest.param(10, 5, marks=pytest.mark.long)])
def test_t4_killed_machines_lose_no_charge_and_the_day_is_completed(
    watched_urls: Any, random: Random, note: Note, days: int, kills: int
) -> None:
    """Whoever is killed whenever: each day ends complete, in balance, and paid twice only where in doubt."""
    with (
        open_environment(watched_urls(), random, latency_ms=150, spread=1.0) as environment,
        fleet_of(environment) as fleet,
    ):
        pairs: list[list[ProviderName]] = [["openai", "anthropic"], ["google", "perplexity"], ["openai", "google"]]
        for providers in pairs:
            environment.add_numbered_project(environment.add_user(providers=providers, budget=AMPLE), 12, providers)
        done = [FIRST_DAY - timedelta(days=number) for number in range(days)]
        for number, day in enumerate(done, 1):
            fleet.complete(day, kills, 4.0)
            note.progress(number, days, "days")
        view = environment.ledger_view()
        note.count_money(view)
        note.add(days=days, kills=days * kills)
        assert [] == environment.check(*done, whole=True), fleet.said()[-8000:]
