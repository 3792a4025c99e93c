"""Addresses as an operator writes them: checked, and never repeated in an error where they may hold a secret."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from llm_monitoring.domain import Secret

VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
BETWEEN_TARGETS: Final = re.compile(r"[\s,]+(?=[A-Za-z0-9.+-]+://)")
TARGET: Final = re.compile(r"[A-Za-z0-9.+-]{1,30}://[\x21-\x7e]+")


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # an impossible port or IPv6 host
        raise ValueError("an https:// address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("an https:// address")
    return parts


def base_url(text: str) -> str:
    """Return the root of a provider's API without a slash at its end; keys go there, so it must be safe."""
    parts = address(text)
    if "@" in parts.netloc or parts.query or parts.fragment or not VISIBLE.fullmatch(text):
        raise ValueError("an https:// address without user, password, query, fragment or spaces")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("https://, because API keys travel there (http:// only to this machine)")
    return text.rstrip("/")


def notify_urls(text: str) -> tuple[Secret, ...]:
    """Return the targets in `text`; errors never repeat one, as they hold tokens."""
    found = tuple(Secret(part) for part in BETWEEN_TARGETS.split(text))
    if not all(TARGET.fullmatch(each.reveal()) for each in found):
        raise ValueError("addresses such as slack://…, mailtos://… or json://…, separated by spaces")
    return found


def heartbeat_url(text: str) -> Secret:
    """Return an address to call; errors never repeat it, as it is a secret to those who may call it."""
    address(text)
    if not VISIBLE.fullmatch(text):
        raise ValueError("an https:// address without spaces")
    return Secret(text)
