"""An admin's decisions on models: prices, approval, the current one; each is recorded with its author and reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from llm_monitoring import registry
from llm_monitoring.db import Database, Json, Rejected, Row, Transaction, load
from llm_monitoring.domain import ProviderName
from llm_monitoring.errors import Invalid, NotFound, NotReady
from llm_monitoring.registry import Model, PriceEntry, PriceUpdate, RegistryEntry, read_entry
from llm_monitoring.registry.price_entries import COLUMNS, MODE_FACTORS, NOT_SUGGESTED
from llm_monitoring.registry.pricing import known_most

SQL = load("registry_admin")

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

NEVER_ZERO: Final = frozenset({"input", "output", "searches", *MODE_FACTORS})
TIER_RATES: Final = ("input", "output", "cached", "cache_write", "cache_write_1h")
TOO_DEAR: Final = Decimal(100_000)  # a price per token, or a slip of the comma
SMALLEST: Final = Decimal("1e-10")  # what the columns hold


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a change of the registry and the reason for it."""

    by: str
    reason: str


def find(db: Database, provider: ProviderName | None, model_id: str) -> RegistryEntry:
    """One model by provider and id, or by an id that one provider has; raises NotFound, Invalid if several have it."""
    return read_entry(find_row(db, provider, model_id))


def find_row(db: Database, provider: ProviderName | None, model_id: str) -> Row:
    """Every column of one model, for callers that pass the row on; raises as `find`."""
    rows = db.all(SQL.find, {"provider": provider, "model_id": model_id})
    if len(rows) == 1:
        return rows[0]
    exact = [row for row in rows if row["model_id"] == model_id]
    if provider is not None and len(exact) == 1:
        return exact[0]
    name = f"{provider}/{model_id}" if provider else model_id
    if not rows:
        raise NotFound("model", name, f"model {name} is not registered")
    known = " or ".join(f"{row['llm_provider']}/{row['model_id']}" for row in rows)
    raise Invalid("model", f"model {name} is ambiguous: say {known}")


def require_ready(entry: RegistryEntry) -> Model:
    """The model if it may become the current one; raises NotReady, NotCallable for invalid prices."""
    facts = {"provider": entry.llm_provider, "model_id": entry.model_id}
    if entry.retired_at is not None or not entry.is_available:
        message = f"{entry.name} is {entry.state}, not approved"
        raise NotReady("model", entry.name, message, code="model_unapproved", **facts)
    model = registry.read_model(entry)
    if model.prices is None:
        raise NotReady("model", entry.name, f"{entry.name} has no prices above zero", code="model_unpriced", **facts)
    return model


def change(
    db: Database, entry: RegistryEntry, author: Author, apply: Callable[[Transaction, RegistryEntry], object]
) -> None:
    """Apply a change to a model while its provider's rows are locked; `apply` gets the entry as it is by then."""

    def work(tx: Transaction) -> None:
        set_author(tx, author)
        apply(tx, next(each for each in lock_models(tx, entry.llm_provider) if each.id == entry.id))

    db.transact(work)


def set_author(tx: Transaction, author: Author) -> None:
    """Name the author of the changes of this transaction, for the changelog."""
    tx.one(SQL.set_author, {"by": author.by, "reason": author.reason})


def lock_models(tx: Transaction, provider: str) -> list[RegistryEntry]:
    """A provider's models, locked in one order, so that two changes of several of them wait for each other."""
    return [read_entry(row) for row in tx.all(SQL.lock_provider, {"provider": provider})]


def approve(db: Database, entry: RegistryEntry, author: Author, reasoning_effort: str | None = None) -> None:
    """Let a model be used; `reasoning_effort` None leaves the one it has."""
    params = {"id": entry.id, "reasoning_effort": reasoning_effort}
    change(db, entry, author, lambda tx, fresh: tx.execute(SQL.approve, params))


