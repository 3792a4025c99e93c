"""The log lines on new models: each of a few, of many the notable ones."""

from __future__ import annotations

from decimal import Decimal

import pytest

from llm_monitoring.jobs import weekly_log
from llm_monitoring.model_review.findings import NewModel
from llm_monitoring.model_review.suggested_prices import SuggestedPrice
from llm_monitoring.providers import ModelInfo
from llm_monitoring.registry import PriceEntry


def new(number: int, *, priced: bool) -> NewModel:
    suggestion = SuggestedPrice(PriceEntry(Decimal(1), Decimal(2)), "library") if priced else None
    return NewModel(ModelInfo(f"m-{number:02}", ""), suggestion)


@pytest.mark.parametrize(("models", "lines"), [(1, 3), (10, 21), (13, 12), (89, 12)])
def test_many_new_models_are_a_short_block(models: int, lines: int, caplog: pytest.LogCaptureFixture) -> None:
    """Ten are named one by one; of more there are five, how many more, and the command that lists them."""
    caplog.set_level("INFO")
    weekly_log.new_models(
        "google", [new(number, priced=number == models - 1) for number in range(models)], dry_run=False
    )
    assert lines == len(caplog.messages)
    assert f"🆕 GOOGLE: {models} modelo(s) nuevo(s):" == caplog.messages[0]
    assert f"      ✅ Insertado: google/m-{models - 1:02}" in caplog.messages  # the one with a price is always named
