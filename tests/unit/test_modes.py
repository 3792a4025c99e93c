"""What a call costs in each mode: half the price of tokens at most, never of fees, and never less than is billed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from llm_monitoring.cli.budget.cost_exports import model
from llm_monitoring.domain import MODES, Mode, Usage
from llm_monitoring.errors import Invalid
from llm_monitoring.providers import Question
from llm_monitoring.registry import (
    DatedPrice,
    NotCallable,
    Price,
    Prices,
    PriceUpdate,
    Rates,
    Tariff,
    Unpriced,
    ceiling,
    cost,
    dearest,
    price_changes,
    read_rates,
    write_rates,
)
from llm_monitoring.registry.admin import check_update
from llm_monitoring.registry.discounts import discounts_cached
from llm_monitoring.registry.premiums import Premium
from tests.registry_rows import registry_entry

HALF = Decimal("0.5")
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
TERRA = Price(
    (Rates(0, Decimal(1), Decimal(5), Decimal("0.05"), Decimal("1.25")),
     Rates(272_000, Decimal(2), Decimal("7.5"), Decimal("0.1"), Decimal("2.5"))),
    Decimal("0.01"), Decimal("0.001"), Decimal(2), batch_factor=HALF, flex_factor=HALF, discounts_cached=True,
)  # fmt: skip
FLASH = replace(TERRA, discounts_cached=False)
USED = Usage(1_000, 500, searches=2)


@pytest.mark.parametrize(
    ("price", "used", "mode", "usd"),
    [
        (TERRA, USED, "standard", "0.0245"),
        (TERRA, USED, "batch", "0.02275"),
        (TERRA, replace(USED, service_tier="flex"), "flex", "0.02275"),
        (TERRA, replace(USED, service_tier="Flex"), "flex", "0.02275"),
        # the tier that was served decides: the plain one, none at all, a dearer one, one that was not asked for
        (TERRA, USED, "flex", "0.0245"),
        (TERRA, replace(USED, service_tier="default"), "flex", "0.0245"),
        (TERRA, replace(USED, service_tier="batch"), "flex", "0.0245"),
        (TERRA, replace(USED, service_tier="flex"), "standard", "0.0245"),
        (TERRA, replace(USED, service_tier="priority"), "flex", "0.028"),
        (TERRA, replace(USED, service_tier="priority"), "batch", "0.028"),
        # input from the cache, halved as well or not
        (TERRA, Usage(1_000, 500, cached_tokens=800, service_tier="flex"), "flex", "0.00237"),
        (FLASH, Usage(1_000, 500, cached_tokens=800, service_tier="flex"), "flex", "0.00239"),
        (FLASH, Usage(1_000, 500, cached_tokens=800, service_tier="priority"), "flex", "0.00648"),
        # mode times tier of long prompts times regional premium
        (replace(TERRA, least_premium=Decimal("1.1")), Usage(300_000, 1_000, service_tier="flex"), "flex", "0.335125"),
        # without a factor, the standard price
        (replace(TERRA, flex_factor=None), replace(USED, service_tier="flex"), "flex", "0.0245"),
        (replace(TERRA, batch_factor=None), USED, "batch", "0.0245"),
        # the provider's own bill wins in every mode
        (TERRA, Usage(1_000, 500, cost_usd=Decimal("0.7"), service_tier="flex"), "flex", "0.7"),
    ],
)
def test_a_mode_has_its_price(price: Price, used: Usage, mode: Mode, usd: str) -> None:
    """The factor holds for tokens in the tier that the reply names; searches and requests cost the same."""
    assert Decimal(usd) == cost(price, used, mode)


def test_an_unknown_tier_of_a_flex_reply_is_not_guessed() -> None:
    """A tier without a price has none in flex either, so that the ceiling is charged."""
    with pytest.raises(Unpriced):
        cost(TERRA, replace(USED, service_tier="scale"), "flex")


@pytest.mark.parametrize("price", [TERRA, FLASH])
def test_a_flex_call_is_reserved_at_the_standard_price(price: Price) -> None:
    """Another tier may be served than was asked for, so that half the price would not cover the call."""
    question = Question("¿Qué programa conviene?", "m", 600, max_searches=2)
    assert ceiling(price, question) == ceiling(price, replace(question, mode="flex"))


def test_a_batch_is_reserved_at_its_own_price() -> None:
    """Tokens at the factor, searches and requests in full."""
    question = Question("¿Qué programa conviene?", "m", 600, max_searches=2)
    fees = 2 * Decimal("0.01") + Decimal("0.001")
    standard, batch = ceiling(TERRA, question), ceiling(TERRA, replace(question, mode="batch"))
    assert (standard - fees) / 2 == batch - fees


def test_the_ceiling_of_a_batch_covers_a_cache_that_is_not_discounted() -> None:
    """If cached input costs the standard price in a batch, and more than half of other input, that is the ceiling."""
    dear_cache = replace(FLASH, tiers=(Rates(0, Decimal(1), Decimal(5), Decimal("0.9"), Decimal(1)),))
    question = Question("x" * 1_000, "m", 16, mode="batch")
    assert cost(dear_cache, Usage(1_000, 16, cached_tokens=1_000), "batch") <= ceiling(dear_cache, question)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "standard"])
def test_a_model_without_a_factor_is_not_callable_in_that_mode(mode: Mode) -> None:
    """It is refused before anything is reserved, with the mode as a fact; in standard mode it is called."""
    price = replace(TERRA, batch_factor=None, flex_factor=None)
    tariff = Tariff(Prices((DatedPrice(date.min, "registry", price),)), Premium())
    assert tariff.quote(Question("?", "m", 16), NOW).mode == "standard"
    with pytest.raises(NotCallable) as refused:
        tariff.quote(Question("?", "m", 16, mode=mode), NOW)
    assert refused.value.code == "mode_not_sold"


def test_a_price_that_ends_a_mode_within_minutes_ends_it_now() -> None:
    """The call might be sent after midnight, when the model is not sold in that mode any more."""
    later = DatedPrice(date(2026, 12, 2), "admin", replace(TERRA, flex_factor=None))
    tariff = Tariff(Prices((DatedPrice(date.min, "registry", TERRA), later)), Premium())
    question = Question("?", "m", 16, mode="flex")
    assert tariff.quote(question, NOW).mode == "flex"
    with pytest.raises(NotCallable):
        tariff.quote(question, NOW.replace(hour=23, minute=50))


def test_the_dearest_of_two_prices_has_the_dearer_factor() -> None:
    """And none if one of the two is not sold in the mode, which is the standard price."""
    other = replace(TERRA, batch_factor=Decimal("0.7"), flex_factor=None)
    both = dearest(TERRA, other)
    assert both.batch_factor == Decimal("0.7")
    assert both.flex_factor is None


def test_a_known_rise_keeps_the_modes_of_the_decision_before_it() -> None:
    """A price list that does not speak of modes does not end them; one that does, counts if it is dearer."""
    silent = DatedPrice(date(2026, 12, 1), "library", replace(FLASH, flex_factor=None, batch_factor=Decimal("0.6")))
    price = Prices((DatedPrice(date.min, "registry", FLASH),), (silent,)).on(date(2026, 12, 1))
    assert price.flex_factor == HALF
    assert price.batch_factor == Decimal("0.6")


def test_a_change_of_a_factor_is_a_change_of_price() -> None:
    """It is announced like one; a mode that ends counts as a rise, one that begins does not."""
    ends = DatedPrice(date(2026, 12, 9), "admin", replace(TERRA, flex_factor=None))
    (change,) = price_changes(Prices((DatedPrice(date.min, "registry", TERRA), ends)), NOW.date())
    assert [(part.name, part.before, part.after) for part in change.parts] == [("flex_factor", HALF, None)]
    assert change.is_rise
    begins = DatedPrice(date(2026, 12, 9), "admin", TERRA)
    (change,) = price_changes(Prices((DatedPrice(date.min, "registry", ends.price), begins)), NOW.date())
    assert not change.is_rise


def test_rates_keep_the_factors() -> None:
    """An attempt is settled by the factors that it was admitted with; one of an older release has none."""
    assert TERRA == read_rates(json.loads(write_rates(TERRA)))
    old = {
        key: value
        for key, value in json.loads(write_rates(TERRA)).items()
        if key not in ("batch_factor", "flex_factor", "discounts_cached")
    }
    assert read_rates(old).factor("flex") is None


@pytest.mark.parametrize(
    ("provider", "model_id", "discounted"),
    [
        ("openai", "gpt-6.1-terra", True),
        ("openai", "gpt-5-mini-2025-08-07", True),
        ("openai", "openai/gpt-5.4", True),
        ("openai", "gpt-10", True),
        ("openai", "gpt-4.1-mini", False),
        ("openai", "gpt-4o", False),
        ("openai", "o3", False),
        ("openai", "gpt-3.5-turbo", False),
        ("google", "gemini-3.8-flash", False),
        ("anthropic", "claude-sonnet-5-5", True),
        ("perplexity", "perplexity/sonar", False),
    ],
)
def test_the_cache_is_discounted_only_where_it_is_known(provider: str, model_id: str, discounted: bool) -> None:
    """Everything else costs what it costs in standard mode."""
    assert discounted is discounts_cached(provider, model_id)  # type: ignore[arg-type]


@pytest.mark.parametrize("factor", ["0", "-0.5", "1.1", "NaN"])
def test_a_registry_row_with_an_impossible_factor_is_not_callable(factor: str) -> None:
    """Whatever a host has written there, no call is made for nothing."""
    with pytest.raises(NotCallable):
        registry_entry(flex_factor=Decimal(factor)).read_price()


@pytest.mark.parametrize(
    "update",
    [
        PriceUpdate(flex_factor=Decimal(0)),
        PriceUpdate(batch_factor=Decimal("-0.5")),
        PriceUpdate(batch_factor=Decimal("1.0000000001")),
        PriceUpdate(flex_factor=Decimal("NaN")),
        PriceUpdate(flex_factor=HALF, not_sold=frozenset({"flex_factor"})),
    ],
)
def test_an_admin_enters_no_impossible_factor(update: PriceUpdate) -> None:
    """A factor is above 0 and at most 1."""
    with pytest.raises(Invalid):
        check_update(update)


@pytest.mark.parametrize(
    ("line", "model_id"),
    [
        ("gpt-6.1-terra-2026-10-01 flex, input", "gpt-6.1-terra"),
        ("gpt-6.1-terra (Batch API), output", "gpt-6.1-terra"),
        ("models/gemini-3.8-flash flex tier", "gemini-3.8-flash"),
        ("claude-sonnet-5-5-batch", "claude-sonnet-5-5"),
        ("gemini-3.8-flash, input", "gemini-3.8-flash"),
    ],
)
def test_an_export_line_of_a_mode_is_of_its_model(line: str, model_id: str) -> None:
    """Reconciliation compares all modes of a model at once, as the ledger sums them."""
    assert model_id == model(line)
