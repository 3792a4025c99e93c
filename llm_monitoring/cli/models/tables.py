"""The registry as tables: models in a list, one model's details, its prices, and changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from llm_monitoring.cli.base.output import Columns
from llm_monitoring.registry import COLUMNS, NotCallable, RegistryEntry
from llm_monitoring.registry.admin import TIER_RATES

PRICE_TITLES: Final = {
    "input": "Input, per million tokens",
    "output": "Output, per million tokens",
    "cached": "Cached input, per million tokens",
    "cache_write": "Cache write, per million tokens",
    "cache_write_1h": "Cache write of an hour, per million tokens",
    "searches": "Web search, per thousand",
    "request": "Request, each",
    "priority_factor": "Priority tier, times",
    "batch_factor": "Tokens in a batch, times",
    "flex_factor": "Tokens in the flex tier, times",
}
PRICES: Final[Columns] = {"USD": "name", "Charged": "charged", "Suggested": "suggested"}
DATED_PRICES: Final[Columns] = {
    "From (UTC)": lambda row: row["from"] or "the start",
    "Source": "source",
    "In force": lambda row: "yes" if row["in_force"] else "",
    "Input": "input",
    "Output": "output",
    "Cached": "cached",
    "Cache write": "cache_write",
    "Searches": "searches",
    "Batch": "batch_factor",
    "Flex": "flex_factor",
    "Read in": "detail",
}
CHANGES: Final[Columns] = {
    "When (UTC)": "changed_at",
    "Model": lambda row: f"{row['llm_provider']}/{row['model_id']}",
    "Who": "changed_by",
    "Why": "reason",
    "What": lambda row: changes_line(row["changes"]),
}


def list_row(entry: RegistryEntry, prices: Mapping[str, Decimal]) -> dict[str, object]:
    """One model in a list, by title; `prices` as from `prices_on`."""
    return {
        "Provider": entry.llm_provider,
        "Model": entry.model_id,
        "State": entry.state,
        "Input": plain(prices.get(COLUMNS["input"], entry.price.input)),
        "Output": plain(prices.get(COLUMNS["output"], entry.price.output)),
        "Suggested input": plain(entry.suggested.input),
        "Suggested output": plain(entry.suggested.output),
        "Last listed": None if entry.last_seen_at is None else f"{entry.last_seen_at:%Y-%m-%d}",
        "Retires": None if entry.retires_at is None else f"{entry.retires_at:%Y-%m-%d}",
        "Note": note(entry),
    }


def prices_on(entry: RegistryEntry, day: date) -> dict[str, Decimal]:
    """The input and output price in force on a day, by the registry's column; empty without a valid price."""
    try:
        prices = entry.read_prices()
    except NotCallable:
        return {}
    if prices is None:
        return {}
    rates = prices.on(day).tiers[0]
    return {COLUMNS["input"]: rates.input, COLUMNS["output"]: rates.output}


def note(entry: RegistryEntry) -> str:
    try:
        entry.read_prices()
    except NotCallable as exc:
        return str(exc)
    return "gone from the provider's list" if entry.missing_checks > 1 and entry.retired_at is None else ""


def details(entry: RegistryEntry) -> dict[str, object]:
    """What is known of a model, by title, without prices; unknown values and zeros are left out."""
    found = {
        "Model": entry.name,
        "Name": entry.model_display_name,
        "State": entry.state,
        "Last listed (UTC)": entry.last_seen_at,
        "Checks that missed it": entry.missing_checks,
        "Lifecycle": entry.lifecycle,
        "Retires": entry.retires_at,
        "Answered a probe (UTC)": entry.validated_at,
        "Rejected (UTC)": entry.rejected_at,
        "Retired (UTC)": entry.retired_at,
        "Context, tokens": entry.max_tokens,
        "Longest answer, tokens": entry.max_output_tokens,
        "Reasoning effort": entry.reasoning_effort,
        "Searches a call, at most": entry.max_searches_per_call,
        "Calls": entry.total_queries,
        "Spent on it, USD": entry.total_cost,
        "Suggested by": entry.suggested_source,
        "Suggested on": entry.suggested_at,
    }
    return {title: value for title, value in found.items() if value not in (None, 0)}


def price_rows(entry: RegistryEntry) -> list[dict[str, Any]]:
    """The charged and the suggested price, one row per amount and one per tier."""
    charged, suggested = entry.price, entry.suggested
    rows = [
        {"name": title, "charged": plain(charged.amount(name)), "suggested": plain(suggested.amount(name))}
        for name, title in PRICE_TITLES.items()
    ]
    tiers = tier_lines(charged.tiers), tier_lines(suggested.tiers)
    return rows + [
        {"name": f"Above {start} input tokens", "charged": tiers[0].get(start), "suggested": tiers[1].get(start)}
        for start in sorted(tiers[0].keys() | tiers[1].keys())
    ]


def tier_lines(tiers: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    return {
        tier["above_input_tokens"]: ", ".join(
            f"{name} {plain(Decimal(tier[name]))}" for name in TIER_RATES if name in tier
        )
        for tier in tiers
    }


def dated_price_rows(entry: RegistryEntry, today: date) -> list[dict[str, Any]]:
    """Every price of the model in time, with the day from which it is in force and whether it is so today."""
    prices = entry.read_prices()
    if prices is None:
        return []
    in_force = (prices.decision(today), prices.rise(today))
    return [
        {
            "from": None if each.valid_from == date.min else each.valid_from,
            "source": each.source,
            "detail": each.detail,
            "in_force": each in in_force,
            **{name: plain(each.entry.amount(name)) for name in COLUMNS},
        }
        for each in sorted((*prices.decided, *prices.known), key=lambda each: each.valid_from)
    ]


def changes_line(changes: Mapping[str, Sequence[Any]]) -> str:
    return "; ".join(f"{column}: {value(was)} → {value(now)}" for column, (was, now) in sorted(changes.items()))


def value(found: Any) -> str:
    return f"{found.normalize():f}" if isinstance(found, Decimal) else str(found)


def plain(amount: Decimal | None) -> Decimal | None:
    """An amount without trailing zeros; None for one that is unknown or zero."""
    return Decimal(f"{amount.normalize():f}") if amount else None
