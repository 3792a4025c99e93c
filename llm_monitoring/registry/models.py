"""Models of the registry: their entries, the approved ones, the current one, and what bounds a call."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal

from llm_monitoring.db import Database, Row, RowErrors, Transaction, load
from llm_monitoring.domain import PROVIDERS, Mode, ProviderName, provider_name, traits
from llm_monitoring.registry.changes import PriceChange, price_changes
from llm_monitoring.registry.discounts import discounts_cached
from llm_monitoring.registry.premiums import premium
from llm_monitoring.registry.price_entries import PriceEntry, read_price, read_price_entry
from llm_monitoring.registry.pricing import NotCallable, Price
from llm_monitoring.registry.served import undated
from llm_monitoring.registry.tariffs import Prices, Tariff, read_prices

SQL = load("registry")

State = Literal["current", "approved", "new", "rejected", "retired"]
STATES: Final[tuple[State, ...]] = ("current", "approved", "new", "rejected", "retired")
ALWAYS_SEARCHES: Final = frozenset(name for name in PROVIDERS if traits(name).always_searches)


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """A model as the registry holds it, approved or waiting. Fields are named as the columns.

    `price` and `suggested` are the entered and the suggested price; `dated_prices` is the JSON of `llm_dated_prices`.
    """

    id: int
    llm_provider: str
    model_id: str
    model_display_name: str | None
    is_current: bool
    is_available: bool
    lifecycle: str | None
    last_seen_at: datetime | None
    last_checked_at: datetime | None
    missing_checks: int
    retires_at: datetime | None
    going_announced_at: datetime | None
    validated_at: datetime | None
    rejected_at: datetime | None
    retired_at: datetime | None
    max_tokens: int | None
    max_output_tokens: int | None
    reasoning_effort: str | None
    max_searches_per_call: int | None
    total_queries: int | None
    total_cost: Decimal | None
    price: PriceEntry
    priced_on: date | None
    dated_prices: str
    suggested: PriceEntry
    suggested_source: str | None
    suggested_at: date | None

    @property
    def name(self) -> str:
        return f"{self.llm_provider}/{self.model_id}"

    @property
    def state(self) -> State:
        """The step of the model between its detection and its retirement."""
        if self.retired_at is not None:
            return "retired"
        if self.is_current:
            return "current"
        if self.is_available:
            return "approved"
        return "new" if self.rejected_at is None else "rejected"

    def read_price(self) -> Price | None:
        """The price in the registry's own columns; None without one above zero. Raises NotCallable if it is invalid."""
        return read_price(self.price, self.name)

    def read_prices(self) -> Prices | None:
        """All prices, the dated ones included; None without one above zero. Raises NotCallable."""
        return read_prices(self.price, self.name, self.priced_on, self.dated_prices)


COLUMNS: Final = tuple(each.name for each in fields(RegistryEntry) if each.name not in ("price", "suggested"))


def read_entry(row: Row) -> RegistryEntry:
    """A row of the registry with its `dated_prices`; prices are not checked before they are asked for."""
    columns: dict[str, Any] = {name: row[name] for name in COLUMNS}
    return RegistryEntry(**columns, price=read_price_entry(row), suggested=read_price_entry(row, "suggested_"))


@dataclass(frozen=True, slots=True)
class Model:
    """An approved model of the registry. `prices` None: it has none above zero and cannot be called."""

    provider: ProviderName
    model_id: str
    display_name: str
    is_current: bool
    prices: Prices | None
    max_output_tokens: int | None
    reasoning_effort: str | None
    max_searches_per_call: int | None

    def search_cap(self, wanted: int) -> int | None:
        """The most searches one call can be billed for; None if nothing bounds them."""
        if traits(self.provider).caps_searches:
            return min(wanted, self.max_searches_per_call or wanted)
        return self.max_searches_per_call

    def searches(self, web_search: bool, wanted: int) -> int:
        """How many searches a call may make; raises NotCallable if their fee or number is unknown."""
        if not web_search and self.provider not in ALWAYS_SEARCHES:
            return 0
        cap = self.search_cap(wanted)
        name, facts = f"{self.provider}/{self.model_id}", {"provider": self.provider, "model_id": self.model_id}
        if cap is None:
            raise NotCallable(f"{name}: web search has no cap on its fees", code="search_cap_missing", **facts)
        if self.prices is not None and not self.prices.sells_search:
            message = f"{name}: web search has no price in llm_model_registry"
            raise NotCallable(message, code="search_price_missing", **facts)
        return cap

    def tariff(self, base_url: str | None) -> Tariff:
        """What the model costs through an endpoint, None being the provider's own; raises NotCallable."""
        if self.prices is None:
            raise NotCallable(f"{self.provider}/{self.model_id} has no price above zero in llm_model_registry")
        premium_here = premium(self.provider, self.model_id, base_url)
        return Tariff(self.prices, premium_here, discounts_cached(self.provider, self.model_id))

    def sells(self, mode: Mode, day: date) -> bool:
        """Whether a call of a day can be made in a mode."""
        return self.prices is not None and self.prices.on(day).factor(mode) is not None


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A change of one model's price."""

    provider: ProviderName
    model_id: str
    change: PriceChange


