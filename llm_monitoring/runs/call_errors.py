"""What the error of a call means beyond its task: for its key, model and provider, and for a retry."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import Final

from llm_monitoring.domain import KeyId, ProviderName, Task, traits
from llm_monitoring.errors import MonitoringError
from llm_monitoring.providers import (
    AuthFailed,
    BadRequest,
    BadResponse,
    ModelNotFound,
    Provider,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Shed,
)
from llm_monitoring.runs.dispatcher import WorkItem
from llm_monitoring.runs.limits import ClosedReason, Effect
from llm_monitoring.runs.reason_texts import cause_text, closed_text
from llm_monitoring.runs.reasons import Cause

log = logging.getLogger(__name__)

RATE_LIMIT_ATTEMPTS: Final = 10  # a 429 costs nothing, so it may be asked more often than a failure
POSSIBLY_BILLED_ATTEMPTS: Final = 2  # a call that may have been billed is repeated once
LONGEST_BACKOFF_SECONDS: Final = 60.0
FLEX_REFUSALS: Final = 2  # after which a task is asked at the standard price

OUTAGE: Final = frozenset(
    {"unavailable", "rate_limited", "provider_closed", "key_closed", "auth_failed", "quota_exhausted"}
)
OUTAGE_LINES: Final = 3

OF_THE_KEY: Final = frozenset({"key_refused", "account_refused", "daily_quota", "key_unreadable"})


def effect_of(error: ProviderError, item: WorkItem, *, key_works: bool = False) -> Effect:
    """Return what an error says about the provider, the key or the model, beyond this one task.

    `key_works`: the key has listed its provider's models since, so its refusal was about this task alone.
    """
    if isinstance(error, AuthFailed):
        return "ok" if key_works else "dead"
    if isinstance(error, ModelNotFound):
        return "ok" if item.mode == "flex" else "no_model"  # as flex alone, perhaps: it is asked at the standard price
    if isinstance(error, QuotaExhausted):  # a quota of the judge's model leaves the answers alone
        return "no_model" if item.use == "sentiment" else "dead"
    if isinstance(error, RateLimited):
        return "slow_down"
    if isinstance(error, Shed):
        return "shed"
    unreadable = isinstance(error, BadResponse) and error.billed == "maybe"
    return "failing" if unreadable or isinstance(error, ProviderUnavailable) else "ok"


def reason_of(error: ProviderError) -> ClosedReason:
    """Return why a key, or a model under it, is closed after this error."""
    if isinstance(error, QuotaExhausted):
        return "daily_quota"
    if isinstance(error, ModelNotFound):
        return "model_missing"
    of_account = error.refusal is not None and error.refusal.scope == "account"
    return "account_refused" if of_account else "key_refused"


def task_reason(reason: ClosedReason) -> str:
    """Return why a task is not asked: because of its key, which is no failure of the provider, or of its provider."""
    return "key_closed" if reason in OF_THE_KEY else "provider_closed"


def closed_message(reason: ClosedReason, provider: str) -> str:
    """The operator's line for a closed key; the provider's own words stay with the task that got them."""
    return closed_text(reason, provider, "es")


def retry_after_of(error: ProviderError) -> float | None:
    """The seconds that the provider asked to wait."""
    return error.retry_after if isinstance(error, RateLimited | ProviderUnavailable | Shed) else None


def may_retry(error: ProviderError, item: WorkItem, max_attempts: int) -> bool:
    """Whether an item gets another attempt in this run."""
    if isinstance(error, RateLimited):
        return item.attempts < RATE_LIMIT_ATTEMPTS
    unreadable = isinstance(error, BadResponse) and error.billed == "maybe"
    if not isinstance(error, ProviderUnavailable) and not unreadable:
        return False
    return item.attempts < max_attempts and item.possibly_billed < POSSIBLY_BILLED_ATTEMPTS


def ask_at_full_price(error: ProviderError, item: WorkItem) -> float | None:
    """Turn a flex item to standard mode if need be; return the seconds until its next try, None if there is none.

    A flex call that was shed is tried once more as flex, and then at the standard price. One that was refused as such
    without a bill, as by a provider that does not sell the model in flex, is asked at the standard price at once. Both
    leave the attempts of the item as they were.
    """
    if item.mode != "flex" or error.billed != "no" or not isinstance(error, Shed | BadRequest | ModelNotFound):
        return None
    item.shed += 1
    if isinstance(error, Shed) and item.shed < FLEX_REFUSALS:
        return max(backoff(item.shed), min(error.retry_after or 0.0, LONGEST_BACKOFF_SECONDS))
    item.mode = "standard"
    return 0.0


def backoff(attempts: int) -> float:
    """Seconds before the next attempt, spread so that tasks which failed together are not retried together."""
    return min(LONGEST_BACKOFF_SECONDS, 2.0 ** (attempts - 1)) * random.uniform(0.75, 1.25)


def fields(event: str, task: Task) -> dict[str, object]:
    """The fields of a log line: the event's name and the task."""
    return {
        "event": event,
        "project_id": task.project_id,
        "user_id": task.user_id,
        "query_id": task.query_id,
        "provider": task.provider,
    }


