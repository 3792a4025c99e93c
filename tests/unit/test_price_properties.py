"""Whatever a call uses within its question, and whenever it goes out, it costs no more than what was reserved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_monitoring.domain import MODES, Usage
from llm_monitoring.providers import Question
from llm_monitoring.registry import (
    DatedPrice,
    NotCallable,
    Price,
    Prices,
    Rates,
    Tariff,
    Unpriced,
    cost,
    dearest,
    read_rates,
)
from llm_monitoring.registry.premiums import Premium, premium
from llm_monitoring.registry.pricing import write_rates
from llm_monitoring.registry.served import is_same_model

START = date(2026, 12, 1)
AMOUNTS = st.decimals("0.01", "90", places=4)
SHARES = st.floats(0, 1)


@st.composite
def rates(draw: st.DrawFn, above: int) -> Rates:
    """Rates of any shape: a cache may cost more than input, and a tier less than the one below it."""
    hour = draw(st.none() | AMOUNTS)
    return Rates(above, draw(AMOUNTS), draw(AMOUNTS), draw(AMOUNTS), draw(AMOUNTS), hour)


@st.composite
def any_price(draw: st.DrawFn) -> Price:
    starts = draw(st.sets(st.integers(1, 40_000), max_size=2))
    tiers = (draw(rates(0)), *(draw(rates(start)) for start in sorted(starts)))
    factors = st.none() | st.decimals("0.1", "1", places=3)
    return Price(
        tiers,
        draw(AMOUNTS) / 1000,
        draw(AMOUNTS) / 1000,
        batch_factor=draw(factors),
        flex_factor=draw(factors),
    )


@st.composite
def any_prices(draw: st.DrawFn) -> Prices:
    """Up to two decisions and two known rises within some days."""
    days = st.integers(0, 6)
    decided = [DatedPrice(date.min, "registry", draw(any_price()))]
    decided += [DatedPrice(START + timedelta(draw(days)), "admin", draw(any_price())) for _ in range(draw(days) % 2)]
    known = [DatedPrice(START + timedelta(draw(days)), "library", draw(any_price())) for _ in range(draw(days) % 3)]
    return Prices(tuple(decided), tuple(sorted(known, key=lambda each: each.valid_from)))


@st.composite
def questions(draw: st.DrawFn) -> Question:
    searches, mode = draw(st.integers(0, 4)), draw(st.sampled_from(MODES))
    return Question(draw(st.text(max_size=200)), "m", draw(st.integers(16, 3000)), max_searches=searches, mode=mode)


def usage(question: Question, shares: tuple[float, ...], *, regional: bool, tier: str = "") -> Usage:
    """What the shares make of the most that the question can use."""
    searches = question.max_searches
    most = (searches + 1) * len(question.prompt.encode()) + 18_000 * searches * (searches + 3) // 2
    used = int(shares[0] * most)
    cached = int(shares[1] * used)
    written = int(shares[2] * (used - cached))
    return Usage(
        input_tokens=used,
        output_tokens=int(shares[3] * question.max_output_tokens),
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=int(shares[4] * written),
        searches=searches,
        service_tier=tier,
        regional=regional,
    )


REGIONAL = Premium(Decimal("1.1"), Decimal("1.1"))
AROUND_MIDNIGHT = st.tuples(st.integers(-1, 7), st.integers(-900, 60), st.integers(0, 900))


@pytest.mark.parametrize("examples", [60, pytest.param(600, marks=pytest.mark.ci)])
def test_no_call_costs_more_than_its_ceiling_whenever_it_is_sent(examples: int) -> None:
    """In every mode, on every tier, premium and day, with a midnight between reserving and sending or without one."""
    holds = given(any_prices(), questions(), st.tuples(*[SHARES] * 5), st.booleans(), AROUND_MIDNIGHT)(
        costs_no_more_than_its_ceiling
    )
    settings(max_examples=examples)(holds)()


def costs_no_more_than_its_ceiling(
    prices: Prices, question: Question, shares: tuple[float, ...], regional: bool, moment: tuple[int, int, int]
) -> None:
    tariff = Tariff(prices, REGIONAL if shares[0] < 0.5 else Premium(most=Decimal("1.1")), shares[1] < 0.5)
    day, second, later = moment
    reserved = datetime(2026, 12, 1, tzinfo=UTC) + timedelta(days=day, seconds=second)
    try:
        quote = tariff.quote(question, reserved)
    except NotCallable:
        assert question.mode != "standard"
        return
    charged_by = dearest(quote.price, tariff.at(reserved + timedelta(seconds=later)))
    try:
        used = usage(question, shares, regional=regional, tier=question.mode if shares[2] < 0.5 else "")
        charge = cost(charged_by, used, question.mode)
        assert charge <= cost(charged_by, used)
    except Unpriced:
        charge = quote.ceiling_usd
    assert charge <= quote.ceiling_usd


@given(any_prices(), questions(), st.tuples(*[SHARES] * 5), st.decimals("0", "5", places=4))
def test_fees_of_tools_that_were_not_offered_are_charged_in_full(
    prices: Prices, question: Question, shares: tuple[float, ...], fees: Decimal
) -> None:
    """The charge is above the ceiling by no more than these fees, and by all of them above the same call without."""
    quote = Tariff(prices, REGIONAL).quote(replace(question, mode="standard"), datetime(2026, 12, 1, tzinfo=UTC))
    plain = replace(usage(question, shares, regional=False), cache_write_1h_tokens=0)
    charge = cost(quote.price, replace(plain, fees_usd=fees))
    assert cost(quote.price, plain) + fees == charge <= quote.ceiling_usd + fees


@given(any_price(), any_price(), questions(), st.tuples(*[SHARES] * 5), st.booleans())
def test_the_dearest_of_two_prices_is_below_neither(
    first: Price, second: Price, question: Question, shares: tuple[float, ...], regional: bool
) -> None:
    """No usage costs more by one of two prices than by the dearest of both."""
    whole, mode = dearest(first, second), question.mode
    used = replace(usage(question, shares, regional=regional, tier=mode), cache_write_1h_tokens=0)
    assert max(cost(first, used, mode), cost(second, used, mode)) <= cost(whole, used, mode)


@given(any_price())
def test_rates_are_kept_to_the_last_digit(price: Price) -> None:
    """An attempt's stored rates are the price that they were written from."""
    import json

    assert price == read_rates(json.loads(write_rates(price)))