def reject(db: Database, entry: RegistryEntry, author: Author) -> None:
    """Keep a model out of use; raises NotReady for a provider's current one."""

    def apply(tx: Transaction, fresh: RegistryEntry) -> None:
        refuse_current(fresh, "rejected")
        tx.execute(SQL.reject, {"id": fresh.id})

    change(db, entry, author, apply)


def retire(db: Database, entry: RegistryEntry, author: Author) -> None:
    """Take a model out of use for good; raises NotReady for a provider's current one."""

    def apply(tx: Transaction, fresh: RegistryEntry) -> None:
        refuse_current(fresh, "retired")
        tx.execute(SQL.retire, {"id": fresh.id})

    change(db, entry, author, apply)


def refuse_current(entry: RegistryEntry, verb: str) -> None:
    if entry.is_current:
        message = f"{entry.name} answers for {entry.llm_provider} and cannot be {verb}: activate another model first"
        raise NotReady("model", entry.name, message)


def mark_validated(db: Database, entry: RegistryEntry, author: Author) -> None:
    """Record that the model answered a real question just now."""
    change(db, entry, author, lambda tx, fresh: tx.execute(SQL.mark_validated, {"id": entry.id}))


def switch(db: Database, entry: RegistryEntry, author: Author) -> None:
    """Make a model its provider's current one; raises NotReady if it is not approved and priced by now."""

    def apply(tx: Transaction, fresh: RegistryEntry) -> None:
        require_ready(fresh)
        params = {"provider": fresh.llm_provider, "id": fresh.id}
        tx.execute(SQL.unset_current, params)
        tx.execute(SQL.set_current, params)

    change(db, entry, author, apply)


def current(db: Database, provider: ProviderName) -> RegistryEntry | None:
    """The provider's current model."""
    return next((entry for entry in registry.read_entries(db, provider) if entry.is_current), None)


def suggested_prices(entry: RegistryEntry, day: date) -> PriceUpdate:
    """The suggested prices for a day; raises NotReady if there are none.

    If a known rise has begun by then, each amount is the dearer of the two.
    """
    if not entry.suggested.input:
        message = f"{entry.name} has no suggested prices"
        raise NotReady("model", entry.name, message, code="suggestion_missing")
    found = with_rise(entry, entry.suggested, day)
    amounts: dict[str, Any] = {name: found.amount(name) for name in COLUMNS.keys() - NOT_SUGGESTED}
    return PriceUpdate(**amounts, tiers=found.tiers)


def with_rise(entry: RegistryEntry, price: PriceEntry, day: date) -> PriceEntry:
    """`price` with each amount at the dearer of itself and the known rise that is in force on a day."""
    prices = entry.read_prices()
    rise = None if prices is None else prices.rise(day)
    if rise is None:
        return price
    amounts: dict[str, Any] = {name: known_most((price.amount(name), rise.entry.amount(name))) for name in COLUMNS}
    return replace(price, **amounts)


@dataclass(frozen=True, slots=True)
class Since:
    """The day from which prices are in force, and today (both UTC)."""

    day: date
    today: date

    @property
    def is_later(self) -> bool:
        return self.day > self.today


def set_prices(db: Database, entry: RegistryEntry, update: PriceUpdate, author: Author, since: Since) -> None:
    """Change a model's prices; raises Invalid.

    Input and output together are a decision: rises that are known until then no longer count. Prices of a later day
    are kept apart until it begins.
    """
    check_update(update)
    if since.is_later:
        refuse_undecided(update)

    def apply(tx: Transaction, fresh: RegistryEntry) -> None:
        refuse_stale_tiers(fresh, update)
        if since.is_later:
            keep_dated_price(tx, fresh, update, author, since.day)
        else:
            replace_prices(tx, fresh, update, since.day)

    try:
        change(db, entry, author, apply)
    except Rejected as exc:
        raise Invalid("prices", f"{entry.name}: these prices are refused: {exc}") from exc


def replace_prices(tx: Transaction, entry: RegistryEntry, update: PriceUpdate, day: date) -> None:
    """Change the registry's own columns."""
    cap = update.max_searches_per_call
    params = {
        "id": entry.id,
        "max_searches_per_call": entry.max_searches_per_call if cap is None else cap,
        "priced_on": day if update.is_decision else None,
    }
    tx.execute(SQL.set_prices, {**price_params(entry, update, day), **params})


