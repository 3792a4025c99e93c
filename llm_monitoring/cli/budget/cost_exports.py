"""Reads the cost exports of providers: the columns of a file, and the day, model, key and amount of each line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import IO, Final

from llm_monitoring.domain import ProviderName
from llm_monitoring.errors import Invalid
from llm_monitoring.ledger.reconciliation import BilledLine
from llm_monitoring.projects.files.csv_files import Sheet, at, read_sheet, rows
from llm_monitoring.registry import without_date

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
MODE: Final = re.compile(r"[\s_(-]+(?:flex|batch)(?:\s+(?:api|tier|processing))?\)?$", re.IGNORECASE)
HALF_A_CENT: Final = Decimal("0.005")
# Titles and names of models that only this provider's exports have.
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


def read_export(file: IO[bytes], provider: ProviderName) -> list[BilledLine]:
    """Every line of this provider's export; raises Invalid for what cannot be read and for another provider's file."""
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


def owner_of(titles: list[str], found: list[BilledLine], asked: ProviderName) -> ProviderName:
    """The provider of an export by its models, or by its titles if it names no known model."""
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


def lines(sheet: Sheet, places: dict[str, int]) -> Iterator[BilledLine]:
    for number, fields in rows(sheet):
        if number == 1 or not any(fields):
            continue
        with at(sheet, number):
            values = {meaning: fields[place] if place < len(fields) else "" for meaning, place in places.items()}
            if values["cost"]:
                yield read_line(values)


def read_line(values: dict[str, str]) -> BilledLine:
    if values.get("currency", "").lower() not in ("", "usd"):
        raise Invalid("file", f"{values['currency']!r} is not USD")
    amount = cost(values["cost"])
    whole_cents = amount == amount.quantize(Decimal("0.01"))
    name = model(values["model"]) or (values.get("fee", "") and f"({values['fee']})")
    return BilledLine(
        day(values["date"]), name, values.get("key", ""), amount, HALF_A_CENT if whole_cents else Decimal(0)
    )


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
    """The model that a line is about: of “gpt-x-2026-05-01 flex, input” what stands before mode and comma.

    The ledger's sum of a model is over its calls in every mode.
    """
    return without_date(MODE.sub("", text.partition(",")[0].strip()).removeprefix("models/"))


def cost(text: str) -> Decimal:
    try:
        found = Decimal(text.replace("$", "").replace(" ", ""))
    except InvalidOperation as exc:
        raise Invalid("file", f"{text!r} is no amount in USD") from exc
    if not found.is_finite():
        raise Invalid("file", f"{text!r} is no amount in USD")
    return found
