"""T17: whole days under faults drawn at random, call by call: the ledger is never below the provider's bill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from time import sleep
from typing import Any, Final

import pytest

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.app import App
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.runs import daily as daily_run
from llm_monitoring.runs.records import AlreadyRunning
from llm_monitoring.settings.fields import load_settings
from tests.environment import AMPLE, Environment, open_environment
from tests.faults import weather
from tests.faults.conftest import Note, forms
from tests.faults.in_process import impatient
from tests.invariants import i10_day_complete, missing_alerts, violations
from tests.ledger_view import LedgerView

LAST_DAY: Final = date(2026, 11, 22)
SHARE: Final = 0.4
HEALTHY: Final = {"LLM_MAX_WORKERS": "10"}
PAIR: Final[tuple[ProviderName, ...]] = ("openai", "google")


def last_morning_of_the_month() -> datetime:
    """Four o'clock of the machine's month's last day: the second day that is played begins a month."""
    next_month = (datetime.now(UTC).replace(day=1) + timedelta(days=32)).replace(day=1)
    return datetime.combine(next_month.date() - timedelta(days=1), time(4), UTC)


@dataclass
class Days:
    """A house of users and its days with faults, the latest first. `now` is the ledger's clock, which goes on.

    `poor` has a budget that some days do not fit in.
    """

    environment: Environment
    random: Random
    poor: int = 0
    day: date = LAST_DAY
    now: datetime = field(default_factory=last_morning_of_the_month)
    done: list[date] = field(default_factory=list)
    kills: int = 0

    def __post_init__(self) -> None:
        environment = self.environment
        environment.add_operator_keys()
        environment.db.execute("UPDATE llm_model_registry SET max_searches_per_call = 4 WHERE llm_provider = 'google'")
        self.add_project(environment.add_user(budget=AMPLE), 3, PROVIDERS, web_search=True)
        self.add_project(environment.add_user(budget=AMPLE), 3, PROVIDERS, web_search=False)
        self.add_project(
            environment.add_user(providers=["openai"], budget=AMPLE), 2, PAIR, web_search=False
        )  # google: the operator's key
        self.poor = environment.add_user(budget="0.25")
        self.add_project(self.poor, 3, PROVIDERS, web_search=True)

    def add_project(self, user: int, prompts: int, providers: tuple[ProviderName, ...], *, web_search: bool) -> None:
        new = projects.NewProject(
            user,
            f"P{user}",
            Entity("Quipu"),
            "software",
            [Entity("Holded")],
            country="ES",
            providers=providers,
            web_search=web_search,
        )
        texts = [f"¿Es {'Quipu' if number % 2 else 'un programa'} bueno, {user}-{number}?" for number in range(prompts)]
        projects.add_prompts(self.environment.db, projects.add(self.environment.db, new), texts)

    def run(self, day: date, variables: Mapping[str, str]) -> None:
        """One daily run in this process, with this day's clock; waits for the lock of a killed one."""
        environment = self.environment
        settings = load_settings({**environment.variables(), **variables}, dotenv=False)
        store = KeyStore(environment.db, environment.store.cipher, settings.api_keys)
        app = App(environment.db, Budget(environment.db, clock=lambda: self.now), store, settings)
        while True:
            try:
                daily_run.run_day(app, daily_run.RunRequest(day))
                return
            except AlreadyRunning:
                sleep(0.01)

    def killed_run(self, day: date) -> None:
        """A run in a process of its own, by the machine's clock, killed at a random moment."""
        child = self.environment.start_day(day, None, **weather.settings_of(self.random))
        self.kills += not child.ended.wait(self.random.uniform(0.1, 0.7))
        child.kill()
        assert child.wait() in (0, -9), child.said()

    def play(self) -> list[str]:
        """One day: faults, a kill, lost connections, then healthy providers; returns what is broken."""
        day, environment = self.day, self.environment
        environment.server.set_day(day)
        environment.server.faults.seed = self.random.randrange(10**9)
        environment.server.faults.set(weather.rules(self.random, day.isoformat(), SHARE))
        if self.now.month == datetime.now(UTC).month:  # its start would bring accounts of a later month back
            self.killed_run(day)
        losing = self.random.random() < 0.5
        with weather.losing_connections(environment.url, self.random) if losing else nullcontext():
            self.run(day, weather.settings_of(self.random))
        broken = violations(environment.ledger_view())
        environment.server.faults.set([])
        self.run(day, HEALTHY)
        self.done.append(day)
        self.day -= timedelta(days=1)
        self.now += timedelta(days=1)
        return broken + self.broken()

    def broken(self) -> list[str]:
        view = self.environment.ledger_view(whole=True)
        return [*violations(view), *missing_alerts(view), *self.incomplete(view)]

    def incomplete(self, view: LedgerView) -> Iterator[str]:
        """Tasks without an answer, but for those that were paid for in vain and those of a user without money."""
        final = "SELECT project_id, query_id, llm_provider, sample, analysis_date FROM llm_monitoring_failed_tasks"
        given_up = {tuple(row.values()) for row in self.environment.db.all(f"{final} WHERE final")}
        poor = {
            row["id"]
            for row in self.environment.db.all(
                "SELECT id FROM llm_monitoring_projects WHERE user_id = %(user)s", {"user": self.poor}
            )
        }
        spared = {f"I10 task {task} has 0 results" for task in given_up}
        for line in i10_day_complete(view, self.done):
            if line not in spared and not any(line.startswith(f"I10 task ({project},") for project in poor):
                yield line


@pytest.mark.parametrize("days", forms(1, ci=6, long=40))
def test_t17_whole_days_with_random_faults(watched_url: str, random: Random, note: Note, days: int) -> None:
    """After each day every invariant holds; per key and provider the ledger is never below the provider's bill."""
    with open_environment(watched_url, random) as environment, impatient():
        played = Days(environment, random)
        for number in range(days):
            assert [] == played.play(), environment.processes[-1].said()
            note.progress(number + 1, days, "days")
        view = environment.ledger_view()
        note.count_money(view)
        note.add(days=days, kills=played.kills, states=states(view), months=len({row["month"] for row in view.calls}))


def states(view: LedgerView) -> dict[str, Any]:
    found = [row["state"] for row in view.calls]
    return {state: found.count(state) for state in ("settled", "void", "unknown")}
