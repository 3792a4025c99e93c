"""What calls cost, and what they can cost at most."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_monitoring.domain import Mode, Usage
from llm_monitoring.providers import Question
from llm_monitoring.registry import (
    Catalogue,
    Model,
    NotCallable,
    Price,
    Prices,
    Rates,
    ceiling,
    cost,
)
from tests.registry_rows import registry_entry

DAY = date(2026, 11, 28)
COLUMNS = {
    "cost_per_1m_input_tokens": Decimal("1.0"),
    "cost_per_1m_output_tokens": Decimal("5.0"),
    "cost_per_1m_cached_input_tokens": Decimal("0.05"),
    "cost_per_1m_cache_write_tokens": Decimal("1.25"),
    "cost_per_1k_searches": Decimal(10),
    "price_tiers": [{"above_input_tokens": 272000, "input": "2.0", "output": "7.5", "cached": "0.1"}],
}


def price(**changes: object) -> Price:
    found = registry_entry("m", **(COLUMNS | changes)).read_price()
    assert found is not None
    return found


def prices(**changes: object) -> Prices:
    found = registry_entry("m", **(COLUMNS | changes)).read_prices()
    assert found is not None
    return found


def model(**changes: object) -> Model:
    fields = {"provider": "openai", "model_id": "m", "display_name": "M", "is_current": True, "prices": prices(),
              "max_output_tokens": None, "reasoning_effort": None, "max_searches_per_call": None}  # fmt: skip
    return Model(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (Usage(1000, 500), "0.0035"),
        (Usage(1000, 500, cached_tokens=400), "0.00312"),
        (Usage(1000, 500, cached_tokens=400, cache_write_tokens=100), "0.003145"),
        (Usage(1000, 500, reasoning_tokens=300), "0.0035"),
        (Usage(1000, 500, searches=3), "0.0335"),
        (Usage(272000, 0), "0.272"),
        (Usage(272001, 0), "0.544002"),
        (Usage(272001, 1000), "0.551502"),
        (Usage(1, 0), "0.000001"),
        (Usage(1000, 500, cost_usd=Decimal("0.01234567891")), "0.0123456790"),
        (Usage(1000, 500, cost_usd=Decimal(0)), "0.0035"),
    ],
)
def test_a_call_costs_its_usage_to_the_last_digit(usage: Usage, usd: str) -> None:
    """Cached, written, reasoning tokens, searches, tier edges and the provider's own bill, by hand."""
    assert cost(price(), usage) == Decimal(usd)


@pytest.mark.parametrize(("mode", "usd"), [("standard", "0.0065"), ("batch", "0.00475")])
def test_a_call_costs_its_request_fee_in_every_mode(mode: Mode, usd: str) -> None:
    """A fee for each request is charged in full, also if tokens cost half."""
    charged = price(cost_per_request=Decimal("0.003"), batch_factor=Decimal("0.5"))
    assert Decimal(usd) == cost(charged, Usage(1000, 500), mode)


def test_a_call_in_a_region_costs_its_premium_on_tokens() -> None:
    """A reply that names its region is charged the provider's premium on tokens, not on searches."""
    usage = Usage(1000, 500, searches=3, regional=True)
    assert cost(replace(price(), most_premium=Decimal("1.1")), usage) == Decimal("0.03385")


def test_rates_that_a_row_leaves_out_fall_back_to_the_dearer_side() -> None:
    """Without a cached or cache-write price those tokens cost what input costs, never nothing."""
    plain = price(cost_per_1m_cached_input_tokens=None, cost_per_1m_cache_write_tokens=None)
    assert cost(plain, Usage(1000, 0, cached_tokens=500, cache_write_tokens=500)) == Decimal("0.001")
    assert price().tiers[1] == Rates(272000, Decimal("2.0"), Decimal("7.5"), Decimal("0.1"), Decimal("2.0"))


@pytest.mark.parametrize("missing", ["cost_per_1m_input_tokens", "cost_per_1m_output_tokens"])
@pytest.mark.parametrize("value", [None, Decimal(0)])
def test_a_model_without_a_price_cannot_be_called(missing: str, value: Decimal | None) -> None:
    """No price or a zero price is no price."""
    unpriced = model(prices=registry_entry("m", **(COLUMNS | {missing: value})).read_prices())
    with pytest.raises(NotCallable, match="no price above zero"):
        unpriced.tariff(None)