def log_without_sentiment(task: Task, reason: str, message: str) -> None:
    """Log that a mention stays without sentiment."""
    log.warning(
        "⚠️ Proyecto #%s, sin sentimiento: %s",
        task.project_id,
        cause_text(Cause(task.provider, reason, message), "es"),
        extra=fields("sentiment.failed", task) | {"reason": reason},
    )


class FailureLog:
    """Logs tasks without an answer; an outage of a provider only when it is recognised and when it is over.

    For one thread.
    """

    def __init__(self) -> None:
        self.in_a_row: Counter[ProviderName] = Counter()

    def failed(self, task: Task, reason: str, message: str) -> None:
        """Log a failure; those of an outage only until it is recognised."""
        outage = reason in OUTAGE
        self.in_a_row[task.provider] += outage
        known = outage and self.in_a_row[task.provider] > OUTAGE_LINES
        level = logging.DEBUG if known or reason in ("budget", "operator_budget") else logging.WARNING
        log.log(
            level,
            "⚠️ Proyecto #%s, %s, prompt %s: %s",
            task.project_id,
            task.provider,
            task.query_id,
            cause_text(Cause(task.provider, reason, message), "es"),
            extra=fields("task.failed", task) | {"reason": reason},
        )
        if outage and self.in_a_row[task.provider] == OUTAGE_LINES:
            log.warning(
                "🔌 %s falla en todas las llamadas: los fallos siguientes no se repiten aquí",
                task.provider,
                extra={"event": "provider.outage", "provider": task.provider, "reason": reason},
            )

    def answered(self, provider: ProviderName) -> None:
        """Log the end of an outage."""
        failures = self.in_a_row.pop(provider, 0)
        if failures >= OUTAGE_LINES:
            log.warning(
                "✅ %s vuelve a responder tras %d fallo(s)",
                provider,
                failures,
                extra={"event": "provider.back", "provider": provider, "failures": failures},
            )


class KeyChecks:
    """Lists the models of an operator's key, free of charge, before a refusal closes it for every user."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.works: dict[KeyId, bool] = {}

    def key_works(self, error: BaseException, key: KeyId, client: Callable[[], Provider]) -> bool:
        """Whether `key`, which `error` refuses, still lists its models; asked once a key.

        False for users' own keys, for refusals of the account, which listing does not touch, and for providers that
        list without a key: there the error document decides alone.
        """
        if not isinstance(error, AuthFailed) or reason_of(error) != "key_refused":
            return False
        if key.user_id is not None or traits(key.provider).lists_without_key or error.status is None:
            return False
        with self.lock:
            if key not in self.works:
                self.works[key] = lists_models(client)
            return self.works[key]


def lists_models(client: Callable[[], Provider]) -> bool:
    """Whether a key lists models; only a refusal counts against it, not a list that is unavailable."""
    try:
        client().list_models()
    except AuthFailed:
        return False
    except MonitoringError as error:
        log.warning("⚠️ La lista de modelos no se pudo pedir: %s", error, extra={"event": "key.unchecked"})
    return True
