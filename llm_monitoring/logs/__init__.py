"""Logging: what is shown, in which form, and the secrets that are masked."""

from __future__ import annotations

from llm_monitoring.logs.redaction import (
    ESCAPE,
    SECRETS,
    UNSAFE,
    SecretMasker,
    redact,
    register_passwords,
    register_secret,
    visible,
)
from llm_monitoring.logs.setup import CHATTY, configure, line_handlers, log_through

__all__ = [
    "CHATTY",
    "ESCAPE",
    "SECRETS",
    "UNSAFE",
    "SecretMasker",
    "configure",
    "line_handlers",
    "log_through",
    "redact",
    "register_passwords",
    "register_secret",
    "visible",
]
