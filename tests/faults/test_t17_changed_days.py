"""T17: days in all paces during which budgets, keys, prices and paces change at random steps, against the bill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Final

import pytest

from llm_monitoring import failpoints
from llm_monitoring.domain import ProviderName
from tests.environment import Environment, open_environment
from tests.faults.batch_days import Died, check, complete, few_are_enough, losses, pass_hours
from tests.faults.conftest import LONG, Note
from tests.faults.in_process import TODAY, run_day

PROVIDERS: Final[tuple[ProviderName, ...]] = ("openai", "anthropic", "google")
MODES: Final = (
    "none",
    "openai:batch,anthropic:batch",
    "openai:flex,google:flex,anthropic:batch",
    "openai:batch,google:flex",
)
PACES: Final = ("prompt", "punctual", "patient")
BUDGETS: Final = ("0.001", "0.02", "0.2", "5.00", "100.00")
DEARER: Final = """
UPDATE llm_model_registry SET cost_per_1m_output_tokens = cost_per_1m_output_tokens * 1.5
WHERE is_current AND llm_provider = %(provider)s
"""


@dataclass
class ChangingDays:
    """Two users with projects of their own, and what may change while a run of theirs is at work."""

    environment: Environment
    users: tuple[int, ...]

    @property
    def random(self) -> Random:
        return self.environment.random

    def changes(self) -> tuple[Callable[[], object], ...]:
        environment, user, provider = self.environment, self.random.choice(self.users), self.random.choice(PROVIDERS)
        pace, budget = self.random.choice(PACES), Decimal(self.random.choice(BUDGETS))
        samples = self.random.randint(1, 2)
        return (
            lambda: environment.budget.set_limits(user, budget, None),
            lambda: environment.give_keys(user, [provider]),
            lambda: environment.db.execute(DEARER, {"provider": provider}),
            lambda: environment.db.execute(
                "UPDATE llm_monitoring_projects SET pace = %(pace)s, samples_per_query = %(samples)s"
                " WHERE user_id = %(user)s",
                {"pace": pace, "samples": samples, "user": user},
            ),
        )

    @contextmanager
    def disturbed(self) -> Iterator[None]:
        """At a random step something changes, and at a later one the process may end."""
        at, ends = self.random.randint(1, 60), self.random.choice((None, None, self.random.randint(2, 120)))
        change, seen = self.random.choice(self.changes()), 0

        def hook(point: str) -> None:
            nonlocal seen
            seen += 1
            if seen == at:
                change()
            if seen == ends:
                raise Died(point)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(failpoints, "hook", hook)
            yield

    def day(self, day: date) -> list[str]:
        """A day with up to three disturbed starts, and what it breaks once it is complete."""
        server = self.environment.server
        for _ in range(self.random.randint(1, 3)):
            server.batches.set_plan({"ends_after": self.random.choice((0, 1, None)), "ran": self.random.random()})
            with self.disturbed(), suppress(Died):
                run_day(self.environment, day, **self.variables())
            pass_hours(self.environment, self.random.choice((0, 1)))
        server.batches.set_plan({"ends_after": 0})
        complete(self.environment, day)
        pass_hours(self.environment, 24 * 8)
        return check(self.environment) + losses(self.environment).unexplained + list(half_price_only_if_billed_so(self))

    def variables(self) -> dict[str, str]:
        sentiment = self.random.choice(("true", "false"))
        economy = {"LLM_ECONOMY": self.random.choice(MODES), "LLM_ECONOMY_WAIT_MINUTES": "0.002"}
        return {**economy, "LLM_SENTIMENT": sentiment, "LLM_MAX_WORKERS": self.random.choice(("2", "10"))}


def half_price_only_if_billed_so(days: ChangingDays) -> Iterator[str]:
    """Calls that are charged as those of a batch, and that the provider did not bill as such."""
    billed = {charge.custom_id for charge in days.environment.server.bill.lines if charge.tier == "batch"}
    for row in days.environment.ledger_view().calls:
        if row["state"] == "settled" and row["mode"] == "batch" and row["saved_usd"] and row["id"] not in billed:
            yield f"T17 call {row['id']} saved {row['saved_usd']} USD in a batch that the provider did not bill"


@pytest.mark.ci
@pytest.mark.parametrize("days", [2, 10, pytest.param(200, marks=LONG)])
def test_t17_changes_at_any_step_break_no_budget_and_lose_no_charge(
    watched_url: str, random: Random, note: Note, days: int
) -> None:
    """Each call is charged at least its bill, no budget is passed, each is paid once, also across kills."""
    with open_environment(watched_url, random) as environment, few_are_enough():
        users = tuple(environment.add_user(providers=list(PROVIDERS), budget="5.00") for _ in range(2))
        for user in users:
            environment.add_numbered_project(user, 4, list(PROVIDERS))
        changing, broken = ChangingDays(environment, users), []
        for number in range(days):
            broken = changing.day(TODAY - timedelta(days=number))
            note.progress(number + 1, days, "days")
            if broken:
                break
        note.count_money(environment.ledger_view())
        assert [] == broken + check(environment, whole=True)