@given(any_prices(), st.integers(-3, 9))
def test_a_known_rise_counts_until_a_decision_follows_it(prices: Prices, days: int) -> None:
    """A known price counts from its day on, and no more from the day of the next decision on."""
    day = START + timedelta(days)
    rise = prices.rise(day)
    begun = [each for each in prices.known if prices.decision(day).valid_from < each.valid_from <= day]
    assert (begun[-1] if begun else None) == rise


SONNET = Price((Rates(0, Decimal(2), Decimal(10), Decimal("0.1"), Decimal("2.5"), Decimal(4)),), None, Decimal(0))
TERRA = Price((Rates(0, Decimal(1), Decimal(5), Decimal("0.05"), Decimal("1.25")),), None, Decimal(0), Decimal(2))


@pytest.mark.parametrize(
    ("price", "used", "usd"),
    [
        (SONNET, Usage(10_100, 100, cache_write_tokens=10_000, cache_write_1h_tokens=10_000), "0.0412"),
        (SONNET, Usage(10_100, 100, cache_write_tokens=10_000, cache_write_1h_tokens=4_000), "0.0322"),
        (SONNET, Usage(10_100, 100, cache_write_tokens=10_000), "0.0262"),
        (SONNET, Usage(50_100, 1_000), "0.1102"),
        (TERRA, Usage(1_000, 500, service_tier="priority"), "0.007"),
        (TERRA, Usage(1_000, 500, service_tier="fast"), "0.007"),
        (TERRA, Usage(1_000, 500, service_tier="default"), "0.0035"),
        (TERRA, Usage(1_000, 500, service_tier="flex"), "0.0035"),
        (TERRA, Usage(1_000, 500, service_tier="batch"), "0.0035"),
    ],
)
def test_what_a_reply_names_is_priced(price: Price, used: Usage, usd: str) -> None:
    """Cache entries of an hour and the priority tier at their own price; a cheaper tier at the standard one."""
    assert Decimal(usd) == cost(price, used)


