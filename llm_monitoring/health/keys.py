"""Checks of the master key and the API keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_monitoring.health.check_result import CheckResult, green, red, yellow
from llm_monitoring.keys import KeyCheck, KeyCipher, KeyStore
from llm_monitoring.process.wording import PROGRAM, counted
from llm_monitoring.settings import Settings


def master_key(settings: Settings, keys: KeyStore) -> Iterator[CheckResult]:
    stored = any(key.source == "user" for key in keys.listing())
    if settings.keys_encryption_key is None:
        fix = f"set LLM_KEYS_ENCRYPTION_KEY; `{PROGRAM} setup` makes one"
        message = "LLM_KEYS_ENCRYPTION_KEY is not set"
        yield (
            red("master key", f"{message} and stored keys wait for it", fix)
            if stored
            else yellow("master key", f"{message}: users' keys cannot be stored", fix)
        )
        return
    master_keys = len(KeyCipher(settings.keys_encryption_key.reveal()).master_keys)
    older = sum(key.bound is False for key in keys.listing())
    message = f"LLM_KEYS_ENCRYPTION_KEY holds {master_keys} master key{'s' if master_keys > 1 else ''}"
    if older:
        yield red(
            "master key",
            f"{message}; {older} stored keys are of an older form that opens in any user's row",
            f"`{PROGRAM} keys rotate` binds them to their users",
        )
    else:
        yield green("master key", message)


def keys(store: KeyStore, checked: Sequence[KeyCheck] | None) -> Iterator[CheckResult]:
    """Each key; without `checked` (offline) only whether it can be read."""
    listed = [each.key for each in checked] if checked is not None else list(store.listing())
    if not listed:
        yield red("API keys", "there is none", f"`{PROGRAM} keys set USER PROVIDER`, or OPENAI_API_KEY and the like")
    if checked is None:
        unread = [key for key in listed if key.problem is not None]
        yield from (
            red("API key", str(key.problem), f"`{PROGRAM} keys set {key.user_id} {key.provider}`") for key in unread
        )
        if len(listed) > len(unread):
            yield green("API keys", f"{len(listed) - len(unread)} can be read; not tried, as --offline says")
        return
    yield from map(key_result, checked)


def key_result(checked: KeyCheck) -> CheckResult:
    key = checked.key
    owner = "the operator's" if key.user_id is None else f"user {key.user_id}'s"
    name = f"{owner} {key.provider} key" + (f" (ends in {key.last_four})" if key.last_four else "")
    again = (
        f"{key.provider.upper()}_API_KEY"
        if key.user_id is None
        else f"`{PROGRAM} keys set {key.user_id} {key.provider}`"
    )
    if checked.verdict == "works":
        return green("API key", f"{name} works: {counted(len(checked.models), 'model')} listed")
    if checked.verdict == "not reached":
        return yellow(
            "API key",
            f"{name} could not be tried: {checked.message}",
            "try again later; look at the network, the proxy and the provider's status page",
        )
    if checked.verdict == "unclear":
        return yellow(
            "API key",
            f"{name}: the answer is not about the key: {checked.message}",
            f"if a gateway is meant to answer, correct {key.provider.upper()}_BASE_URL; else try again later",
        )
    return red("API key", f"{name}: {checked.message}", f"set another one: {again}")
