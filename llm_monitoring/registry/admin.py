"""What an admin decides about models: prices, approval, which one answers; each change with who, when and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal

from llm_monitoring import registry
from llm_monitoring.db.database import Database, Json, Rejected, Row, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.domain import ProviderName
from llm_monitoring.errors import BadInput
from llm_monitoring.registry import Model

SQL = load("registry_admin")

State = Literal["current", "approved", "new", "rejected", "retired"]
STATES: Final[tuple[State, ...]] = ("current", "approved", "new", "rejected", "retired")
EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

PRICES: Final = {
    "input": "cost_per_1m_input_tokens",
    "output": "cost_per_1m_output_tokens",
    "cached": "cost_per_1m_cached_input_tokens",
    "cache_write": "cost_per_1m_cache_write_tokens",
    "cache_write_1h": "cost_per_1m_cache_write_1h_tokens",
    "searches": "cost_per_1k_searches",
    "request": "cost_per_request",
    "priority_factor": "priority_factor",
}
SUGGESTED: Final = {
    column: f"suggested_{column}" for column in (*PRICES.values(), "price_tiers") if column != "cost_per_request"
}
NEVER_ZERO: Final = frozenset({"input", "output", "searches"})
TIER_RATES: Final = ("input", "output", "cached", "cache_write", "cache_write_1h")
DECISION: Final = frozenset({PRICES["input"], PRICES["output"]})
TOO_DEAR: Final = Decimal(100_000)  # a price per token, or a slip of the comma
SMALLEST: Final = Decimal("1e-10")  # what the columns hold


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes the registry, and why."""

    by: str
    reason: str


def state(row: Row) -> State:
    """Where a model stands between its detection and its retirement."""
    if row["retired_at"] is not None:
        return "retired"
    if row["is_current"]:
        return "current"
    if row["is_available"]:
        return "approved"
    return "new" if row["rejected_at"] is None else "rejected"


def find(db: Database, provider: ProviderName | None, model_id: str) -> Row:
    """One model by provider and id, or by an id that one provider has; raises BadInput."""
    rows = db.all(SQL.find, {"provider": provider, "model_id": model_id})
    if len(rows) == 1:
        return rows[0]
    exact = [row for row in rows if row["model_id"] == model_id]
    if provider is not None and len(exact) == 1:
        return exact[0]
    named = f"{provider}/{model_id}" if provider else model_id
    if not rows:
        raise BadInput(f"model {named} is not registered: see `python -m llm_monitoring models list`")
    known = " or ".join(f"{row['llm_provider']}/{row['model_id']}" for row in rows)
    raise BadInput(f"model {named} is ambiguous: say {known}")


def require_ready(row: Row) -> Model:
    """The model where it may become the current one; raises BadInput that says what is missing."""
    name = full_name(row)
    fix = f"{row['llm_provider']} {row['model_id']}"
    if row["retired_at"] is not None or not row["is_available"]:
        raise BadInput(
            f"{name} is {state(row)}, not approved: review it, then `python -m llm_monitoring models approve {fix}`"
        )
    model = registry.read_model(row)
    if model.prices is None:
        raise BadInput(f"{name} has no prices above zero: set them with `python -m llm_monitoring models price {fix}`")
    return model


def full_name(row: Row) -> str:
    return f"{row['llm_provider']}/{row['model_id']}"


def change(db: Database, row: Row, author: Author, apply: Callable[[Transaction, Row], object]) -> None:
    """Apply a change to a model under the lock of its provider's rows; `apply` sees it as it is by then."""

    def work(tx: Transaction) -> None:
        set_author(tx, author)
        rows = lock_models(tx, row["llm_provider"])
        apply(tx, next(each for each in rows if each["id"] == row["id"]))

    db.transact(work)


def set_author(tx: Transaction, author: Author) -> None:
    """Name the author of what this transaction changes, for the changelog."""
    tx.one(SQL.set_author, {"by": author.by, "reason": author.reason})


def lock_models(tx: Transaction, provider: str) -> list[Row]:
    """A provider's models, locked in one order: whoever changes several of them waits here."""
    return tx.all(SQL.lock_provider, {"provider": provider})


def approve(db: Database, row: Row, author: Author, reasoning_effort: str | None = None) -> None:
    """Let a model be used; `reasoning_effort` None leaves the one it has."""
    params = {"id": row["id"], "reasoning_effort": reasoning_effort}
    change(db, row, author, lambda tx, fresh: tx.execute(SQL.approve, params))


def reject(db: Database, row: Row, author: Author) -> None:
    """Keep a model out of use; raises BadInput for a provider's current one."""

    def apply(tx: Transaction, fresh: Row) -> None:
        refuse_current(fresh, "rejected")
        tx.execute(SQL.reject, {"id": row["id"]})

    change(db, row, author, apply)


def retire(db: Database, row: Row, author: Author) -> None:
    """Take a model out of use for good; raises BadInput for a provider's current one."""

    def apply(tx: Transaction, fresh: Row) -> None:
        refuse_current(fresh, "retired")
        tx.execute(SQL.retire, {"id": row["id"]})

    change(db, row, author, apply)


def refuse_current(row: Row, verb: str) -> None:
    if row["is_current"]:
        raise BadInput(
            f"{full_name(row)} answers for {row['llm_provider']} and cannot be {verb}: activate another model first"
        )


def mark_validated(db: Database, row: Row, author: Author) -> None:
    """Note that the model answered a real question just now."""
    change(db, row, author, lambda tx, fresh: tx.execute(SQL.mark_validated, {"id": row["id"]}))