@pytest.mark.parametrize(
    ("price", "used"),
    [
        (SONNET, Usage(1_000, 500, service_tier="priority")),
        (TERRA, Usage(1_000, 500, service_tier="scale")),
        (TERRA, Usage(1_000, 500, cache_write_tokens=10, cache_write_1h_tokens=10)),
    ],
)
def test_what_has_no_price_is_not_guessed(price: Price, used: Usage) -> None:
    """A tier or a cache entry without a price cannot be priced, so that its ceiling is charged."""
    with pytest.raises(Unpriced):
        cost(price, used)


@pytest.mark.parametrize(
    ("model_id", "host", "factor"),
    [
        ("gpt-6.1-terra", "https://eu.api.openai.com/v1", "1.1"),
        ("gpt-5.5", "https://jp.api.openai.com/v1", "1.1"),
        ("gpt-5.4-mini", "https://au.api.openai.com/v1", "1.1"),
        ("gpt-9", "https://xx.api.openai.com/v1", "1.1"),
        ("gpt-5.4-2026-03-05", "https://eu.api.openai.com/v1", "1.1"),
        ("gpt-5.3-2026-03-04", "https://eu.api.openai.com/v1", "1"),
        ("gpt-5-mini", "https://eu.api.openai.com/v1", "1"),
        ("gpt-4o", "https://eu.api.openai.com/v1", "1"),
        ("gpt-4.1-mini", "https://eu.api.openai.com/v1", "1"),
        ("o3", "https://eu.api.openai.com/v1", "1"),
        ("gpt-6.1-terra", "https://api.openai.com/v1", "1"),
        ("gpt-6.1-terra", "https://gateway.example/eu.api.openai.com", "1"),
        ("gpt-6.1-terra", None, "1"),
    ],
)
def test_a_regional_endpoint_of_openai_costs_a_tenth_more(model_id: str, host: str | None, factor: str) -> None:
    """Every regional host, for every model that was not certainly released before 2026-03-05."""
    assert Premium(Decimal(factor), Decimal(factor)) == premium("openai", model_id, host)


@pytest.mark.parametrize(
    ("asked", "served", "same"),
    [
        ("gpt-6.1-terra", "gpt-6.1-terra-2026-10-01", True),
        ("claude-sonnet-5-5", "claude-sonnet-5-5-20261001", True),
        ("claude-sonnet-5-5", "claude-sonnet-5-5@20261001", True),
        ("gemini-3.8-flash", "models/gemini-3.8-flash-001", True),
        ("gpt-6.1-terra", "openai/gpt-6.1-terra", True),
        ("perplexity/sonar", "sonar", True),
        ("claude-sonnet-4-6", "claude-sonnet-4-5", False),
        ("gemini-2.5-flash", "gemini-3.8-flash", False),
        ("gpt-6.1-terra", "gpt-6.1-terra-mini", False),
        ("gemini-2.5-flash", "gemini-2.5-flash-preview-09-2025", False),
        ("gpt-6.1-terra", "", True),
    ],
)
def test_a_dated_name_is_the_same_model(asked: str, served: str, same: bool) -> None:
    """A date, a version number or a prefix makes no other model; anything else does."""
    assert same is is_same_model(asked, served)
