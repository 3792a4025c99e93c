"""Keys that say themselves which provider made them."""

from __future__ import annotations

import pytest

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.errors import ConfigurationError, Invalid
from llm_monitoring.keys import require_own_key
from llm_monitoring.settings import Settings, load_settings

REST = "A1b2C3d4E5f6G7h8I9j0"


def settings_of(**environ: str) -> Settings:
    return load_settings(environ, dotenv=False)


@pytest.mark.parametrize(
    ("provider", "key", "issuer"),
    [
        ("openai", f"sk-ant-api03-{REST}", "anthropic"),
        ("anthropic", f"sk-proj-{REST}", "openai"),
        ("perplexity", f" sk-svcacct-{REST}\n", "openai"),
        ("openai", f"AIzaSy{REST}", "google"),
        ("google", f"pplx-{REST}", "perplexity"),
    ],
)
def test_a_key_of_another_provider(provider: ProviderName, key: str, issuer: str) -> None:
    """It is refused before any company but its own sees it, without a part of it in the error."""
    with pytest.raises(Invalid, match=f"^this is a key of {issuer}, and {provider} must not see it") as caught:
        require_own_key(settings_of(), provider, Secret(key))
    assert REST not in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "key"),
    [
        ("openai", f"sk-{REST}"),
        ("openai", f"sk-proj-{REST}"),
        ("anthropic", f"sk-ant-api03-{REST}"),
        ("google", f"AQ.{REST}"),
        ("perplexity", f"pplx-{REST}"),
        ("google", f"sk-{REST}"),
    ],
)
def test_a_key_that_may_be_the_providers(provider: ProviderName, key: str) -> None:
    """A key of the provider's own form, or of no known form, is taken."""
    require_own_key(settings_of(), provider, Secret(key))


def test_an_operators_key_of_another_provider() -> None:
    """It ends the start, and nothing of it is shown."""
    with pytest.raises(ConfigurationError, match=r"^OPENAI_API_KEY holds a key of anthropic, .* ANTHROPIC_API_KEY$"):
        settings_of(OPENAI_API_KEY=f"sk-ant-api03-{REST}")


def test_a_gateway_takes_any_key() -> None:
    """A gateway decides itself which keys it asks for."""
    settings_of(OPENAI_API_KEY=f"sk-ant-api03-{REST}", OPENAI_BASE_URL="https://gateway.example/v1")
    settings = settings_of(OPENAI_BASE_URL="https://gateway.example/v1")
    require_own_key(settings, "openai", Secret(f"sk-ant-api03-{REST}"))
