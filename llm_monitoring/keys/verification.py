"""Asks providers whether keys work, with a request for their list of models, which is free of charge."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, Literal

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.errors import MonitoringError
from llm_monitoring.keys import listing
from llm_monitoring.keys.encryption import last_four
from llm_monitoring.keys.issuers import require_own_key
from llm_monitoring.keys.store import KeyStore, ListedKey, read_key
from llm_monitoring.providers import AuthFailed, ModelInfo, ProviderUnavailable
from llm_monitoring.settings import Settings

Verdict = Literal["works", "refused", "unreadable", "not reached", "unclear"]

LONGEST_WAIT_SECONDS: Final = 10.0
AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """A key and what its provider answered. Only a key that works has `models`."""

    key: ListedKey
    verdict: Verdict
    message: str = ""
    models: tuple[ModelInfo, ...] = ()


def check_keys(store: KeyStore, settings: Settings, keys: Iterable[ListedKey]) -> list[KeyCheck]:
    """Check every key, a few at once; a provider that does not answer in ten seconds counts as not reached."""
    settings = with_short_waits(settings)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda key: check_stored_key(store, settings, key), keys))


Keep = Callable[[int, ProviderName, Secret], None]
"""Stores the key of a user."""


def store_unless_refused(
    keep: Keep, settings: Settings, user_id: int, provider: ProviderName, secret: Secret
) -> KeyCheck:
    """Check a user's new key and `keep` it, unless its provider refuses it; a stored key is then left as it is.

    Raises ConfigurationError without a master key, Invalid for a text that is not a key, NotFound without the user.
    """
    secret = read_key(secret)
    require_own_key(settings, provider, secret)
    key = ListedKey(provider, "user", user_id, last_four=last_four(secret), bound=True)
    check = check_key(key, secret, with_short_waits(settings))
    if check.verdict != "refused":
        keep(user_id, provider, secret)
    return check


def check_stored_key(store: KeyStore, settings: Settings, key: ListedKey) -> KeyCheck:
    if key.problem is not None:
        return KeyCheck(key, "unreadable", str(key.problem))
    try:
        secret = listing.open_key(store, key.provider, key.user_id)
    except MonitoringError as exc:
        return KeyCheck(key, "unclear", str(exc))
    if secret is None:
        return KeyCheck(key, "unreadable", "it was removed meanwhile")
    return check_key(key, secret, settings)


def check_key(key: ListedKey, secret: Secret, settings: Settings) -> KeyCheck:
    try:
        return KeyCheck(key, "works", models=tuple(listing.list_models(key.provider, secret, settings)))
    except AuthFailed as exc:
        return KeyCheck(key, "refused", str(exc))
    except ProviderUnavailable as exc:
        return KeyCheck(key, "not reached", str(exc))
    except MonitoringError as exc:
        return KeyCheck(key, "unclear", str(exc))


def with_short_waits(settings: Settings) -> Settings:
    waits = {name: min(LONGEST_WAIT_SECONDS, wait) for name, wait in settings.timeout_seconds.items()}
    return replace(settings, timeout_seconds=waits)
