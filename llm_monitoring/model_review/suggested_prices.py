"""Suggested prices, from the genai-prices package: for an admin to decide on, never charged as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from llm_monitoring.domain import ProviderName
from llm_monitoring.registry import PriceEntry

UNITS: Final = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
}
# The day on which the first prices were read: they include what began until then.
FIRST_READ: Final = date(2026, 11, 23)


@dataclass(frozen=True, slots=True)
class SuggestedPrice:
    """A price of the package's list, with input and output above zero, and where the list has it."""

    price: PriceEntry
    source: str


def suggest(provider: ProviderName, model_id: str, at: datetime) -> SuggestedPrice | None:
    """The price in force at `at` in the package's own data, without the network; None for an unknown model."""
    found = find(provider, model_id)
    return None if found is None else read(*found, found[1].get_prices(at), at.date())


def rises(provider: ProviderName, model_id: str) -> tuple[tuple[date, SuggestedPrice], ...]:
    """The later prices of a model in the package's data, in time, each with the day (UTC) on which it begins."""
    found = find(provider, model_id)
    if found is None or not isinstance(found[1].prices, list):
        return ()
    starts = [(getattr(price.constraint, "start_date", None), price.prices) for price in found[1].prices]
    later = [
        (start, read(*found, prices, start)) for start, prices in starts if start is not None and start > FIRST_READ
    ]
    return tuple(sorted(((start, read) for start, read in later if read is not None), key=lambda each: each[0]))


def find(provider: ProviderName, model_id: str) -> tuple[Any, Any] | None:
    """The package's own provider and model, or None if it does not know them."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        return get_snapshot().find_provider_model(model_id, None, provider, None)
    except LookupError:
        return None


def read(owner: Any, model: Any, price: Any, day: date) -> SuggestedPrice | None:
    """One of the package's prices, in force on a day; None if it has no input or no output price."""
    from genai_prices import __version__

    prices = vars(price)
    rates = {name: prices.get(unit) for name, unit in UNITS.items()}
    base = {name: base_of(value) for name, value in rates.items()}
    if not base["input"] or not base["output"]:
        return None
    entry = PriceEntry(
        input=base["input"],
        output=base["output"],
        cached=base["cached"],
        cache_write=base["cache_write"],
        cache_write_1h=base["cache_write_1h"],
        searches=base_of(prices.get("web_searches_kcount")),
        request=Decimal(0),
        priority_factor=priority_factor(model, prices),
        batch_factor=mode_factor(model, prices, {"processing": "batch"}, day),
        flex_factor=mode_factor(model, prices, {"service_tier": "flex"}, day),
        tiers=tiers_of(rates),
    )
    return SuggestedPrice(entry, f"genai-prices {__version__}: {owner.id} {model.id}")


def priority_factor(model: Any, prices: Mapping[str, Any]) -> Decimal | None:
    """Times the standard price of tokens in the priority tier; None if it differs from part to part or is lower."""
    for variant in model.price_variants or ():
        if variant.when == {"service_tier": "priority"}:
            priced = {name: base_of(vars(variant.prices).get(unit)) for name, unit in UNITS.items()}
            plain = {name: base_of(prices.get(unit)) for name, unit in UNITS.items()}
            factors = {amount / own for name, amount in priced.items() if amount and (own := plain[name])}
            return max(factors) if len(factors) == 1 and max(factors) >= 1 else None
    return None


def mode_factor(model: Any, prices: Mapping[str, Any], when: Mapping[str, str], day: date) -> Decimal | None:
    """Times the standard price of input and output in a mode, the dearer of the two.

    None if the list has no variant for the mode, or one that is dearer than standard: asked for such a mode it
    returns the standard price, which is no price of the mode.
    """
    started = [each for each in model.price_variants or () if each.when == when and start_of(each) <= day]
    if not started:
        return None
    variant = vars(max(started, key=start_of).prices)
    pairs = [(base_of(variant.get(UNITS[name])), base_of(prices.get(UNITS[name]))) for name in ("input", "output")]
    factors = [amount / own for amount, own in pairs if amount and own]
    return max(factors) if len(factors) == len(pairs) and max(factors) <= 1 else None


def start_of(variant: Any) -> date:
    start: date = getattr(variant.constraint, "start_date", None) or date.min
    return start


def base_of(price: Any) -> Decimal | None:
    """A plain price, or the one below the first tier."""
    found = getattr(price, "base", price)
    return None if found is None else Decimal(found)


def tiers_of(rates: Mapping[str, Any]) -> tuple[Mapping[str, str | int], ...]:
    """The tiers of all rates by their start, each with the rates in force above it."""
    stepped = {name: rate.tiers for name, rate in rates.items() if hasattr(rate, "tiers")}
    starts = sorted({tier.start for tiers in stepped.values() for tier in tiers})
    return tuple(
        {"above_input_tokens": start}
        | {name: str(reached[-1]) for name, tiers in stepped.items() if (reached := prices_from(tiers, start))}
        for start in starts
    )


def prices_from(tiers: Any, start: int) -> list[Decimal]:
    return [tier.price for tier in tiers if tier.start <= start]
