"""The weekly check: compares the providers' lists with the registry and brings it up to date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from llm_monitoring.db import AlreadyHeld, Database, ExclusiveLock, Json, RowErrors, Transaction, load
from llm_monitoring.domain import ProviderName
from llm_monitoring.keys.listing import ListingKey, list_models
from llm_monitoring.model_review import suggested_prices
from llm_monitoring.model_review.findings import ModelReview, Rises, check_entry, examine
from llm_monitoring.model_review.suggested_prices import SuggestedPrice, suggest
from llm_monitoring.providers import AuthFailed, ModelInfo
from llm_monitoring.registry import RegistryEntry, admin
from llm_monitoring.registry.admin import Author
from llm_monitoring.settings import Settings

SQL = load("model_review")

LOCK_KEY: Final = 0x4C4C4D5F_4D4F444C  # "LLM_MODL"
LONGEST_NAME: Final = 255  # what the column holds


class AlreadyChecking(AlreadyHeld):
    """Another session holds the lock of the weekly check."""

    work: ClassVar[str] = "another weekly check is at work"


class CheckLock(ExclusiveLock):
    """The lock that allows one weekly check at a time, next to daily runs; raises AlreadyChecking."""

    refusal: ClassVar[type[AlreadyHeld]] = AlreadyChecking

    def __init__(self, db: Database) -> None:
        super().__init__(db, LOCK_KEY)


def list_models_with(
    provider: ProviderName, keys: Sequence[ListingKey], settings: Settings
) -> tuple[list[ModelInfo], ListingKey]:
    """The provider's list and the key that it was read with: the first one that the provider accepts."""
    *others, last = keys
    for key in others:
        try:
            return list_models(provider, key.secret, settings), key
        except AuthFailed:
            continue
    return list_models(provider, last.secret, settings), last


def check(
    db: Database,
    provider: ProviderName,
    listed: Sequence[ModelInfo],
    now: datetime,
    errors: RowErrors,
    *,
    write: bool,
) -> ModelReview:
    """Compare the provider's list with the registry and, with `write`, bring the registry up to date.

    A model with a row that cannot be read or written is left as it is.
    """
    done: list[ModelReview] = []

    def work(tx: Transaction) -> ModelReview:
        entries = admin.lock_models(tx, provider)
        if done and any(entry.last_checked_at == now for entry in entries):
            return done[-1]  # it was committed before its connection broke
        readable = [entry for entry in entries if is_readable(entry, now, errors)]
        broken = {entry.model_id for entry in entries} - {entry.model_id for entry in readable}
        done[:] = [examine(provider, readable, [info for info in listed if info.model_id not in broken], now)]
        if write:
            record(tx, done[-1], now, errors)
        return done[-1]

    return db.transact(work)


def is_readable(entry: RegistryEntry, now: datetime, errors: RowErrors) -> bool:
    """Whether the check can compare an entry."""
    with errors.guard("read_model", entry.name, provider=entry.llm_provider) as work:
        check_entry(entry, now)
    return work.error is None


def record(tx: Transaction, review: ModelReview, now: datetime, errors: RowErrors) -> None:
    """Store what a check found: new models, which ones were listed or missing, suggested prices."""
    provider = review.provider
    admin.set_author(tx, Author("weekly_check", f"what {provider} lists"))

    @contextmanager
    def one_model(model_id: str) -> Iterator[None]:
        with errors.guard("update_model", f"{provider}/{model_id}", provider=provider), tx.savepoint():
            yield

    for new in review.new:
        with one_model(new.info.model_id):
            add_model(tx, provider, new.info, now)
    for info in review.seen:
        with one_model(info.model_id):
            tx.execute(
                SQL.mark_seen, {**columns(provider, info), "now": now, "lists_end_dates": review.lists_end_dates}
            )
    for model_id in review.missing:
        with one_model(model_id):
            tx.execute(SQL.mark_missing, {"provider": provider, "model_id": model_id, "now": now})
    retiring = [each.model_id for each in review.retiring]
    with one_model("*"):
        tx.execute(SQL.mark_announced, {"provider": provider, "retiring": retiring, "now": now})
    for model_id, suggestion in review.suggestions.items():
        with one_model(model_id):
            store_suggestion(tx, provider, model_id, suggestion, now)
            store_rises(tx, provider, model_id, review.rises[model_id], now)


def add_model(tx: Transaction, provider: ProviderName, info: ModelInfo, seen_at: datetime | None) -> bool:
    """Register a model, switched off and unpriced; False if it was registered already."""
    return tx.one(SQL.add_model, {**columns(provider, info), "seen_at": seen_at}) is not None


def columns(provider: ProviderName, info: ModelInfo) -> dict[str, object]:
    return {
        "provider": provider,
        "model_id": info.model_id,
        "display_name": info.display_name[:LONGEST_NAME],
        "max_input_tokens": info.max_input_tokens,
        "max_output_tokens": info.max_output_tokens,
        "lifecycle": info.lifecycle,
        "retires_at": info.retires_at,
    }


def store_suggestion(
    tx: Transaction, provider: ProviderName, model_id: str, suggestion: SuggestedPrice, now: datetime
) -> None:
    columns = price_columns(suggestion)
    name = {"provider": provider, "model_id": model_id}
    tx.execute(SQL.store_suggestion, {**columns, **name, "source": suggestion.source, "day": now.date()})


def store_rises(tx: Transaction, provider: ProviderName, model_id: str, rises: Rises, now: datetime) -> None:
    """Replace the known later prices of a model by those of a price list."""
    name = {"llm_provider": provider, "model_id": model_id}
    days = [valid_from for valid_from, _ in rises]
    tx.execute(SQL.remove_rises, {**name, "today": now.astimezone(UTC).date(), "days": days})
    for valid_from, suggestion in rises:
        source = {"valid_from": valid_from, "detail": suggestion.source}
        tx.execute(SQL.store_rise, {**price_columns(suggestion), **name, **source})


def price_columns(suggestion: SuggestedPrice) -> dict[str, Any]:
    columns = suggestion.price.columns()
    return {**columns, "price_tiers": Json(columns["price_tiers"])}


def insert_new_model(db: Database, provider: ProviderName, info: ModelInfo, now: datetime) -> bool:
    """Register one model by hand with its suggested price; False if it was registered already."""

    def work(tx: Transaction) -> bool:
        admin.set_author(tx, Author("insert_new_model", "registered by hand"))
        inserted = add_model(tx, provider, info, None)
        suggestion = suggest(provider, info.model_id, now)
        if suggestion is not None:
            store_suggestion(tx, provider, info.model_id, suggestion, now)
            store_rises(tx, provider, info.model_id, suggested_prices.rises(provider, info.model_id), now)
        return inserted

    return db.transact(work)