@pytest.mark.parametrize(
    "changes",
    [
        {"price_tiers": [{"above_input_tokens": 5, "input": 0, "output": "7.5"}]},
        {"price_tiers": [{"above_input_tokens": 5, "output": 0}]},
        {"price_tiers": [{"above_input_tokens": 5, "input": -1}]},
        {"price_tiers": [{"above_input_tokens": 5, "cached": "-0.1"}]},
        {"price_tiers": [{"above_input_tokens": 5, "input": "NaN"}]},
        {"price_tiers": [{"above_input_tokens": 0, "input": "0.1"}]},
        {"price_tiers": [{"above_input_tokens": -1, "input": "0.1"}]},
        {"price_tiers": [{"above_input_tokens": None, "input": "2"}]},
        {"price_tiers": [{"input": "2"}]},
        {"price_tiers": [5]},
        {"price_tiers": {"a": 1}},
        {"price_tiers": None},
        {"cost_per_1m_output_tokens": Decimal(-5)},
        {"cost_per_1m_cached_input_tokens": Decimal(-5)},
        {"cost_per_1k_searches": Decimal(-5)},
        {"cost_per_request": Decimal(-1)},
        {"cost_per_request": Decimal("NaN")},
    ],
)
def test_a_price_that_is_none_makes_no_call_free(changes: dict[str, object]) -> None:
    """A tier or a fee of zero, below zero or of no number is refused with the model's name, not charged."""
    with pytest.raises(NotCallable, match="openai/m has"):
        price(**changes)


@pytest.mark.parametrize(
    ("changes", "web_search", "searches"),
    [
        ({}, False, 0),
        ({}, True, 3),
        ({"max_searches_per_call": 2}, True, 2),
        ({"provider": "google", "max_searches_per_call": 4}, True, 4),
        ({"provider": "perplexity", "max_searches_per_call": 5}, False, 5),
    ],
)
def test_searches_are_capped(changes: dict[str, object], web_search: bool, searches: int) -> None:
    """A call's searches are what the provider or the registry caps; Perplexity always searches."""
    assert model(**changes).searches(web_search, 3) == searches


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"provider": "google"}, "no cap on its fees"),
        ({"provider": "perplexity"}, "no cap on its fees"),
        ({"prices": prices(cost_per_1k_searches=None)}, "no price"),
    ],
)
def test_a_search_without_cap_or_price_is_refused(changes: dict[str, object], words: str) -> None:
    """A search fee without a bound, or an unknown one, makes the model uncallable."""
    with pytest.raises(NotCallable, match=words):
        model(**changes).searches(True, 3)


@given(
    prompt=st.text(max_size=300),
    max_output=st.integers(16, 4000),
    searches=st.integers(0, 5),
    request_fee=st.decimals(0, 1, places=4),
    shares=st.tuples(*[st.floats(0, 1)] * 4),
    dearer=st.sampled_from(["cost_per_1m_cached_input_tokens", "cost_per_1m_cache_write_tokens"]),
    regional=st.booleans(),
)
def test_no_call_costs_more_than_its_ceiling(
    prompt: str,
    max_output: int,
    searches: int,
    request_fee: Decimal,
    shares: tuple[float, ...],
    dearer: str,
    regional: bool,
) -> None:
    """Whatever a call uses within what it was allowed, its cost stays at or below the ceiling."""
    asked = Question(prompt, "m", max_output, web_search=searches > 0, max_searches=searches)
    own = replace(price(cost_per_request=request_fee, **{dearer: Decimal(9)}), most_premium=Decimal("1.1"))
    grown = (searches + 1) * len(prompt.encode()) + 18_000 * searches * (searches + 3) // 2
    used = int(shares[0] * grown)
    cached = int(shares[1] * used)
    written = int(shares[3] * (used - cached))
    usage = Usage(used, int(shares[2] * max_output), cached, written, searches=searches, regional=regional)
    assert cost(own, usage) <= ceiling(own, asked)


@pytest.mark.parametrize(
    "used",
    [
        pytest.param(Usage(32_756, 593, searches=1), id="Claude, whose second search was refused"),
        pytest.param(Usage(19_523, 110, cache_write_tokens=17_269, searches=1), id="Claude"),
        pytest.param(Usage(17_508, 201, searches=1), id="GPT"),
        pytest.param(Usage(18_480, 2_209, searches=1), id="Gemini"),
    ],
)
def test_a_recorded_search_costs_no_more_than_its_ceiling(used: Usage) -> None:
    """Replies to a short prompt with one search allowed, of a model to which all input costs the same."""
    own = price(cost_per_1m_cache_write_tokens=Decimal(1), price_tiers=[])
    asked = Question("How do I update an app?", "m", used.output_tokens, web_search=True, max_searches=1)
    assert cost(own, used) <= ceiling(own, asked)


def test_the_judge_is_the_cheapest_that_need_not_search() -> None:
    """Sentiment goes to the cheapest approved and priced model of the given providers, never to Perplexity."""
    cheap = model(provider="google", model_id="cheap", prices=prices(cost_per_1m_input_tokens=Decimal("0.1")))
    free = model(provider="openai", model_id="free", prices=None)
    searcher = model(provider="perplexity", prices=prices(cost_per_1m_input_tokens=Decimal("0.01")))
    catalogue = Catalogue((model(), cheap, free, searcher))
    assert catalogue.judge(frozenset({"openai", "google", "perplexity"}), DAY) == cheap
    assert catalogue.judge(frozenset({"openai"}), DAY) == model()
    assert catalogue.judge(frozenset({"perplexity"}), DAY) is None
