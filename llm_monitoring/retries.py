"""What a provider's error means for its key and for its task: who is left alone, and what is asked again."""

from __future__ import annotations

from typing import Final

from llm_monitoring.limits import Effect
from llm_monitoring.providers import (
    AuthFailed,
    BadResponse,
    ModelNotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)
from llm_monitoring.schedule import Job

RATE_LIMIT_TRIES: Final = 10  # a 429 costs nothing, so it may be asked more often than a failure
DOUBTFUL_TRIES: Final = 2  # a call that may have been billed is repeated once


def retry_after_of(error: ProviderError) -> float | None:
    """Seconds for which the provider asked to be left alone."""
    return error.retry_after if isinstance(error, RateLimited | ProviderUnavailable) else None


def effect_of(error: ProviderError, job: Job) -> Effect:
    """What an error says about the provider or the key, beyond this one task."""
    if isinstance(error, AuthFailed) or (isinstance(error, ModelNotFound) and not job.is_sentiment):
        return "dead"
    if isinstance(error, RateLimited):
        return "slow_down"
    doubtful = isinstance(error, BadResponse) and error.billed == "maybe"
    return "failing" if doubtful or isinstance(error, ProviderUnavailable) else "ok"


def may_retry(error: ProviderError, job: Job, max_attempts: int) -> bool:
    """Whether a task gets another call in this run; each is an attempt of its own in the ledger."""
    if isinstance(error, RateLimited):
        return job.tries < RATE_LIMIT_TRIES
    doubtful = isinstance(error, BadResponse) and error.billed == "maybe"
    if not isinstance(error, ProviderUnavailable) and not doubtful:
        return False
    return job.tries < max_attempts and job.doubtful_tries < DOUBTFUL_TRIES
