"""Prices in time: which of a model's dated prices holds on a day (UTC), and who said so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any, Final, Literal

from llm_monitoring.db.database import Row
from llm_monitoring.providers.base import Question
from llm_monitoring.registry.premiums import Premium
from llm_monitoring.registry.pricing import NotCallable, Price, Rates, ceiling, dearest

Source = Literal["registry", "admin", "seed", "library"]

# The longest time between reserving a call and sending it: the ceiling covers a price that starts within it.
SENDING: Final = timedelta(minutes=15)
ALWAYS: Final = date.min
PRICE_COLUMNS: Final = (
    "cost_per_1m_input_tokens", "cost_per_1m_output_tokens", "cost_per_1m_cached_input_tokens",
    "cost_per_1m_cache_write_tokens", "cost_per_1m_cache_write_1h_tokens", "cost_per_1k_searches", "cost_per_request",
    "priority_factor",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DatedPrice:
    """A price from `valid_from` on (UTC). `registry`: the columns of the registry; `detail` says where it was read."""

    valid_from: date
    source: Source
    price: Price
    detail: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Prices:
    """All prices of a model, each kind ascending in time.

    `decided` were entered by the host or an admin: the latest that has begun holds. `known` are rises that a price
    list names with their day. One that has begun after the latest decision holds as well, at the dearer of the two,
    until an admin decides again.
    """

    decided: tuple[DatedPrice, ...]
    known: tuple[DatedPrice, ...] = ()

    def on(self, day: date) -> Price:
        """The price in force on a day."""
        decision, rise = self.decision(day), self.rise(day)
        return decision.price if rise is None else dearest(decision.price, rise.price)

    def decision(self, day: date) -> DatedPrice:
        begun = [each for each in self.decided if each.valid_from <= day]
        return begun[-1] if begun else self.decided[0]

    def rise(self, day: date) -> DatedPrice | None:
        """The known price that no admin has decided on since it began."""
        since = self.decision(day).valid_from
        begun = [each for each in self.known if since < each.valid_from <= day]
        return begun[-1] if begun else None

    def beginning(self, first: date, last: date) -> Iterator[DatedPrice]:
        """The prices that begin to count from `first` to `last`, in time."""
        for each in sorted((*self.decided, *self.known), key=lambda each: each.valid_from):
            counts = each in (self.decision(each.valid_from), self.rise(each.valid_from))
            if counts and first <= each.valid_from <= last:
                yield each

    @property
    def sells_search(self) -> bool:
        return all(each.price.search_usd is not None for each in self.decided)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a call is admitted with: the rates in force and the most that it can cost, in USD."""

    price: Price
    ceiling_usd: Decimal


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a model costs through one endpoint, from day to day."""

    prices: Prices
    premium: Premium

    def at(self, *moments: datetime) -> Price:
        """The price in force at a moment, the dearest of several."""
        price = reduce(dearest, (self.prices.on(moment.astimezone(UTC).date()) for moment in moments))
        return replace(price, least_premium=self.premium.least, most_premium=self.premium.most)

    def quote(self, question: Question, *now: datetime) -> Quote:
        """The rates of now, with a ceiling that holds as well if the call is sent after midnight."""
        soon = self.at(*now, *(moment + SENDING for moment in now))
        return Quote(self.at(*now), ceiling(soon, question))


def read_prices(row: Row) -> Prices | None:
    """The prices of a registry row with its `dated_prices`; None if the registry holds no price above zero."""
    own = read_price(row)
    if own is None:
        return None
    dated = [read_dated(each) for each in json.loads(row["dated_prices"], parse_float=Decimal, parse_int=Decimal)]
    since = row["priced_on"] or ALWAYS
    later = [each for each in dated if each.source == "admin" and each.valid_from > since]
    return Prices(
        decided=(DatedPrice(since, "registry", own, columns=row), *later),
        known=tuple(each for each in dated if each.source != "admin"),
    )


def read_dated(row: Mapping[str, Any]) -> DatedPrice:
    price = read_price(row)
    assert price is not None  # the table holds no price of zero
    return DatedPrice(date.fromisoformat(row["valid_from"]), row["source"], price, row["detail"], row)


def read_price(row: Mapping[str, Any]) -> Price | None:
    """The price in a registry row or a dated row; None if input or output is missing or zero.

    Raises NotCallable for a price that is no number, below zero, or in a tier that is none.
    """
    base_input, base_output = row["cost_per_1m_input_tokens"], row["cost_per_1m_output_tokens"]
    amounts = [value for name, value in row.items() if name in PRICE_COLUMNS and value is not None]
    if not all(value.is_finite() and value >= 0 for value in amounts):
        raise NotCallable(f"{row['llm_provider']}/{row['model_id']} has a price that is no number of zero or more")
    if not base_input or not base_output:
        return None
    cached = row["cost_per_1m_cached_input_tokens"]
    write = row["cost_per_1m_cache_write_tokens"]
    base = Rates(
        above_input_tokens=0,
        input=base_input,
        output=base_output,
        cached=base_input if cached is None else cached,
        cache_write=base_input if write is None else write,
        cache_write_1h=row["cost_per_1m_cache_write_1h_tokens"],
    )
    tiers = [base, *read_tiers(row, base)]
    per_thousand = row["cost_per_1k_searches"]
    return Price(
        tiers=tuple(sorted(tiers, key=lambda tier: tier.above_input_tokens)),
        search_usd=per_thousand / 1000 if per_thousand else None,
        request_usd=row["cost_per_request"],
        priority_factor=row["priority_factor"],
    )


def read_tiers(row: Mapping[str, Any], base: Rates) -> list[Rates]:
    """The tiers of a row above its base; raises NotCallable for one that would make tokens free, or is no tier."""
    try:
        tiers = [read_tier(tier, base) for tier in row["price_tiers"]]
        if all(is_sound(tier) for tier in tiers):
            return tiers
    except (TypeError, ValueError, KeyError, ArithmeticError):
        pass
    raise NotCallable(f"{row['llm_provider']}/{row['model_id']} has price tiers that are none: give them again")


def is_sound(tier: Rates) -> bool:
    """Whether a tier has a start and prices above zero; an input from the cache alone may be free."""
    rates = (tier.input, tier.output, tier.cached, tier.cache_write, tier.cache_write_1h or Decimal(0))
    finite = all(rate.is_finite() and rate >= 0 for rate in rates)
    return finite and tier.above_input_tokens > 0 and tier.input > 0 and tier.output > 0


def read_tier(tier: Mapping[str, Any], base: Rates) -> Rates:
    """One tier of `price_tiers`; a rate that it leaves out is the base's, or its own input's for cache writes.

    A cache entry of one hour costs more by as much as input does, if the tier does not price it.
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
