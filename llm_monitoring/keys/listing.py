"""Lists of models, requested with stored keys or the operator's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from llm_monitoring.db import RowErrors
from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.providers import ModelInfo, open_provider
from llm_monitoring.settings import Settings

KEYS_TO_TRY: Final = 3


@dataclass(frozen=True, slots=True)
class ListingKey:
    """A key to list models with, of the operator or of a user; listing is free of charge."""

    secret: Secret
    user_id: int | None


def listing_keys(
    store: KeyStore, wanted: Sequence[ProviderName], errors: RowErrors
) -> dict[ProviderName, list[ListingKey]]:
    """A few usable keys for each provider, the operator's before the users'."""
    found: dict[ProviderName, list[ListingKey]] = {}
    for key in store.listing():
        keys = found.setdefault(key.provider, []) if key.provider in wanted else None
        if keys is not None and key.problem is None and len(keys) < KEYS_TO_TRY:
            with errors.guard("list_models", f"User #{key.user_id}, {key.provider}", user_id=key.user_id):
                secret = open_key(store, key.provider, key.user_id)
                keys += [] if secret is None else [ListingKey(secret, key.user_id)]
        if all(len(found.get(name, [])) == KEYS_TO_TRY for name in wanted):
            break
    return {name: found[name] for name in PROVIDERS if found.get(name)}


def open_key(store: KeyStore, provider: ProviderName, user_id: int | None) -> Secret | None:
    if user_id is None:
        return store.operator_keys[provider]
    found = store.find(user_id, provider)
    return found.secret if found is not None and found.source == "user" else None


def list_models(provider: ProviderName, secret: Secret, settings: Settings) -> list[ModelInfo]:
    """Every text model of the provider's list; raises a ProviderError, also for an empty list."""
    opened = open_provider(
        provider,
        secret,
        base_url=settings.base_urls.get(provider),
        timeout_seconds=settings.timeout_seconds[provider],
    )
    with closing(opened):
        return opened.list_models()
