"""The scope of a refusal by the marks of its document, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.providers import AuthFailed, BadRequest, ProviderUnavailable, RateLimited
from llm_monitoring.providers.http_errors import HttpReply, error_from

KEY = Secret("sk-canary-4f1c9a7e2b8d6035-Tail8chr")


def refused(provider: ProviderName, status: int, /, **error: Any) -> Any:
    return error_from(provider, KEY, HttpReply(status, {}, json.dumps({"error": {"message": "no", **error}}).encode()))


@pytest.mark.parametrize("status", [400, 403, 404])
@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation", "invalid_prompt", "cyber_policy"])
@pytest.mark.parametrize("provider", ["openai", "perplexity"])
def test_a_filtered_prompt_closes_nothing(provider: ProviderName, code: str, status: int) -> None:
    """A filter of Azure or a gateway refuses this prompt, with any status."""
    found = refused(provider, status, code=code, type="invalid_request_error")
    assert type(found) is BadRequest
    assert found.refusal is not None
    assert "prompt" == found.refusal.scope
    assert "no" == found.billed


@pytest.mark.parametrize("status", [500, 503])
def test_a_gateways_failure_is_not_googles_refusal_for_load(status: int) -> None:
    """Only Google's own document says that nothing is billed; a gateway may have passed the call on."""
    found = refused("google", status, code=str(status), type="internal_server_error")
    assert type(found) is ProviderUnavailable
    assert "maybe" == found.billed


@pytest.mark.parametrize(("status", "name"), [(500, "INTERNAL"), (503, "UNAVAILABLE")])
def test_googles_own_refusal_for_load_is_free(status: int, name: str) -> None:
    """Gemini's billing page calls them free."""
    assert "no" == refused("google", status, code=status, status=name).billed


DEPLETED = (
    "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage billing."
)
CAPPED = "Your project has exceeded its monthly spending cap. Please go to AI Studio at https://ai.studio/spend"


@pytest.mark.parametrize("message", [DEPLETED, CAPPED])
def test_a_google_account_without_money_is_not_asked_again(message: str) -> None:
    """Google says it with the status of a rate limit and no code; waiting does not help."""
    found = refused("google", 429, message=message, status="RESOURCE_EXHAUSTED")
    assert type(found) is AuthFailed
    assert found.refusal is not None
    assert "account" == found.refusal.scope
    assert "no" == found.billed


@pytest.mark.parametrize("message", [f"Quota. {DEPLETED}", "Resource has been exhausted (e.g. check quota).", ""])
def test_a_google_rate_limit_passes(message: str) -> None:
    """A sentence counts only at the start of the message, which may quote a prompt further on."""
    assert type(refused("google", 429, message=message, status="RESOURCE_EXHAUSTED")) is RateLimited


@pytest.mark.parametrize(
    ("status", "kind", "code", "scope"),
    [
        (429, "rate_limit_error", "contract_spend_limit_reached", "account"),
        (429, "rate_limit_error", "enforced_spend_limit_reached", "account"),
        (429, "rate_limit_error", "ramp_limit_exceeded", "minute"),
        (400, "invalid_request_error", "organization_on_hold", "account"),
        (400, "invalid_request_error", "cmek_key_disabled", "account"),
        (400, "invalid_request_error", "claude_code_key_creator_not_member", "key"),
        (402, "billing_error", "linked_organization_spend_limit_reached", "account"),
        (400, "invalid_request_error", "compaction_unavailable", "prompt"),
        (400, "invalid_request_error", "", "prompt"),
    ],
)
def test_anthropic_names_what_refuses_in_the_details(status: int, kind: str, code: str, scope: str) -> None:
    """A refusal of the account or key ends its calls; any other concerns this prompt or minute alone."""
    found = refused("anthropic", status, type=kind, details={"error_code": code})
    assert scope == found.refusal.scope
    assert "no" == found.billed


@pytest.mark.parametrize("flaw", [b"\xef\xbb\xbf", b"\xff"])
def test_a_flaw_in_an_error_document(flaw: bytes) -> None:
    """A byte order mark or a damaged character leaves the document what it is."""
    document = b'{"error": {"message": "M@", "type": "overloaded_error"}}'
    raw = flaw + document if flaw[0] == 0xEF else document.replace(b"@", flaw)
    assert "no" == error_from("anthropic", KEY, HttpReply(529, {}, raw)).billed


@pytest.mark.parametrize("provider", ["openai", "anthropic", "perplexity"])
@pytest.mark.parametrize(
    ("status", "scope"), [(402, "account"), (403, "key"), (404, "model"), (400, "prompt"), (429, "minute")]
)
def test_a_code_that_is_a_number_is_a_code(provider: ProviderName, status: int, scope: str) -> None:
    """OpenRouter and Perplexity repeat the status as the code: a call without credit is refused, and not billed."""
    found = refused(provider, status, code=status)
    assert scope == found.refusal.scope
    assert "no" == found.billed


@pytest.mark.parametrize("code", [True, None, [402], 402.0, ""], ids=repr)
def test_what_is_no_code_makes_no_document(code: object) -> None:
    """A body of unknown form with the status 402 may come from a server that passed the call on."""
    assert "maybe" == refused("openai", 402, code=code).billed


def test_a_number_alone_is_no_document_of_google() -> None:
    """Each of Google's servers, also one in front of Gemini, repeats the status as a number."""
    assert "maybe" == refused("google", 503, code=503).billed


def test_a_flagged_prompt_closes_no_key() -> None:
    """OpenRouter refuses a prompt with the status of a refused key, and quotes its flagged part."""
    flagged = refused("openai", 403, code=403, metadata={"reasons": ["violence"], "flagged_input": "¿Qué"})
    assert "prompt" == flagged.refusal.scope


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize(
    "message",
    [
        "You are not allowed to sample from this model",
        "Your organization must be verified to use the model `gpt-6.1-terra`. Please go to: https://platform.openai.com",
    ],
)
def test_a_model_that_an_account_may_not_use_closes_no_key(status: int, message: str) -> None:
    """OpenAI refuses such a model without a code; the key answers with others."""
    found = refused("openai", status, message=message, type="invalid_request_error", code=None)
    assert "model" == found.refusal.scope


@pytest.mark.parametrize(("limit", "scope"), [("0", "day"), ("60", "minute"), (None, "minute"), (0, "minute")])
def test_a_quota_of_zero_is_not_waited_for(limit: object, scope: str) -> None:
    """Google grants some projects nothing a minute: no waiting within the run helps."""
    metadata = {"quota_limit": "GenerateContentRequestsPerMinutePerProjectPerRegion", "quota_limit_value": limit}
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "metadata": metadata,
    }
    found = refused("google", 429, status="RESOURCE_EXHAUSTED", details=[detail])
    assert scope == found.refusal.scope
