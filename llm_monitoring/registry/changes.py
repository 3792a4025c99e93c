"""The price changes of a model: those that begin soon, and those charged without an admin's decision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from llm_monitoring.registry.price_entries import FACTORS
from llm_monitoring.registry.pricing import Price
from llm_monitoring.registry.tariffs import DatedPrice, Prices, Source, with_factors_of

NOTICE: Final = timedelta(days=60)
PARTS: Final = ("input", "output", "cached", "cache_write", "cache_write_1h")


@dataclass(frozen=True, slots=True)
class Part:
    """One price before and after a change, in USD a million tokens, a thousand searches or a request, or a factor."""

    name: str
    before: Decimal | None
    after: Decimal | None

    @property
    def is_amount(self) -> bool:
        return self.name not in FACTORS


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A price that begins on a day (UTC), or has begun and waits for an admin's decision (`begun`)."""

    valid_from: date
    source: Source
    detail: str
    begun: bool
    parts: tuple[Part, ...]

    @property
    def is_rise(self) -> bool:
        dearer = (part.after is not None and part.after > (part.before or 0) for part in self.parts if part.is_amount)
        withdrawn = (part.after is None or part.after > (part.before or 1) for part in self.parts if not part.is_amount)
        return any(dearer) or any(withdrawn)


def price_changes(prices: Prices, today: date) -> Iterator[PriceChange]:
    """The known rise that is charged today without a decision, and what begins within 60 days."""
    rise, decided = prices.rise(today), prices.decision(today).price
    if rise is not None and (parts := differing(decided, with_factors_of(rise.price, decided))):
        yield PriceChange(rise.valid_from, rise.source, rise.detail, True, parts)
    for each in prices.beginning(today + timedelta(days=1), today + NOTICE):
        before = prices.on(each.valid_from - timedelta(days=1))
        after = each.price
        if each not in prices.decided:
            after = with_factors_of(after, prices.decision(each.valid_from).price)
        if parts := differing(before, after):
            yield PriceChange(each.valid_from, each.source, each.detail, False, parts)


def differing(before: Price, after: Price) -> tuple[Part, ...]:
    """The parts that differ, tiers included."""
    found = [
        Part(f"{name} > {tier.above_input_tokens}" if tier.above_input_tokens else name, was, becomes)
        for tier in after.tiers
        for name in PARTS
        if (was := getattr(before.rates(tier.above_input_tokens + 1), name)) != (becomes := getattr(tier, name))
    ]
    fees = (
        ("searches", per_thousand(before.search_usd), per_thousand(after.search_usd)),
        ("request", before.request_usd, after.request_usd),
        ("batch_factor", before.batch_factor, after.batch_factor),
        ("flex_factor", before.flex_factor, after.flex_factor),
    )
    return (*found, *(Part(name, was, becomes) for name, was, becomes in fees if was != becomes))


def per_thousand(fee: Decimal | None) -> Decimal | None:
    return None if fee is None else 1000 * fee


def with_known(prices: Prices, known: Sequence[DatedPrice], today: date) -> Prices:
    """The prices after a price list was read: its later prices replace the known ones."""
    days = {each.valid_from for each in known}
    kept = [each for each in prices.known if each.valid_from <= today and each.valid_from not in days]
    return Prices(prices.decided, tuple(sorted((*kept, *known), key=lambda each: each.valid_from)))
