"""What past calls would cost at the prices of another day, going by what they used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final

from llm_monitoring import registry
from llm_monitoring.db import Row
from llm_monitoring.domain import Mode, Usage
from llm_monitoring.registry import Catalogue, Model, Price, Unpriced

ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class CallCosts:
    """The costs of calls at the prices of a day, present or later."""

    catalogue: Catalogue
    day: date

    def at_present(self, row: Row, model: Model | None, mode: Mode) -> Decimal:
        """What the calls of a row would cost with this model in this mode on the day, going by what they used."""
        used = Usage(
            input_tokens=row["input_tokens"] // row["calls"],
            output_tokens=row["output_tokens"] // row["calls"],
            cached_tokens=row["cached_tokens"] // row["calls"],
            cache_write_tokens=row["cache_write_tokens"] // row["calls"],
            searches=-(-row["searches"] // row["calls"]),
        )
        before = priced(self.paid_price(row, model), used, row["mode"])
        usd = Decimal(row["usd"])
        return usd * priced(price_of(model, self.day), used, mode) / before if before else usd

    def paid_price(self, row: Row, model: Model | None) -> Price | None:
        """The rates that the calls of a row were charged at; an older release kept none: those of their day."""
        if row["rates"] is None:
            return price_of(self.former(row) or model, row["day"])
        rates = registry.read_rates(row["rates"])
        return replace(rates, least_premium=ONE, most_premium=ONE, discounts_cached=False)

    def former(self, row: Row) -> Model | None:
        """The model that the calls of a row were made to, if it is still approved."""
        wanted = row["llm_provider"], row["model_id"]
        return next((each for each in self.catalogue.models if (each.provider, each.model_id) == wanted), None)


def price_of(model: Model | None, day: date) -> Price | None:
    """The price of a model on a day, without what its endpoint adds."""
    return None if model is None or model.prices is None else model.prices.on(day)


def priced(price: Price | None, used: Usage, mode: Mode) -> Decimal:
    """What a usage costs in a mode; 0 if that is not known."""
    try:
        return Decimal(0) if price is None else registry.cost(price, replace(used, service_tier=mode), mode)
    except Unpriced:
        return Decimal(0)
