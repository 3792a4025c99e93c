"""The log lines on prices and their changes, in Spanish."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from llm_monitoring.registry import Part, PriceChange

PRICE_NAMES: Final = {
    "input": "entrada",
    "output": "salida",
    "cached": "entrada en caché",
    "cache_write": "escritura de caché",
    "cache_write_1h": "escritura de caché de una hora",
    "searches": "1.000 búsquedas",
    "request": "petición",
    "priority_factor": "factor prioritario",
    "batch_factor": "factor por lotes",
    "flex_factor": "factor flex",
}
MOST_PARTS: Final = 6


def price_change_line(provider: str, model_id: str, change: PriceChange) -> str:
    """One line: what changes, from which day on, the source, and what an admin can do."""
    parts = ", ".join(map(part_text, change.parts[:MOST_PARTS])) + (" …" if len(change.parts) > MOST_PARTS else "")
    day, name = change.valid_from.isoformat(), f"{provider}/{model_id}"
    if change.source == "admin":
        return f"📅 {name}: cambia de precio el {day} (UTC): {parts}, según {change.detail}"
    decide = f"decídalo con `python -m llm_monitoring models price {provider} {model_id} --suggested --from {day}`"
    if change.begun:
        line = f"💱 {name}: cambió de precio el {day} (UTC): {parts}, según {change.detail}"
        return f"{line}; se cobra el más caro, {decide}"
    line = f"📅 {name}: cambia de precio el {day} (UTC): {parts}, según {change.detail}"
    return f"{line}; desde ese día se reserva y se cobra el más caro, {decide}"


def price_drift_line(provider: str, model_id: str, parts: Sequence[Part], source: str) -> str:
    """One line: in what the registry's price differs from a price list's, and what an admin can do."""
    name, differing = f"{provider}/{model_id}", ", ".join(map(part_text, parts[:MOST_PARTS]))
    more = " …" if len(parts) > MOST_PARTS else ""
    decide = f"`python -m llm_monitoring models price {provider} {model_id} --suggested`"
    return f"💱 {name}: el registro no tiene el precio de {source}: {differing}{more}; acéptelo con {decide}"


def part_text(part: Part) -> str:
    unit, missing = ("$", "sin precio") if part.is_amount else ("×", "no se vende")
    before, after = (f"{unit}{plain(each)}" if each is not None else missing for each in (part.before, part.after))
    return f"{price_name(part.name)} {before} → {after}"


def price_name(name: str) -> str:
    kind, _, start = name.partition(" > ")
    return PRICE_NAMES[kind] + (f" por encima de {start} tokens" if start else "")


def plain(amount: Decimal) -> str:
    """An amount without trailing zeros and without an exponent."""
    return f"{amount.normalize():f}"
