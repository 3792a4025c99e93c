"""What the genai-prices package says a model costs: a suggestion to an admin, never a price to charge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from llm_monitoring.domain import ProviderName

UNITS: Final = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """USD per million tokens and per thousand searches; what is unknown is None. `tiers` as in the registry."""

    input: Decimal
    output: Decimal
    cached: Decimal | None
    cache_write: Decimal | None
    per_1k_searches: Decimal | None
    tiers: tuple[Mapping[str, str | int], ...]
    source: str


def suggest(provider: ProviderName, model_id: str, at: datetime) -> Suggestion | None:
    """The prices in force at `at` by the package's own data, without the network; None where it knows none."""
    from genai_prices import __version__
    from genai_prices.data_snapshot import get_snapshot

    try:
        owner, model = get_snapshot().find_provider_model(model_id, None, provider, None)
    except LookupError:
        return None
    prices = vars(model.get_prices(at))
    rates = {name: prices.get(unit) for name, unit in UNITS.items()}
    base = {name: base_of(value) for name, value in rates.items()}
    if not base["input"] or not base["output"]:
        return None
    return Suggestion(
        input=base["input"],
        output=base["output"],
        cached=base["cached"],
        cache_write=base["cache_write"],
        per_1k_searches=base_of(prices.get("web_searches_kcount")),
        tiers=tiers_of(rates),
        source=f"genai-prices {__version__}: {owner.id} {model.id}",
    )


def base_of(price: Any) -> Decimal | None:
    """A plain price, or the one below the first tier."""
    found = getattr(price, "base", price)
    return None if found is None else Decimal(found)


def tiers_of(rates: Mapping[str, Any]) -> tuple[Mapping[str, str | int], ...]:
    """The tiers of all rates by where they start, each with the rates in force above it."""
    stepped = {name: rate.tiers for name, rate in rates.items() if hasattr(rate, "tiers")}
    starts = sorted({tier.start for tiers in stepped.values() for tier in tiers})
    return tuple(
        {"above_input_tokens": start}
        | {name: str(reached[-1]) for name, tiers in stepped.items() if (reached := prices_from(tiers, start))}
        for start in starts
    )


def prices_from(tiers: Any, start: int) -> list[Decimal]:
    return [tier.price for tier in tiers if tier.start <= start]
