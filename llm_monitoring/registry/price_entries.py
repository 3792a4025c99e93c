"""Prices as they are entered by an admin, a host or a price list, and the price that calls are charged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final

from llm_monitoring.registry.pricing import PLAIN, NotCallable, Price, Rates

COLUMNS: Final = {
    "input": "cost_per_1m_input_tokens",
    "output": "cost_per_1m_output_tokens",
    "cached": "cost_per_1m_cached_input_tokens",
    "cache_write": "cost_per_1m_cache_write_tokens",
    "cache_write_1h": "cost_per_1m_cache_write_1h_tokens",
    "searches": "cost_per_1k_searches",
    "request": "cost_per_request",
    "priority_factor": "priority_factor",
    "batch_factor": "batch_factor",
    "flex_factor": "flex_factor",
}
"""The column of each amount of a PriceEntry; a suggested one has the prefix `suggested_`."""
NOT_SUGGESTED: Final = frozenset({"request"})
"""The amounts that no price list suggests."""
MODE_FACTORS: Final = ("batch_factor", "flex_factor")
FACTORS: Final = ("priority_factor", *MODE_FACTORS)


@dataclass(frozen=True, slots=True)
class PriceEntry:
    """One price as it was entered: USD per million tokens, per thousand searches and per request; None: unknown.

    `priority_factor`: times the price of every token in the priority tier. `batch_factor`, `flex_factor`: the same in a
    mode, None if the model is not sold in it. `tiers`: each with `above_input_tokens` and the rates that differ above
    it, as text.
    """

    input: Decimal | None
    output: Decimal | None
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    searches: Decimal | None = None
    request: Decimal | None = None
    priority_factor: Decimal | None = None
    batch_factor: Decimal | None = None
    flex_factor: Decimal | None = None
    tiers: Sequence[Mapping[str, Any]] = ()

    def amount(self, name: str) -> Decimal | None:
        """The amount of one of COLUMNS."""
        found: Decimal | None = getattr(self, name)
        return found

    def columns(self) -> dict[str, Any]:
        """The values by column, as parameters of a statement; the tiers are a list."""
        amounts = {column: self.amount(name) for name, column in COLUMNS.items()}
        return {**amounts, "price_tiers": [dict(tier) for tier in self.tiers]}


@dataclass(frozen=True, slots=True)
class PriceUpdate:
    """What an admin changes of a price and of the cap on searches; None leaves a value as it is.

    `not_sold`: the factors of modes, of MODE_FACTORS, that end.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    searches: Decimal | None = None
    request: Decimal | None = None
    priority_factor: Decimal | None = None
    batch_factor: Decimal | None = None
    flex_factor: Decimal | None = None
    tiers: Sequence[Mapping[str, Any]] | None = None
    max_searches_per_call: int | None = None
    not_sold: frozenset[str] = frozenset()

    def given(self) -> dict[str, Any]:
        """The values that change, by field; those of `not_sold` become None."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "not_sold"}
        return {name: value for name, value in values.items() if value is not None} | dict.fromkeys(self.not_sold)

    @property
    def is_decision(self) -> bool:
        """Whether it sets input and output: known rises until then no longer count."""
        return self.input is not None and self.output is not None


def read_price_entry(row: Mapping[str, Any], prefix: str = "") -> PriceEntry:
    """The price in a row of the registry or of the dated prices; `prefix` as in COLUMNS."""
    names = COLUMNS if not prefix else COLUMNS.keys() - NOT_SUGGESTED
    amounts = {name: row[prefix + COLUMNS[name]] for name in names}
    return PriceEntry(**amounts, tiers=row[f"{prefix}price_tiers"])


def read_price(entry: PriceEntry, name: str) -> Price | None:
    """The price of the model `name` that an entry stands for; None if input or output is missing or zero.

    Raises NotCallable for an amount that is not a number of zero or more, and for a tier that is not valid.
    """
    amounts = [amount for each in COLUMNS if (amount := entry.amount(each)) is not None]
    if not all(amount.is_finite() and amount >= 0 for amount in amounts):
        raise NotCallable(f"{name} has a price that is not a number of zero or more")
    if not all(0 < factor <= PLAIN for each in MODE_FACTORS if (factor := entry.amount(each)) is not None):
        raise NotCallable(f"{name} has a factor of a mode that is not above 0 and at most 1")
    if not entry.input or not entry.output:
        return None
    base = Rates(
        above_input_tokens=0,
        input=entry.input,
        output=entry.output,
        cached=entry.input if entry.cached is None else entry.cached,
        cache_write=entry.input if entry.cache_write is None else entry.cache_write,
        cache_write_1h=entry.cache_write_1h,
    )
    tiers = [base, *read_tiers(entry, base, name)]
    return Price(
        tiers=tuple(sorted(tiers, key=lambda tier: tier.above_input_tokens)),
        search_usd=entry.searches / 1000 if entry.searches else None,
        request_usd=entry.request or Decimal(0),
        priority_factor=entry.priority_factor,
        batch_factor=entry.batch_factor,
        flex_factor=entry.flex_factor,
    )


def read_tiers(entry: PriceEntry, base: Rates, name: str) -> list[Rates]:
    """The tiers above the base; raises NotCallable for one that makes tokens free or is not a tier at all."""
    try:
        tiers = [read_tier(tier, base) for tier in entry.tiers]
        if all(is_sound(tier) for tier in tiers):
            return tiers
    except (TypeError, ValueError, KeyError, ArithmeticError):
        pass
    raise NotCallable(f"{name} has price tiers that are not valid: give them again")


def is_sound(tier: Rates) -> bool:
    """Whether a tier has a start and prices above zero; only input from the cache may be free."""
    rates = (tier.input, tier.output, tier.cached, tier.cache_write, tier.cache_write_1h or Decimal(0))
    finite = all(rate.is_finite() and rate >= 0 for rate in rates)
    return finite and tier.above_input_tokens > 0 and tier.input > 0 and tier.output > 0


def read_tier(tier: Mapping[str, Any], base: Rates) -> Rates:
    """One tier of a price entry; a missing rate is the base's, or the tier's own input rate for cache writes.

    If the tier has no rate for cache entries of one hour, theirs rises by the same factor as the input rate.
    """

    def rate(name: str, default: Decimal) -> Decimal:
        return Decimal(str(tier[name])) if name in tier else default

    own_input = rate("input", base.input)
    hour = base.cache_write_1h
    return Rates(
        above_input_tokens=int(tier["above_input_tokens"]),
        input=own_input,
        output=rate("output", base.output),
        cached=rate("cached", own_input),
        cache_write=rate("cache_write", max(own_input, base.cache_write)),
        cache_write_1h=None if hour is None else rate("cache_write_1h", hour * max(Decimal(1), own_input / base.input)),
    )
