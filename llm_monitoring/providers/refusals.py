"""Classifies refusals: one table over the status, codes, types and reasons of the providers' error documents.

The message is not matched, because it may quote the prompt. The exceptions are sentences that have no code: they are
matched from the start of the message.

Sources: the providers' error pages (OpenAI "Error codes" and "Spend limits", Anthropic "Errors", Gemini
"Troubleshooting" and google.api.ErrorReason, Perplexity's error types), the error types of the SDKs, messages that
users of OpenAI and Gemini have published, and the error types of LiteLLM and OpenRouter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from llm_monitoring.domain import Mode, ProviderName
from llm_monitoring.providers import parsing
from llm_monitoring.providers.base import Refusal, RefusalCode, Scope

LONGEST_READ: Final = 1024 * 1024  # bytes; an error document is a few hundred

OPENAI_FORM: Final[tuple[ProviderName, ...]] = ("openai", "perplexity")


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of refusal: it fits a reply with a listed status and one of `marks` (any reply if there are none).

    `providers` None: every provider.
    `documented`: only with the provider's own error document; another body comes from elsewhere, such as a firewall.
    `sentence`: the start of the message. `void`: certainly not billed. `again`: another call in the run may work.
    `mode`: only for calls in this mode.
    """

    code: RefusalCode
    scope: Scope
    statuses: tuple[int, ...]
    providers: tuple[ProviderName, ...] | None = None
    marks: frozenset[str] = frozenset()
    sentence: re.Pattern[str] | None = None
    documented: bool = True
    void: bool = True
    again: bool = False
    mode: Mode | None = None


