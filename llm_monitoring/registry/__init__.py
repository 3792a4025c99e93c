"""The registry: models, what they cost from which day on, and the arithmetic of ceilings and costs."""

from __future__ import annotations

from llm_monitoring.registry.changes import Part, PriceChange, price_changes, with_known
from llm_monitoring.registry.models import (
    STATES,
    Catalogue,
    Model,
    ModelChange,
    RegistryEntry,
    State,
    adopt_due_prices,
    coming_changes,
    count_usage,
    find_model,
    find_served,
    overview,
    read_catalogue,
    read_entries,
    read_entry,
    read_model,
)
from llm_monitoring.registry.price_entries import COLUMNS, FACTORS, PriceEntry, PriceUpdate, read_price
from llm_monitoring.registry.pricing import (
    NotCallable,
    Price,
    Rates,
    Unpriced,
    ceiling,
    cost,
    dearest,
    least_cost,
    read_rates,
    write_rates,
)
from llm_monitoring.registry.savings import is_worth, saving_percent
from llm_monitoring.registry.searching import search_obstacles
from llm_monitoring.registry.served import is_same_model, without_date
from llm_monitoring.registry.tariffs import DatedPrice, Prices, Quote, Tariff

__all__ = [
    "COLUMNS",
    "FACTORS",
    "STATES",
    "Catalogue",
    "DatedPrice",
    "Model",
    "ModelChange",
    "NotCallable",
    "Part",
    "Price",
    "PriceChange",
    "PriceEntry",
    "PriceUpdate",
    "Prices",
    "Quote",
    "Rates",
    "RegistryEntry",
    "State",
    "Tariff",
    "Unpriced",
    "adopt_due_prices",
    "ceiling",
    "coming_changes",
    "cost",
    "count_usage",
    "dearest",
    "find_model",
    "find_served",
    "is_same_model",
    "is_worth",
    "least_cost",
    "overview",
    "price_changes",
    "read_catalogue",
    "read_entries",
    "read_entry",
    "read_model",
    "read_price",
    "read_rates",
    "saving_percent",
    "search_obstacles",
    "with_known",
    "without_date",
    "write_rates",
]
