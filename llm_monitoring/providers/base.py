"""The types that all providers share: question, reply, answer, errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from llm_monitoring.domain import Mode, ProviderName, Usage
from llm_monitoring.errors import MonitoringError

Billed = Literal["no", "maybe", "yes"]


@dataclass(frozen=True, slots=True)
class Question:
    """One request. `prompt` is sent as the user wrote it; `max_searches` caps the billed web searches."""

    prompt: str
    model_id: str
    max_output_tokens: int
    language: str = ""
    country: str | None = None
    web_search: bool = False
    max_searches: int = 0
    reasoning_effort: str | None = None
    instructions: str = ""
    mode: Mode = "standard"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP reply as received, before anything reads it. `service_tier`: the tier that a header names."""

    status: int
    body: bytes
    latency_ms: int
    request_id: str | None = None
    service_tier: str | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """A page that the provider returned as a source. `domain` is set only if the URL hides it (Google).

    `cited`: the text refers to the page; False for a page that was only searched, None if the reply does not say.
    """

    url: str
    title: str | None = None
    domain: str | None = None
    cited: bool | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's answer. `usage` is None if the reply has none that is consistent."""

    text: str
    model: str
    usage: Usage | None
    citations: tuple[Citation, ...] = ()
    finish_reason: Literal["stop", "max_tokens"] = "stop"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model as the provider lists it; a field that the list lacks is None."""

    model_id: str
    display_name: str
    created: datetime | None = None
    retires_at: datetime | None = None
    lifecycle: str | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None


# What a refusal applies to: this prompt, model, minute, day, key or account, the provider's load, its flex tier, or
# unclear.
Scope = Literal["prompt", "model", "minute", "day", "key", "account", "load", "flex", "unclear"]
RefusalCode = Literal[
    "prompt_refused",
    "model_missing",
    "rate_limited",
    "daily_quota",
    "key_refused",
    "account_refused",
    "overloaded",
    "shed",
    "unclear",
    "redirected",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The meaning of a reply with an error status, from the table in `refusals`.

    `until`: when the account opens again, if the provider says it. `again`: another call in the same run may work.
    """

    code: RefusalCode
    scope: Scope
    until: datetime | None = None
    again: bool = False


class ProviderError(MonitoringError):
    """The provider gave no usable answer. `refusal` is set if it answered with an error status."""

    kind = "provider_error"

    def __init__(
        self,
        message: str = "",
        *,
        billed: Billed,
        status: int | None = None,
        usage: Usage | None = None,
        model: str | None = None,
        refusal: Refusal | None = None,
    ) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.billed: Billed = billed
        self.status = status
        self.usage = usage
        self.model = model


class AuthFailed(ProviderError):
    """The provider refuses this key, or its account has no credit."""

    kind = "auth_failed"


class RateLimited(ProviderError):
    """The provider asks to slow down."""

    kind = "rate_limited"

    def __init__(
        self,
        message: str = "",
        *,
        retry_after: float | None,
        status: int | None = 429,
        billed: Billed = "no",
        refusal: Refusal | None = None,
    ) -> None:
        super().__init__(message, billed=billed, status=status, refusal=refusal)
        self.retry_after = retry_after


class QuotaExhausted(ProviderError):
    """The key's quota of the day is used up."""

    kind = "quota_exhausted"


class ProviderUnavailable(ProviderError):
    """The provider cannot be reached or fails. `retry_after`: the wait in seconds that it asks for, if any."""

    kind = "unavailable"

    def __init__(
        self,
        message: str = "",
        *,
        billed: Billed,
        status: int | None = None,
        retry_after: float | None = None,
        refusal: Refusal | None = None,
    ) -> None:
        super().__init__(message, billed=billed, status=status, refusal=refusal)
        self.retry_after = retry_after


class Shed(ProviderError):
    """The provider has no room for a flex call now; another one, or one in standard mode, may be made."""

    kind = "shed"

    def __init__(self, message: str, *, status: int, retry_after: float | None, refusal: Refusal) -> None:
        super().__init__(message, billed="no", status=status, refusal=refusal)
        self.retry_after = retry_after


class BadRequest(ProviderError):
    """The provider rejects the request itself."""

    kind = "bad_request"


class ModelNotFound(ProviderError):
    """The provider does not serve this model to this key."""

    kind = "model_not_found"


class Refused(ProviderError):
    """The model refused or a filter blocked the answer."""

    kind = "refused"


class BadResponse(ProviderError):
    """The reply cannot be read as an answer."""

    kind = "bad_response"


class Provider(Protocol):
    """One provider with one key. Threads may share it; `close()` ends its connections."""

    name: ProviderName

    def send(self, question: Question) -> Reply:
        """Make exactly one HTTP request and return the whole 2xx reply, unread; raises ProviderError otherwise."""
        ...

    def list_models(self) -> list[ModelInfo]:
        """Return the models that answer text prompts, from all pages; raises ProviderError."""
        ...

    def close(self) -> None: ...


def require_mode(name: ProviderName, question: Question, *modes: Mode) -> None:
    """Raise BadRequest for a mode that this provider's calls do not have."""
    if question.mode not in modes:
        raise BadRequest(f"{name}: a call cannot be made in the mode {question.mode}", billed="no")


def instruction(question: Question) -> str:
    """Return the system instruction that sets language and country; the brand is never in it."""
    parts = [question.instructions] if question.instructions else []
    if question.language:
        parts.append(f"Answer in the language with the ISO 639-1 code '{question.language}'.")
    if question.country:
        parts.append(f"The user is in the country with the ISO 3166-1 code '{question.country}'.")
    return " ".join(parts)