def switch(db: Database, row: Row, author: Author) -> None:
    """Make a model its provider's current one; raises BadInput where it is not approved and priced by now."""

    def apply(tx: Transaction, fresh: Row) -> None:
        require_ready(fresh)
        params = {"provider": fresh["llm_provider"], "id": fresh["id"]}
        tx.execute(SQL.unset_current, params)
        tx.execute(SQL.set_current, params)

    change(db, row, author, apply)


def current(db: Database, provider: ProviderName) -> Row | None:
    """The provider's current model."""
    return next((row for row in registry.overview(db, provider) if row["is_current"]), None)


def suggested_prices(row: Row, day: date) -> dict[str, Any]:
    """The suggested prices for a day as values of `set_prices`; raises BadInput if there are none.

    A known rise that has begun by then counts with them, at the dearer of the two.
    """
    if not row["suggested_cost_per_1m_input_tokens"]:
        raise BadInput(f"{full_name(row)} has no suggested prices: give them as options")
    found = {column: row[source] for column, source in SUGGESTED.items()}
    return {column: value for column, value in with_rise(row, found, day).items() if value is not None}


def with_rise(row: Row, values: Mapping[str, Any], day: date) -> dict[str, Any]:
    """`values` by column, each at the dearer of itself and the known rise that counts on a day."""
    prices = registry.read_prices(row)
    rise = None if prices is None else prices.rise(day)
    if rise is None:
        return dict(values)
    amounts = {
        column: max((each for each in (values[column], rise.columns[column]) if each is not None), default=None)
        for column in values
        if column in PRICES.values()
    }
    return {**values, **amounts}


@dataclass(frozen=True, slots=True)
class Since:
    """The day from which prices hold, seen from today (both UTC)."""

    day: date
    today: date


def set_prices(db: Database, row: Row, prices: Mapping[str, Any], author: Author, since: Since) -> None:
    """Change a model's prices; `prices` maps columns to values, what is left out stays. Raises BadInput.

    Input and output together are a decision: what is known of rises until then counts no more. Prices of a later day
    are kept apart until it begins.
    """
    check_prices(prices)
    if since.day > since.today:
        refuse_undecided(prices)

    def apply(tx: Transaction, fresh: Row) -> None:
        decided = prices.keys() >= DECISION
        columns = (*PRICES.values(), "price_tiers")
        kept = {column: fresh[column] for column in columns}
        merged = {**(with_rise(fresh, kept, since.day) if decided else kept), **prices}
        refuse_stale_tiers(fresh, prices)
        params = {**merged, "price_tiers": Json(merged["price_tiers"])}
        if since.day > since.today:
            names = {"llm_provider": fresh["llm_provider"], "model_id": fresh["model_id"]}
            detail = f"{author.by}: {author.reason}"
            tx.execute(SQL.set_dated_price, {**params, **names, "valid_from": since.day, "detail": detail})
            return
        cap = prices.get("max_searches_per_call", fresh["max_searches_per_call"])
        day = since.day if decided else None
        tx.execute(SQL.set_prices, {**params, "max_searches_per_call": cap, "priced_on": day, "id": fresh["id"]})

    try:
        change(db, row, author, apply)
    except Rejected as exc:
        raise BadInput(f"{full_name(row)}: these prices are refused: {exc}") from exc


def refuse_undecided(prices: Mapping[str, Any]) -> None:
    """Raise BadInput for prices of a later day that are not whole."""
    if "max_searches_per_call" in prices:
        raise BadInput("a cap on searches holds from now on: set it without --from")
    if not prices.keys() >= DECISION:
        raise BadInput("prices of a later day need --input and --output, or --suggested")


def refuse_stale_tiers(row: Row, prices: Mapping[str, Any]) -> None:
    """A new base price beside old tiers would charge long prompts by a price that nobody looked at."""
    rates = {PRICES[name] for name in TIER_RATES}
    if row["price_tiers"] and rates & prices.keys() and "price_tiers" not in prices:
        raise BadInput(f"{full_name(row)} has price tiers as well: give them again with --tier, or say --no-tiers")


def check_prices(prices: Mapping[str, Any]) -> None:
    """Raise BadInput on the first value that is no price."""
    if not prices:
        raise BadInput("say what to set: --input, --output or another price, or --suggested")
    for name, column in PRICES.items():
        if prices.get(column) is not None:
            check_amount(name, prices[column], above_zero=name in NEVER_ZERO)
    check_tiers(prices.get("price_tiers", ()))


def check_amount(name: str, value: Decimal, *, above_zero: bool) -> None:
    label = name.replace("_", " ")
    if not value.is_finite() or value < 0 or value >= TOO_DEAR:
        raise BadInput(f"{label}: {value} is no price in USD from 0 to {TOO_DEAR:,}")
    if above_zero and not value:
        raise BadInput(f"{label}: a price of zero would make calls free; give the real one")
    if value != value.quantize(SMALLEST):
        raise BadInput(f"{label}: {value} has more than ten decimals")


def check_tiers(tiers: Sequence[Mapping[str, Any]]) -> None:
    starts = [tier["above_input_tokens"] for tier in tiers]
    if len(set(starts)) < len(starts):
        raise BadInput("two price tiers start at the same number of input tokens")
    for tier in tiers:
        for name in TIER_RATES:
            if name in tier:
                check_amount(f"tier {name}", Decimal(tier[name]), above_zero=name in NEVER_ZERO)


def history(db: Database, provider: str | None, model_id: str | None, limit: int) -> list[Row]:
    """The latest changes, newest first, of one model or of all; `changes` maps a column to (before, after)."""
    rows = db.all(SQL.history, {"provider": provider, "model_id": model_id, "limit": limit})
    return [row | {"changes": json.loads(row["changes"], parse_float=Decimal)} for row in rows]
