"""Settings: the environment and `.env`, read and checked once."""

from __future__ import annotations

from llm_monitoring.settings.fields import (
    Settings,
    fallback_settings,
    libpq_variable,
    load_settings,
    plain_environment,
    unknown_variables,
)
from llm_monitoring.settings.key_text import api_key, issuer_of, typed_key

__all__ = [
    "Settings",
    "api_key",
    "fallback_settings",
    "issuer_of",
    "libpq_variable",
    "load_settings",
    "plain_environment",
    "typed_key",
    "unknown_variables",
]