def read_model(entry: RegistryEntry) -> Model:
    """The model that calls are made to; raises NotCallable for invalid prices, BadInput for an unknown provider."""
    return Model(
        provider=provider_name(entry.llm_provider),
        model_id=entry.model_id,
        display_name=entry.model_display_name or entry.model_id,
        is_current=entry.is_current,
        prices=entry.read_prices(),
        max_output_tokens=entry.max_output_tokens,
        reasoning_effort=entry.reasoning_effort,
        max_searches_per_call=entry.max_searches_per_call,
    )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The approved models as they were when a run started."""

    models: tuple[Model, ...]

    def current(self, provider: ProviderName) -> Model | None:
        return next((m for m in self.models if m.provider == provider and m.is_current), None)

    def judge(self, providers: frozenset[ProviderName], day: date) -> Model | None:
        """The cheapest model of `providers` on a day, of those approved and priced, that answers without a search."""
        priced = [
            (model.prices.on(day), model)
            for model in self.models
            if model.provider in providers - ALWAYS_SEARCHES and model.prices is not None
        ]
        return min(priced, key=lambda each: token_price(each[0]), default=(None, None))[1]


def token_price(price: Price) -> Decimal:
    return price.tiers[0].input + price.tiers[0].output


def read_catalogue(db: Database, errors: RowErrors | None = None) -> Catalogue:
    """The approved models, read once per run; one with a row that cannot be read is left out."""
    models, errors = [], errors or RowErrors()
    for row in db.all(SQL.callable_models):
        if row["llm_provider"] in PROVIDERS:
            with errors.guard("read_model", f"{row['llm_provider']}/{row['model_id']}", provider=row["llm_provider"]):
                models.append(read_model(read_entry(row)))
    return Catalogue(tuple(models))


def coming_changes(db: Database, today: date) -> list[ModelChange]:
    """What approved models' prices will change to within 60 days, and what is charged without a decision."""
    return [
        ModelChange(model.provider, model.model_id, change)
        for model in read_catalogue(db).models
        if model.prices is not None
        for change in price_changes(model.prices, today)
    ]


def find_model(db: Database, provider: ProviderName, model_id: str) -> Model | None:
    """One model, whatever its state."""
    row = db.one(SQL.model, {"provider": provider, "model_id": model_id})
    return None if row is None else read_model(read_entry(row))


def find_served(db: Database, provider: ProviderName, model_id: str) -> Model | None:
    """The registered model that a reply names, with or without its date."""
    return find_model(db, provider, model_id) or find_model(db, provider, undated(model_id))


def overview(db: Database, provider: ProviderName | None = None) -> list[Row]:
    """Every column of every model, of one provider or of all, for callers that pass rows on."""
    return db.all(SQL.overview, {"provider": provider})


def read_entries(db: Database, provider: ProviderName | None = None) -> list[RegistryEntry]:
    """Every model of the registry, of one provider or of all."""
    return [read_entry(row) for row in overview(db, provider)]


def count_usage(db: Database, run_id: int, errors: RowErrors) -> None:
    """Add the calls of a finished run, and of those that died before it, to the models' own totals; each run once.

    Those of a batch are added by the first run that ends after the batch was collected, whichever run asked them.

    A model that refuses its sums stays as it is; what it was charged is in the ledger.
    """

    def count(tx: Transaction) -> None:
        counted = [row["id"] for row in tx.all(SQL.mark_counted, {"run_id": run_id})]
        batches = [str(row["id"]) for row in tx.all(SQL.mark_batches_counted)]
        for row in tx.all(SQL.usage_of, {"run_ids": counted, "batch_ids": batches}):
            name = f"{row['llm_provider']}/{row['model_id']}"
            with errors.guard("count_usage", name, provider=row["llm_provider"]), tx.savepoint():
                tx.execute(SQL.count_usage, row)

    db.transact(count)


def adopt_due_prices(db: Database, day: date) -> int:
    """Copy the price that an admin entered for a day into the columns of the registry, once that day has begun."""
    return db.execute(SQL.adopt_due_prices, {"day": day})