def keep_dated_price(tx: Transaction, entry: RegistryEntry, update: PriceUpdate, author: Author, day: date) -> None:
    """Store a price that begins on a later day."""
    params = {
        "llm_provider": entry.llm_provider,
        "model_id": entry.model_id,
        "valid_from": day,
        "detail": f"{author.by}: {author.reason}",
    }
    tx.execute(SQL.set_dated_price, {**price_params(entry, update, day), **params})


def price_params(entry: RegistryEntry, update: PriceUpdate, day: date) -> dict[str, Any]:
    """The price after an update, by column; a decision starts from the known rise if that is dearer."""
    given = {name: value for name, value in update.given().items() if name != "max_searches_per_call"}
    before = with_rise(entry, entry.price, day) if update.is_decision else entry.price
    columns = replace(before, **given).columns()
    return {**columns, "price_tiers": Json(columns["price_tiers"])}


def refuse_undecided(update: PriceUpdate) -> None:
    """Raise Invalid for an incomplete price of a later day."""
    if update.max_searches_per_call is not None:
        raise Invalid("max_searches_per_call", "a cap on searches holds from now on", code="cap_dated")
    if not update.is_decision:
        raise Invalid("prices", "prices of a later day are an input and an output price", code="dated_price_partial")


def refuse_stale_tiers(entry: RegistryEntry, update: PriceUpdate) -> None:
    """Raise Invalid for a new base price next to old tiers: the price of long prompts was not reviewed."""
    if entry.price.tiers and update.given().keys() & set(TIER_RATES) and update.tiers is None:
        raise Invalid("tiers", f"{entry.name} has price tiers as well", code="tiers_stale")


def check_update(update: PriceUpdate) -> None:
    """Raise Invalid for the first value that cannot be a price."""
    given = update.given()
    if not given:
        raise Invalid("prices", "say what to set", code="prices_missing")
    if contradicting := update.not_sold & {name for name in MODE_FACTORS if getattr(update, name) is not None}:
        raise Invalid(min(contradicting), f"{min(contradicting)} is given and taken away")
    for name in COLUMNS:
        if given.get(name) is not None:
            check_amount(name, given[name], above_zero=name in NEVER_ZERO)
    for name in MODE_FACTORS:
        if (factor := given.get(name)) is not None and factor > 1:
            raise Invalid(name, f"{name.replace('_', ' ')}: {factor} is above 1: a mode is never dearer than standard")
    check_tiers(update.tiers or ())


def check_amount(name: str, value: Decimal, *, above_zero: bool) -> None:
    label = name.replace("_", " ")
    if not value.is_finite() or value < 0 or value >= TOO_DEAR:
        raise Invalid(name, f"{label}: {value} is not a price in USD from 0 to {TOO_DEAR:,}")
    if above_zero and not value:
        raise Invalid(name, f"{label}: a price of zero would make calls free; give the real one")
    if value != value.quantize(SMALLEST):
        raise Invalid(name, f"{label}: {value} has more than ten decimals")


def check_tiers(tiers: Sequence[Mapping[str, Any]]) -> None:
    starts = [tier["above_input_tokens"] for tier in tiers]
    if len(set(starts)) < len(starts):
        raise Invalid("tiers", "two price tiers start at the same number of input tokens")
    for tier in tiers:
        for name in TIER_RATES:
            if name in tier:
                check_amount(f"tier {name}", Decimal(tier[name]), above_zero=name in NEVER_ZERO)


def history(db: Database, provider: str | None, model_id: str | None, limit: int) -> list[Row]:
    """The latest changes, newest first, of one model or of all; `changes` maps a column to (before, after)."""
    rows = db.all(SQL.history, {"provider": provider, "model_id": model_id, "limit": limit})
    return [row | {"changes": json.loads(row["changes"], parse_float=Decimal)} for row in rows]
