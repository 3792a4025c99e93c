"""The scope of a refusal by the marks of its document, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.providers import BadRequest, ProviderUnavailable
from llm_monitoring.providers.http_errors import HttpReply, error_from

KEY = Secret("sk-canary-4f1c9a7e2b8d6035-Tail8chr")


def refused(provider: ProviderName, status: int, /, **error: Any) -> Any:
    return error_from(provider, KEY, HttpReply(status, {}, json.dumps({"error": {"message": "no", **error}}).encode()))


@pytest.mark.parametrize("status", [400, 403, 404])
@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation", "invalid_prompt"])
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
