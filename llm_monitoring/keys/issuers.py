"""A key is shown to no other company than the one that made it."""

from __future__ import annotations

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.errors import Invalid
from llm_monitoring.settings import Settings, issuer_of


def require_own_key(settings: Settings, provider: ProviderName, secret: Secret) -> None:
    """Raise Invalid for a key of another provider; a gateway may ask for any key."""
    issuer = issuer_of(secret)
    if issuer not in (None, provider) and provider not in settings.base_urls:
        raise Invalid(
            "key",
            f"this is a key of {issuer}, and {provider} must not see it: store it for {issuer}",
            code="key_of_other_provider",
            issuer=issuer,
        )
