"""Settings: the environment and `.env`, read and checked once."""

from __future__ import annotations

from llm_monitoring.settings.fields import Settings, load_settings, plain_environment

__all__ = [
    "Settings",
    "load_settings",
    "plain_environment",
]
