"""The suggested prices of the offline price list."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import llm_monitoring
from llm_monitoring.domain import ProviderName
from llm_monitoring.model_review.suggested_prices import suggest

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PRICES = json.loads((Path(llm_monitoring.__file__).parent / "demo" / "prices.json").read_text("utf-8"))["providers"]
MODELS = [(provider, model) for provider, entry in PRICES.items() for model in entry["models"]]
UNITS = {"input": "input_mtok", "output": "output_mtok", "cached": "cache_read_mtok", "cache_write": "cache_write_mtok"}


def split(price: Any) -> tuple[Decimal | None, dict[int, Decimal]]:
    """A price as read from a page: its base and its tiers."""
    if not isinstance(price, dict):
        return (None if price is None else Decimal(str(price))), {}
    return Decimal(str(price["base"])), {tier["start"]: Decimal(str(tier["price"])) for tier in price["tiers"]}


@pytest.mark.parametrize(
    ("provider", "model"), MODELS, ids=lambda each: each if isinstance(each, str) else each["model_id"]
)
def test_known_prices(provider: ProviderName, model: dict[str, Any]) -> None:
    """Base prices, tiers and search fees are those that were read from the list by other means."""
    found = suggest(provider, model["model_id"], NOW)
    assert found is not None
    read = {name: split(model["prices"].get(unit)) for name, unit in UNITS.items()}
    assert {name: base for name, (base, _) in read.items()} == {name: found.price.amount(name) for name in UNITS}
    assert split(model["prices"].get("web_searches_kcount"))[0] == found.price.searches
    tiers = {(start, name): price for name, (_, steps) in read.items() for start, price in steps.items()}
    assert tiers == {
        (tier["above_input_tokens"], name): Decimal(str(tier[name]))
        for tier in found.price.tiers
        for name in UNITS
        if name in tier
    }
    assert found.source == f"genai-prices 0.2.3: {provider} {model['model_id']}"


@pytest.mark.parametrize("model_id", ["gpt-6.2-sol", "gpt-6.2-astra-2026-11-11", "", "no such model"])
def test_unknown_model(model_id: str) -> None:
    """An unknown model has no suggestion, not one of zero."""
    assert suggest("openai", model_id, NOW) is None


def test_dated_snapshot() -> None:
    """A dated model is suggested its family's prices, and the source says which model they are of."""
    found = suggest("anthropic", "claude-haiku-4-5-20251001", NOW)
    assert found is not None
    assert Decimal(1) == found.price.input
    assert Decimal(5) == found.price.output
    assert "genai-prices 0.2.3: anthropic claude-haiku-4-5" == found.source


HALF = Decimal("0.5")


@pytest.mark.parametrize(
    ("provider", "model_id", "day", "factors"),
    [
        ("openai", "gpt-6.1-terra", NOW, (HALF, HALF)),
        ("openai", "gpt-4.1-mini", NOW, (HALF, None)),
        ("openai", "gpt-5.3-codex", NOW, (None, None)),
        ("anthropic", "claude-haiku-5-5", NOW, (HALF, None)),
        ("google", "gemini-3.8-flash", NOW, (HALF, None)),
        ("google", "gemini-3.8-flash", datetime(2027, 1, 1, tzinfo=UTC), (HALF, None)),
        ("perplexity", "perplexity/sonar", NOW, (None, None)),
    ],
)
def test_a_mode_is_suggested_only_if_the_list_has_it(
    provider: ProviderName, model_id: str, day: datetime, factors: tuple[Decimal | None, ...]
) -> None:
    """Against the standard price of the same day; what the list returns for an unknown mode is no suggestion."""
    found = suggest(provider, model_id, day)
    assert found is not None
    batch, flex = factors
    assert batch == found.price.batch_factor
    assert flex == found.price.flex_factor
