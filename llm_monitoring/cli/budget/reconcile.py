"""`budget reconcile`: a month of the ledger beside what a provider says that it billed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import IO, Any, Final

import click

from llm_monitoring.cli.base.command import PROVIDER, example, json_option
from llm_monitoring.cli.base.output import Columns, print_table, say, show_json, usd
from llm_monitoring.cli.base.session import Session
from llm_monitoring.cli.budget.cost_exports import Line, model_key, read_export
from llm_monitoring.db import Row
from llm_monitoring.domain import ProviderName
from llm_monitoring.errors import Invalid
from llm_monitoring.keys.store import ListedKey
from llm_monitoring.registry.served import without_date

TOLERATED_PERCENT: Final = Decimal(1)
ALL_KEYS: Final = "all"
SHOWN: Final[Columns] = {
    "Key": "key", "Model": "model", "Calls": "calls", "Ledger": lambda row: usd(row["ledger_usd"]),
    "of it in doubt": lambda row: usd(row["in_doubt_usd"]), "Provider": lambda row: usd(row["provider_usd"]),
    "Difference": lambda row: usd(row["difference_usd"]), "%": "percent",
}  # fmt: skip


class Month(click.ParamType[date, Any]):
    """A calendar month."""

    name = "YYYY-MM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", str(value)) or str(value) < "0001":
            raise Invalid("month", f"{value!r} is no month: write YYYY-MM")
        return date.fromisoformat(f"{value}-01")


@dataclass(slots=True)
class Pair:
    """What ledger and provider say of one key and model, in USD."""

    calls: int = 0
    ledger: Decimal = Decimal(0)
    in_doubt: Decimal = Decimal(0)
    provider: Decimal = Decimal(0)
    rounding: Decimal = Decimal(0)

    def row(self, key: str, model: str) -> Row:
        return {
            "key": key, "model": model, "calls": self.calls, "ledger_usd": self.ledger, "in_doubt_usd": self.in_doubt,
            "provider_usd": self.provider, "difference_usd": self.ledger - self.provider, "percent": self.percent,
        }  # fmt: skip

    @property
    def percent(self) -> Decimal | None:
        """The difference in percent of what the provider billed; None where it billed nothing."""
        return round(100 * (self.ledger - self.provider) / self.provider, 2) if self.provider else None

    @property
    def agrees(self) -> bool:
        tolerated = max(TOLERATED_PERCENT * abs(self.provider) / 100, self.rounding)
        return abs(self.ledger - self.provider) <= tolerated


@click.command(epilog=example("budget reconcile --provider openai --csv costs.csv --month 2026-10"))
@click.option("--provider", type=PROVIDER, required=True, help="Whose export it is.")
@click.option("--csv", "file", type=click.File("rb"), required=True, help="The export; - reads standard input.")
@click.option("--month", type=Month(), help="Which month, in UTC; the current one where none is named.")
@json_option
@click.pass_context
def reconcile(
    ctx: click.Context, *, provider: ProviderName, file: IO[bytes], month: date | None, as_json: bool
) -> None:
    """Compare a month of the ledger with a provider's cost export, key by key and model by model.

    The file is CSV with a header, and its titles may be in any order and case. Needed are a day (date, usage_date_utc,
    start_time_iso, start_time …), a model (model, model_version, line_item …) and an amount in USD (cost_usd,
    amount_value, cost …); a key (api_key_last4, api_key …) splits the comparison where it ends in the last four
    characters of a key that is stored here. That covers the cost exports of OpenAI (grouped by line item) and of
    Anthropic, and “date,model,api_key_last4,cost_usd” for every other. Lines of other months are left out. A dated
    model counts as its name without the date, a display name as its model; fees that an export lists apart from models
    are lines of their own.

    Differences are ledger minus provider, in USD and in percent of the provider's amount. Calls in doubt are in the
    ledger at their ceiling, so it may hold more than was billed, never less. Exits with 1 if the sum or a line differs
    by more than 1 percent and by more than half a cent for each amount that the export rounds to whole cents.
    """
    month = month or datetime.now(UTC).date().replace(day=1)
    read = read_export(file, provider)
    billed = [line for line in read if line.day.replace(day=1) == month]
    with ctx.ensure_object(Session).app() as app:
        ledger = app.budget.month_by_model(provider, month)
        keys = [key for key in app.keys.listing() if key.provider == provider]
    ungrouped = bool(billed) and not any(line.model for line in billed)
    pairs = compare(ledger, billed, keys, by_model=not ungrouped)
    total = summed(pairs.values())
    rows = [pair.row(key, model) for (key, model), pair in sorted(pairs.items())]
    agrees = total.agrees and all(pair.agrees for pair in pairs.values())
    if as_json:
        show_json({"month": month, "agrees": agrees, "total": total.row(ALL_KEYS, ALL_KEYS), "lines": rows})
    else:
        tell(provider, month, len(billed), len(read) - len(billed), [*rows, total.row(ALL_KEYS, ALL_KEYS)])
        if ungrouped:
            say("The export is grouped by nothing: only the sum is compared. Group it by line item to see models.")
        say("They agree within 1 %." if agrees else "THEY DIFFER by more than 1 %.")
    ctx.exit(0 if agrees else 1)


def tell(provider: str, month: date, used: int, left_out: int, rows: list[Row]) -> None:
    other = f", {left_out} of other months left out" if left_out else ""
    say(f"{provider}, {month:%Y-%m}: {used} lines of the export{other}; amounts in USD.")
    print_table(rows, SHOWN)


def compare(
    ledger: Iterable[Row], billed: Iterable[Line], keys: Iterable[ListedKey], *, by_model: bool = True
) -> dict[tuple[str, str], Pair]:
    """Put both sides under the same key and model; without keys in the export, under one name for all keys."""
    billed, names, labels = list(billed), key_names(keys), Labels(by_model=by_model)
    split = any(name_of(line.key, names) for line in billed)
    pairs: dict[tuple[str, str], Pair] = defaultdict(Pair)
    for row in ledger:
        pair = pairs[owner_name(row["key_user_id"], names) if split else ALL_KEYS, labels.name(row["model_id"])]
        pair.calls += row["calls"]
        pair.ledger += row["charged_usd"]
        pair.in_doubt += row["in_doubt_usd"] or Decimal(0)
    for line in billed:
        key = (name_of(line.key, names) or line.key or "no key") if split else ALL_KEYS
        pair = pairs[key, labels.name(line.model)]
        pair.provider += line.cost_usd
        pair.rounding += line.rounding_usd
    return dict(pairs)


class Labels:
    """One name for each model, the ledger's if it has one: exports write ids, dated ids or display names."""

    def __init__(self, *, by_model: bool) -> None:
        self.by_model = by_model
        self.names: dict[object, str] = {}

    def name(self, model: str) -> str:
        return self.names.setdefault(model_key(model), without_date(model)) if self.by_model else ALL_KEYS


def key_names(keys: Iterable[ListedKey]) -> Mapping[str, frozenset[int | None]]:
    """Whose keys end in these four characters; the operator is None."""
    found: dict[str, set[int | None]] = defaultdict(set)
    for key in keys:
        if key.last_four:
            found[key.last_four].add(key.user_id)
    return {last_four: frozenset(owners) for last_four, owners in found.items()}


def name_of(told: str, names: Mapping[str, frozenset[int | None]]) -> str | None:
    """The name of the key that an export means; None where it is none of ours."""
    last_four = told.strip()[-4:]
    return f"…{last_four}" if last_four in names else None


def owner_name(user_id: int | None, names: Mapping[str, frozenset[int | None]]) -> str:
    ends = sorted(last_four for last_four, owners in names.items() if user_id in owners)
    if ends:
        return f"…{ends[0]}"
    return "the operator's" if user_id is None else f"user {user_id}'s"


def summed(pairs: Iterable[Pair]) -> Pair:
    total = Pair()
    for pair in pairs:
        total.calls += pair.calls
        total.ledger += pair.ledger
        total.in_doubt += pair.in_doubt
        total.provider += pair.provider
        total.rounding += pair.rounding
    return total
