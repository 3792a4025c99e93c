"""Logging: what is shown, in which form, and the secrets that are masked."""

from __future__ import annotations

from llm_monitoring.logs.redaction import (
    ESCAPE,
    REGISTRY,
    UNSAFE,
    Registry,
    redact,
    register_passwords,
    register_secret,
    visible,
)
from llm_monitoring.logs.setup import CHATTY, configure, line_handlers, through

__all__ = [
    "CHATTY",
    "ESCAPE",
    "REGISTRY",
    "UNSAFE",
    "Registry",
    "configure",
    "line_handlers",
    "redact",
    "register_passwords",
    "register_secret",
    "through",
    "visible",
]
