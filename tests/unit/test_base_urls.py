"""Addresses in place of a provider's: its root, without what every call adds."""

from __future__ import annotations

import pytest

from llm_monitoring.errors import ConfigurationError
from llm_monitoring.settings.fields import load_settings


@pytest.mark.parametrize(
    ("name", "value", "end"),
    [
        ("ANTHROPIC_BASE_URL", "https://h/v1", "/v1"),
        ("ANTHROPIC_BASE_URL", "https://h/a/v1/messages/", "/v1/messages"),
        ("ANTHROPIC_BASE_URL", "https://h/messages", "/messages"),
        ("GOOGLE_BASE_URL", "https://h/v1beta/", "/v1beta"),
        ("OPENAI_BASE_URL", "https://h/v1/responses", "/responses"),
        ("OPENAI_BASE_URL", "https://h/v1/chat/completions", "/chat/completions"),
        ("PERPLEXITY_BASE_URL", "https://h/v1/models", "/models"),
    ],
)
def test_a_root_with_what_calls_add(name: str, value: str, end: str) -> None:
    """An address with a part that every call adds is refused, as all calls would go to a path that is not there."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings({name: value}, dotenv=False)
    assert f"{name} ends in {end}, which every call adds: leave it out" == str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_BASE_URL", "https://h/v1"),
        ("OPENAI_BASE_URL", "https://h/v1/account/gateway/openai"),
        ("ANTHROPIC_BASE_URL", "https://h/v1/account/gateway/anthropic"),
        ("GOOGLE_BASE_URL", "https://v1.example.com"),
    ],
)
def test_a_root_alone(name: str, value: str) -> None:
    """A version before the end of an address, or where calls add none, belongs to it."""
    assert [value] == list(load_settings({name: value}, dotenv=False).base_urls.values())
