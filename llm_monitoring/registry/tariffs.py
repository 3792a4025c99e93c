"""Prices in time: which of a model's dated prices is in force on a day (UTC), and its source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any, Final, Literal

from llm_monitoring.domain import Mode
from llm_monitoring.providers.base import Question
from llm_monitoring.registry.premiums import Premium
from llm_monitoring.registry.price_entries import PriceEntry, read_price, read_price_entry
from llm_monitoring.registry.pricing import NotCallable, Price, ceiling, dearest

Source = Literal["registry", "admin", "seed", "library"]

# The longest time between reserving a call and sending it: the ceiling covers a price that starts within it.
SENDING: Final = timedelta(minutes=15)
ALWAYS: Final = date.min


@dataclass(frozen=True, slots=True)
class DatedPrice:
    """A price from `valid_from` on (UTC). `registry`: the registry's own columns; `detail`: where it was read."""

    valid_from: date
    source: Source
    price: Price
    detail: str = ""
    entry: PriceEntry = field(default=PriceEntry(None, None), compare=False)


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
        return decision.price if rise is None else dearest(decision.price, with_factors_of(rise.price, decision.price))

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
    """What a call is admitted with: the rates in force, the most that it can cost in USD, and its mode."""

    price: Price
    ceiling_usd: Decimal
    mode: Mode = "standard"


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a model costs through one endpoint, from day to day. `discounts_cached` as in Price."""

    prices: Prices
    premium: Premium
    discounts_cached: bool = False

    def at(self, *moments: datetime) -> Price:
        """The price in force at a moment, the dearest of several."""
        price = reduce(dearest, (self.prices.on(moment.astimezone(UTC).date()) for moment in moments))
        return replace(
            price,
            least_premium=self.premium.least,
            most_premium=self.premium.most,
            discounts_cached=self.discounts_cached,
        )

    def quote(self, question: Question, *now: datetime) -> Quote:
        """The rates of now, with a ceiling that holds as well if the call is sent after midnight.

        Raises NotCallable if the model is not sold in the question's mode at any of these times.
        """
        soon = self.at(*now, *(moment + SENDING for moment in now))
        if soon.factor(question.mode) is None:
            raise NotCallable(
                f"{question.model_id} has no {question.mode}_factor in llm_model_registry: it is not sold in that mode",
                code="mode_not_sold",
                model_id=question.model_id,
                mode=question.mode,
            )
        return Quote(self.at(*now), ceiling(soon, question), question.mode)


def with_factors_of(rise: Price, decision: Price) -> Price:
    """A known rise with the factors of the decision for the modes that its price list does not speak of."""
    return replace(
        rise,
        batch_factor=rise.batch_factor or decision.batch_factor,
        flex_factor=rise.flex_factor or decision.flex_factor,
    )


def read_prices(entry: PriceEntry, name: str, priced_on: date | None, dated_prices: str) -> Prices | None:
    """All prices of the model `name`: its entry in the registry, in force since `priced_on`, and the dated ones.

    None if the registry has no price above zero. `dated_prices` is the JSON of `llm_dated_prices`. Raises NotCallable.
    """
    own = read_price(entry, name)
    if own is None:
        return None
    if not isinstance(priced_on, date | None):
        raise NotCallable(f"{name}: the day of its price (priced_on) is an {priced_on}: enter the price again")
    dated = [read_dated(each, name) for each in json.loads(dated_prices, parse_float=Decimal, parse_int=Decimal)]
    since = priced_on or ALWAYS
    later = [each for each in dated if each.source == "admin" and each.valid_from > since]
    return Prices(
        decided=(DatedPrice(since, "registry", own, entry=entry), *later),
        known=tuple(each for each in dated if each.source != "admin"),
    )


def read_dated(row: Mapping[str, Any], name: str) -> DatedPrice:
    entry = read_price_entry(row)
    price = read_price(entry, name)
    assert price is not None  # the table holds no price of zero
    return DatedPrice(date.fromisoformat(row["valid_from"]), row["source"], price, row["detail"], entry)
