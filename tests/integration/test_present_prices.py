"""Prices that are entered while a run asks: they are reserved and charged from the next minute on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

import pytest

from llm_monitoring import registry
from llm_monitoring.db.database import Database
from llm_monitoring.keys.clients import Clients
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.providers import Question
from llm_monitoring.registry import Model, NotCallable
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.present_prices import SECONDS
from llm_monitoring.settings.fields import load_settings

QUESTION = Question("x" * 100, "gpt-6.1-terra", 500)
ENTER = "UPDATE llm_model_registry SET {} WHERE model_id = 'gpt-6.1-terra'"


@pytest.fixture
def executor(db: Database) -> Iterator[TaskExecutor]:
    settings = load_settings({}, dotenv=False)
    with closing(Clients(KeyStore(db, None, {}), settings)) as clients:
        made = TaskExecutor(Budget(db), clients, registry.read_catalogue(db), {}, settings, None)
        made.prices.clock = lambda: 0.0
        yield made


@pytest.fixture
def terra(executor: TaskExecutor) -> Model:
    found = executor.catalogue.current("openai")
    assert found is not None
    return found


def test_a_price_that_is_entered_during_a_run_counts(executor: TaskExecutor, terra: Model) -> None:
    """The ceiling and the price of the next calls are those of now, though the run's plan has the former ones."""
    before = executor.quote(terra, QUESTION)
    executor.budget.db.execute(ENTER.format("cost_per_1m_output_tokens = 50"))
    assert before == executor.quote(terra, QUESTION)
    executor.prices.clock = lambda: SECONDS
    quoted = executor.quote(terra, QUESTION)
    assert Decimal(50) == quoted.price.tiers[0].output
    assert before.ceiling_usd < quoted.ceiling_usd
    assert Decimal(50) == executor.tariff(terra).at(executor.budget.clock()).tiers[0].output


@pytest.mark.parametrize(
    "change", ["cost_per_1m_output_tokens = 0, is_current = FALSE, is_available = FALSE", "model_id = 'x'"]
)
def test_a_model_that_loses_its_price_during_a_run_is_not_called(
    executor: TaskExecutor, terra: Model, change: str
) -> None:
    """Without a price there is no call, and no call goes by the former one."""
    executor.quote(terra, QUESTION)
    executor.budget.db.execute(ENTER.format(change))
    executor.prices.clock = lambda: SECONDS
    with pytest.raises(NotCallable):
        executor.quote(terra, QUESTION)
