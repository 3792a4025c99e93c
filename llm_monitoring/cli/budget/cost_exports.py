"""Reads the cost exports of providers: which column is what, which day, model, key and amount a line is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import IO, Final

from llm_monitoring.cli.base.csv_files import Sheet, at, read_sheet, rows
from llm_monitoring.domain import ProviderName
from llm_monitoring.errors import Invalid
from llm_monitoring.registry.served import without_date

# The first title of a row that the file has is the column; titles are compared in lower case, with _ for spaces.
TITLES: Final[dict[str, tuple[str, ...]]] = {
    "date": ("date", "day", "usage_date_utc", "usage_date", "start_time_iso", "bucket_start_time", "start_time"),
    "model": ("model", "model_id", "model_version", "snapshot_id", "line_item", "description"),
    "key": ("api_key_last4", "api_key", "api_key_redacted", "api_key_name", "api_key_id", "key"),
    "cost": ("cost_usd", "amount_value", "amount_usd", "total_cost", "cost", "amount", "usd"),
    "currency": ("amount_currency", "currency"),
    "fee": ("cost_type", "usage_type"),
}
NEEDED: Final = ("date", "model", "cost")
HALF_A_CENT: Final = Decimal("0.005")
# What only one provider's export has: titles that stand together, and the names of its models.
OWN_TITLES: Final[dict[ProviderName, frozenset[str]]] = {
    "anthropic": frozenset({"usage_date_utc", "token_type"}),
    "openai": frozenset({"amount_value", "line_item"}),
}
OWN_MODELS: Final[dict[ProviderName, re.Pattern[str]]] = {
    "openai": re.compile(r"gpt|chatgpt|o\d"),
    "anthropic": re.compile(r"claude"),
    "google": re.compile(r"(models/)?gemini"),
    "perplexity": re.compile(r"(perplexity/)?sonar|perplexity"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an export; `key` is what it says of the key, empty if it says nothing.

    `rounding_usd` is how far an amount in whole cents may be from what was billed.
    """

    day: date
    model: str
    key: str
    cost_usd: Decimal
    rounding_usd: Decimal = Decimal(0)


def read_export(file: IO[bytes], provider: ProviderName) -> list[Line]:
    """Every line of this provider's export; raises BadInput that names what cannot be read, or whose it is."""
    sheet = read_sheet(file)
    places = columns(sheet)
    found = list(lines(sheet, places))
    owner = owner_of(titles_of(sheet), found, provider)
    if owner != provider:
        raise Invalid(
            "provider", f"{sheet.name} is an export of {owner}: give --provider {owner}, or {provider}'s file"
        )
    return found


def titles_of(sheet: Sheet) -> list[str]:
    return [re.sub(r"[^a-z0-9]+", "_", title).strip("_") for title in sheet.header()]


def owner_of(titles: list[str], found: list[Line], asked: ProviderName) -> ProviderName:
    """The provider whose export this is by its models, or by its titles if it names no model that is known."""
    models = {line.model.lower() for line in found}
    owners = {provider for model in models for provider, own in OWN_MODELS.items() if own.match(model)}
    owners = owners or {provider for provider, own in OWN_TITLES.items() if own <= set(titles)}
    return asked if asked in owners or len(owners) != 1 else owners.pop()


def columns(sheet: Sheet) -> dict[str, int]:
    titles = titles_of(sheet)
    found = {
        meaning: titles.index(next(name for name in names if name in titles))
        for meaning, names in TITLES.items()
        if not set(names).isdisjoint(titles)
    }
    for meaning in NEEDED:
        if meaning not in found:
            known = ", ".join(TITLES[meaning])
            raise Invalid("file", f"{sheet.where(1)}: no column for the {meaning}: name one of {known}")
    return found


def lines(sheet: Sheet, places: dict[str, int]) -> Iterator[Line]:
    for number, fields in rows(sheet):
        if number == 1 or not any(fields):
            continue
        with at(sheet, number):
            told = {meaning: fields[place] if place < len(fields) else "" for meaning, place in places.items()}
            if told["cost"]:
                yield line(told)


def line(told: dict[str, str]) -> Line:
    if told.get("currency", "").lower() not in ("", "usd"):
        raise Invalid("file", f"{told['currency']!r} is not USD")
    amount = cost(told["cost"])
    whole_cents = amount == amount.quantize(Decimal("0.01"))
    name = model(told["model"]) or (told.get("fee", "") and f"({told['fee']})")
    return Line(day(told["date"]), name, told.get("key", ""), amount, HALF_A_CENT if whole_cents else Decimal(0))


def day(text: str) -> date:
    """The UTC day of a date, an ISO time, or Unix seconds."""
    try:
        if re.fullmatch(r"\d{9,11}", text):
            return datetime.fromtimestamp(int(text), UTC).date()
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise Invalid("file", f"{text!r} is no day: write YYYY-MM-DD") from exc
    return (moment.astimezone(UTC) if moment.tzinfo else moment).date()


def model(text: str) -> str:
    """The model that a line is about: of “gpt-x-2026-05-01, input” and the like what stands before the comma."""
    return without_date(text.partition(",")[0].strip().removeprefix("models/"))


def model_key(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a model's id and its display name have in common: `claude-3-5-haiku-20241022` and “Claude Haiku 3.5”."""
    parts = re.findall(r"[a-z0-9]+", without_date(name.lower().strip().rpartition("/")[2]).removesuffix("-latest"))
    numbers = [part for part in parts if part.isdigit()]
    while len(numbers) > 1 and numbers[-1] == "0":
        numbers.pop()
    return tuple(sorted(part for part in parts if not part.isdigit())), tuple(numbers)


def cost(text: str) -> Decimal:
    try:
        found = Decimal(text.replace("$", "").replace(" ", ""))
    except InvalidOperation as exc:
        raise Invalid("file", f"{text!r} is no amount in USD") from exc
    if not found.is_finite():
        raise Invalid("file", f"{text!r} is no amount in USD")
    return found
