"""The same day in each pace, with batches of two providers: its answers, its bill and what it saved, to the cent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest

from llm_monitoring.domain import Pace, ProviderName
from tests.environment import Environment, open_environment

DAY = date(2026, 11, 23)
NEXT_DAY = date(2026, 11, 24)
PROVIDERS: Sequence[ProviderName] = ("anthropic", "openai")
PROMPTS = 12  # of each of two projects
TASKS = 2 * PROMPTS * len(PROVIDERS)
ECONOMY = {"LLM_ECONOMY": "anthropic:batch,openai:batch", "LLM_SENTIMENT": "false", "LLM_ECONOMY_WAIT_MINUTES": "0.05"}


@dataclass(frozen=True, slots=True)
class PacedDay:
    """What a day came to."""

    answers: int
    billed_usd: Decimal
    charged_usd: Decimal
    standard_usd: Decimal
    seconds: float

    @property
    def saved_percent(self) -> Decimal:
        return 100 * (1 - self.billed_usd / self.standard_usd)


@pytest.fixture
def environment(database_url: str) -> Iterator[Environment]:
    """Two projects of one user at two providers, without web search."""
    with open_environment(database_url) as made:
        user = made.add_user(providers=PROVIDERS)
        for _ in range(2):
            made.add_numbered_project(user, PROMPTS, PROVIDERS)
        yield made


def run(environment: Environment, pace: Pace, days: Sequence[date] = (DAY,), **plan: object) -> PacedDay:
    """Run the day at a pace, and what starts of later days make of it; `plan` is how batches go until then."""
    environment.db.execute(f"UPDATE llm_monitoring_projects SET pace = '{pace}'")
    environment.server.batches.set_plan(plan)
    began = time.monotonic()
    for day in days:
        code, output = environment.run("--date", day.isoformat(), extra=ECONOMY)
        assert 0 == code, output
        environment.server.batches.set_plan({"ends_after": 0})
        if pace == "patient":
            environment.db.execute("UPDATE llm_monitoring_queries SET is_active = FALSE")
    seconds = time.monotonic() - began
    (sums,) = environment.rows("SELECT sum(charged_usd) AS usd, sum(saved_usd) AS saved FROM llm_call_attempts")
    billed, charged = environment.billed(), Decimal(sums["usd"])
    answers = environment.count(f"llm_monitoring_results WHERE analysis_date = '{DAY}'")
    return PacedDay(answers, billed, charged, charged + Decimal(sums["saved"]), seconds)


@pytest.mark.ci
def test_a_prompt_day_is_asked_at_the_standard_price(environment: Environment) -> None:
    """No batch is made, whatever LLM_ECONOMY allows."""
    day = run(environment, "prompt")
    assert TASKS == day.answers
    assert day.billed_usd == day.charged_usd
    assert Decimal(0) == day.saved_percent


@pytest.mark.ci
def test_a_punctual_day_costs_half(environment: Environment) -> None:
    """Batches end within the wait: the ledger equals the bill, and half of the standard price is saved."""
    day = run(environment, "punctual", ends_after=2)
    assert TASKS == day.answers
    assert day.billed_usd == day.charged_usd
    assert 50 == round(day.saved_percent)


@pytest.mark.ci
def test_a_punctual_day_that_is_late_costs_more(environment: Environment) -> None:
    """Half of the batches has run when they are cancelled; the rest is asked at the standard price: all is answered."""
    run(environment, "punctual", ends_after=0)  # the first day proves the batches
    environment.db.execute("DELETE FROM llm_monitoring_results")
    before = environment.billed()
    late = run(environment, "punctual", ends_after=None)
    assert TASKS == late.answers
    assert late.billed_usd == late.charged_usd
    assert before / 2 < late.billed_usd - before < 2 * before


@pytest.mark.ci
def test_a_patient_day_is_finished_by_the_next_start(environment: Environment) -> None:
    """The run leaves its batches out, and the next start collects all of them at half the price."""
    run(environment, "punctual", ends_after=0)
    environment.db.execute("DELETE FROM llm_monitoring_results")
    before = environment.billed()
    day = run(environment, "patient", (DAY, NEXT_DAY), ends_after=None)
    assert TASKS == day.answers
    assert day.billed_usd == day.charged_usd
    assert day.billed_usd > before
    assert 50 == round(day.saved_percent)


@pytest.mark.ci
def test_two_starts_at_once_ask_each_task_once(environment: Environment) -> None:
    """One gets the day; the other ends well and asks nothing. No request of a batch is billed twice."""
    starts = [environment.start("--date", DAY.isoformat(), extra=ECONOMY) for _ in range(2)]
    assert [0, 0] == [environment.finish(each)[0] for each in starts], environment.output
    billed = Counter(charge.custom_id for charge in environment.server.bill.lines)
    assert TASKS == len(billed)
    assert {1} == set(billed.values())
    assert TASKS == environment.count("llm_monitoring_results")
    assert environment.billed() == environment.charged()
