"""The settings that every machine of a run must have in common, compared by digests, as most of them are secret."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from llm_monitoring.domain import PROVIDERS
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.settings import Settings


class SettingsMismatch(ConfigurationError):
    """This worker has other settings than the coordinator."""


def digests(settings: Settings) -> dict[str, str]:
    """Digests of the settings that decide what is asked, with which key and within which limit, by variable."""
    return {name: digest(text) for name, text in values(settings)}


def values(settings: Settings) -> Iterator[tuple[str, str]]:
    master_keys = settings.keys_encryption_key
    yield "LLM_KEYS_ENCRYPTION_KEY", "" if master_keys is None else master_keys.reveal()
    for provider in PROVIDERS:
        key = settings.api_keys.get(provider)
        yield f"{provider.upper()}_API_KEY", "" if key is None else key.reveal()
        yield f"{provider.upper()}_BASE_URL", settings.base_urls.get(provider, "")
    yield "LLM_MAX_OUTPUT_TOKENS", str(settings.max_output_tokens)
    yield "LLM_MAX_SEARCHES", str(settings.max_searches)
    yield "LLM_MAX_ATTEMPTS", str(settings.max_attempts)
    yield "LLM_SENTIMENT", str(settings.sentiment)
    yield "LLM_DEFAULT_MONTHLY_BUDGET_USD", str(settings.default_monthly_budget_usd)  # a first call opens the account
    yield "LLM_OPERATOR_MONTHLY_BUDGET_USD", str(settings.operator_monthly_budget_usd)
    if settings.economy:
        yield "LLM_ECONOMY", ",".join(f"{name}:{mode}" for name, mode in sorted(settings.economy.items()))
        yield "LLM_FLEX_TIMEOUT_SECONDS", str(settings.flex_timeout_seconds)
    allowed = settings.operator_keys_for
    yield "LLM_OPERATOR_KEYS_FOR", "all" if allowed is None else ",".join(map(str, sorted(allowed)))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def check(mine: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raise SettingsMismatch with the variables that differ."""
    other = sorted(name for name in wanted.keys() | mine.keys() if wanted.get(name) != mine.get(name))
    if other:
        raise SettingsMismatch(f"{', '.join(other)}: not what the daily cron has; a worker needs the same values")