NO_CREDIT: Final = frozenset(
    {"insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded"}
    | {"project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_hard_limit_reached"}
    | {"billing_not_active", "account_deactivated", "access_terminated", "unsupported_country_region_territory"}
    | {"usage_limit_exceeded"}
    | {"budget_exceeded"}  # LiteLLM
)
ANTHROPIC_ACCOUNT: Final = frozenset(
    {"billing_error", "enforced_spend_limit_reached", "contract_spend_limit_reached", "budget_exceeded"}
    | {"organization_on_hold", "cmek_key_disabled", "cmek_key_network_blocked"}
)
GOOGLE_ACCOUNT: Final = frozenset(
    {"BILLING_DISABLED", "CONSUMER_SUSPENDED", "CONSUMER_INVALID", "SERVICE_DISABLED", "USER_PROJECT_DENIED"}
    | {"GCP_SUSPENDED", "ACCOUNT_STATE_INVALID", "USER_BLOCKED_BY_ADMIN", "RESOURCE_PROJECT_INVALID"}
    | {"LOCATION_TAX_POLICY_VIOLATED", "LOCATION_POLICY_VIOLATED", "SERVICE_NOT_VISIBLE", "ORG_RESTRICTION_VIOLATION"}
)
GOOGLE_KEY: Final = frozenset(
    {"API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "API_KEY_HTTP_REFERRER_BLOCKED", "API_KEY_IP_ADDRESS_BLOCKED"}
    | {"API_KEY_ANDROID_APP_BLOCKED", "API_KEY_IOS_APP_BLOCKED", "CREDENTIALS_MISSING", "ACCESS_TOKEN_EXPIRED"}
    | {"ACCESS_TOKEN_SCOPE_INSUFFICIENT", "ACCESS_TOKEN_TYPE_UNSUPPORTED"}
)
NO_MODEL: Final = frozenset(
    {"model_not_found", "invalid_model", "model_not_available", "DeploymentNotFound"}
    | {"key_model_access_denied", "team_model_access_denied", "user_model_access_denied"}  # LiteLLM
)
FLAGGED: Final = "flagged_input"  # a field of OpenRouter's metadata that names the refused part of the prompt
# The prompt was filtered, with any status: OpenAI, Azure, LiteLLM.
FILTERED: Final = frozenset(
    {"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation", "invalid_prompt", FLAGGED}
    | {"bio_policy", "cyber_policy", "misalignment_policy_violation"}
)
RATE_LIMIT: Final = frozenset({"rate_limit_exceeded"})
GOOGLE_LOAD: Final = frozenset({"INTERNAL", "UNAVAILABLE", "UNKNOWN"})  # not used by gateways
DAILY_MARK: Final = "quota per day"  # our own mark, for a Google quota with PerDay in its id or with a limit of zero
REGAIN: Final = re.compile(r"You will regain access on (\d{4}-\d\d-\d\d) at (\d\d:\d\d) UTC")

# The first row that fits applies.
TABLE: Final = (
    # The account: neither waiting nor another prompt helps within a run.
    Row("account_refused", "account", (400, 401, 402, 403, 429), OPENAI_FORM, NO_CREDIT),
    Row("account_refused", "account", (400, 402, 403, 429), ("anthropic",), ANTHROPIC_ACCOUNT),
    Row("account_refused", "account", (400,), ("anthropic",), sentence=re.compile(r"Your credit balance is too low\b")),
    Row("account_refused", "account", (400,), ("anthropic",),
        sentence=re.compile(r"You have reached your specified (?:workspace )?API usage limits\b")),
    Row("account_refused", "account", (400, 403), ("anthropic",),
        sentence=re.compile(r"This organization has been disabled\b")),
    Row("account_refused", "account", (400, 402, 403, 429), ("google",), GOOGLE_ACCOUNT),
    Row("account_refused", "account", (400,), ("google",), frozenset({"FAILED_PRECONDITION"})),
    Row("account_refused", "account", (429,), ("google",), sentence=re.compile(
        r"Your (?:prepayment credits are depleted|project has exceeded its monthly spending cap)\b")),
    Row("account_refused", "account", (402,)),
    Row("prompt_refused", "prompt", (400, 401, 403, 404), OPENAI_FORM, FILTERED),
    # The model.
    Row("model_missing", "model", (400, 401, 403, 404), marks=NO_MODEL),
    Row("model_missing", "model", (400, 403), OPENAI_FORM, sentence=re.compile(
        r"You are not allowed to sample from this model\b|Your organization must be verified to use the model\b")),
    Row("model_missing", "model", (404,)),
    # The key.
    Row("key_refused", "key", (400, 401, 403), ("google",), GOOGLE_KEY),
    Row("key_refused", "key", (400,), ("anthropic",), frozenset({"claude_code_key_creator_not_member"})),
    Row("key_refused", "key", (401,), documented=False),
    Row("key_refused", "key", (403,)),
    # This day or this minute.
    Row("daily_quota", "day", (429,), ("google",), frozenset({DAILY_MARK})),
    # No room for a flex call; OpenAI documents that it is not charged, and names a real rate limit by its code.
    Row("rate_limited", "minute", (429,), ("openai",), RATE_LIMIT, again=True, mode="flex"),
    Row("shed", "flex", (429,), ("openai", "google"), again=True, mode="flex"),
    Row("shed", "flex", (503,), ("google",), GOOGLE_LOAD, again=True, mode="flex"),
    Row("rate_limited", "minute", (429,), documented=False, again=True),
    # Refused for load, with a document of the provider.
    Row("overloaded", "load", (529,), ("anthropic",), frozenset({"overloaded_error"}), again=True),
    Row("overloaded", "load", (500, 503), ("google",), GOOGLE_LOAD, again=True),
    # This prompt, or a page from a server between us and the provider.
    Row("prompt_refused", "prompt", (400, 403, 404), documented=False),
    # The server that answered may have passed the call on: it is perhaps billed.
    Row("unclear", "unclear", (408, 409, 424, 425, 444, 460, 499), documented=False, void=False, again=True),
)  # fmt: skip
OTHER_CLIENT: Final = Row("unclear", "prompt", (), documented=False, void=False)
OTHER_SERVER: Final = Row("unclear", "unclear", (), documented=False, void=False, again=True)
REDIRECT: Final = Row("redirected", "prompt", (), documented=False)


@dataclass(frozen=True, slots=True)
class Document:
    """An error body: its message, its marks, and whether it is a document of the provider."""

    message: str
    marks: frozenset[str] = frozenset()
    details: tuple[dict[str, object], ...] = ()
    documented: bool = False


def row_of(name: ProviderName, status: int, document: Document, mode: Mode = "standard") -> Row:
    """Return the first row of the table that fits a reply with this status, which is not 2xx."""
    fitting = (row for row in TABLE if row.mode in (None, mode) and fits(row, name, status, document))
    return next(fitting, None) or other(status)


def fits(row: Row, name: ProviderName, status: int, document: Document) -> bool:
    if status not in row.statuses or (row.documented and not document.documented):
        return False
    if row.providers is not None and name not in row.providers:
        return False
    if row.sentence is not None:
        return row.sentence.match(document.message) is not None
    return not row.marks or not row.marks.isdisjoint(document.marks)


def other(status: int) -> Row:
    if status < 400:
        return REDIRECT
    return OTHER_CLIENT if status < 500 else OTHER_SERVER


def refusal_of(row: Row, document: Document) -> Refusal:
    """Return the refusal of a row, with the moment that the message names for the account to open again."""
    named = REGAIN.search(document.message) if row.sentence is not None else None
    return Refusal(row.code, row.scope, until=moment(named), again=row.again)


def moment(named: re.Match[str] | None) -> datetime | None:
    if named is None:
        return None
    try:
        return datetime.fromisoformat(f"{named[1]}T{named[2]}").replace(tzinfo=UTC)
    except ValueError:
        return None


def read_document(name: ProviderName, body: bytes) -> Document:
    """Read an error body in a provider's form; the message of any other body is the body itself."""
    try:
        parsed = parsing.json_in(body[:LONGEST_READ])
    except (ValueError, RecursionError):
        return Document(body[:LONGEST_READ].decode("utf-8", "replace"))
    if isinstance(parsed, list):
        parsed = parsed[0] if parsed else {}
    outer = parsing.mapping(parsed)
    error = parsing.mapping(outer.get("error"))
    details = tuple(parsing.mappings(error.get("details")))
    given = next((t for t in (error.get("message"), outer.get("error"), outer.get("detail")) if t), None)
    message = given if isinstance(given, str) else body[:LONGEST_READ].decode("utf-8", "replace")
    return Document(message, marks_in(error, details), details, is_documented(name, error, details))


def is_documented(name: ProviderName, error: Mapping[str, object], details: tuple[dict[str, object], ...]) -> bool:
    """Return whether this is an error document: a message with a type, a code or (Google) a status in words.

    OpenRouter has a number for the code; one of Google alone may come from any of Google's servers.
    """
    kinds = ("status", "type") if name == "google" else ("type", "code")
    named = any(isinstance(error.get(kind), str) and error.get(kind) for kind in kinds)
    numbered = name != "google" and type(error.get("code")) is int
    return isinstance(error.get("message"), str) and (named or numbered or bool(details))


def marks_in(error: Mapping[str, object], details: tuple[dict[str, object], ...]) -> frozenset[str]:
    inner = parsing.mapping(error.get("details"))  # Anthropic's; Google has a list under this name
    given = [error.get("code"), error.get("type"), error.get("status"), inner.get("error_code")]
    given += [detail.get("reason") for detail in details]
    given += [FLAGGED] if FLAGGED in parsing.mapping(error.get("metadata")) else []
    given += [DAILY_MARK] if any(is_spent(detail) for detail in details) else []
    return frozenset(mark for mark in given if isinstance(mark, str))


def is_spent(detail: Mapping[str, object]) -> bool:
    """Return whether a detail of Google names a quota that no waiting within a run refills: of a day, or of zero."""
    zero = parsing.mapping(detail.get("metadata")).get("quota_limit_value") == "0"
    return zero or any("PerDay" in quota for quota in quotas_in(detail))


def quotas_in(detail: Mapping[str, object]) -> list[str]:
    """Return the ids of the quotas that a QuotaFailure or an ErrorInfo of Google names."""
    violations = parsing.mappings(detail.get("violations"))
    limit = parsing.mapping(detail.get("metadata")).get("quota_limit")
    return [parsing.text(each.get("quotaId")) for each in violations] + [parsing.text(limit)]
