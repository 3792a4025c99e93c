"""Which provider a key's first characters name: a key is shown to no other company than the one that made it."""

from __future__ import annotations

from typing import Final

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.errors import Invalid
from llm_monitoring.settings import Settings

PREFIXES: Final[dict[str, ProviderName]] = {
    "sk-ant-": "anthropic",
    "sk-proj-": "openai",
    "sk-svcacct-": "openai",
    "AIza": "google",
    "pplx-": "perplexity",
}


def require_own_key(settings: Settings, provider: ProviderName, secret: Secret) -> None:
    """Raise Invalid for a key of another provider; a gateway may ask for any key."""
    key = secret.reveal().strip()
    issuer = next((name for prefix, name in PREFIXES.items() if key.startswith(prefix)), provider)
    if issuer != provider and provider not in settings.base_urls:
        raise Invalid(
            "key",
            f"this is a key of {issuer}, and {provider} must not see it: store it for {issuer}",
            code="key_of_other_provider",
            issuer=issuer,
        )
