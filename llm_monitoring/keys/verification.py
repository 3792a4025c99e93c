"""Asks the providers whether keys work: a list of models, which is free of charge."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, Literal

from llm_monitoring.errors import MonitoringError
from llm_monitoring.keys import listing
from llm_monitoring.keys.store import KeyStore, ListedKey
from llm_monitoring.providers import AuthFailed, ModelInfo, ProviderUnavailable
from llm_monitoring.settings.fields import Settings

Verdict = Literal["works", "refused", "unreadable", "not reached", "unclear"]

LONGEST_WAIT_SECONDS: Final = 10.0
AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Checked:
    """A key and what its provider said of it. Only a key that works brings `models`."""

    key: ListedKey
    verdict: Verdict
    message: str = ""
    models: tuple[ModelInfo, ...] = ()


def check_keys(store: KeyStore, settings: Settings, keys: Iterable[ListedKey]) -> list[Checked]:
    """Ask about every key, a few at once; a provider that does not answer in ten seconds was not reached."""
    waits = {name: min(LONGEST_WAIT_SECONDS, wait) for name, wait in settings.timeout_seconds.items()}
    patient = replace(settings, timeout_seconds=waits)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda key: check_key(store, patient, key), keys))


def check_key(store: KeyStore, settings: Settings, key: ListedKey) -> Checked:
    if key.problem is not None:
        return Checked(key, "unreadable", str(key.problem))
    try:
        secret = listing.open_key(store, key.provider, key.user_id)
        if secret is None:
            return Checked(key, "unreadable", "it was removed meanwhile")
        return Checked(key, "works", models=tuple(listing.list_models(key.provider, secret, settings)))
    except AuthFailed as exc:
        return Checked(key, "refused", str(exc))
    except ProviderUnavailable as exc:
        return Checked(key, "not reached", str(exc))
    except MonitoringError as exc:
        return Checked(key, "unclear", str(exc))
