"""Checks the URLs of settings; an error never repeats a URL that may contain a secret."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from llm_monitoring.domain import ProviderName, Secret

VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
BETWEEN_TARGETS: Final = re.compile(r"[\s,]+(?=[A-Za-z0-9.+-]+://)")
CALL_END: Final = re.compile(r"/(?:responses|messages|chat/completions|models)\Z")
VERSION_END: Final = re.compile(r"/v1(?:alpha|beta)?(?:/(?:messages|models))?\Z")
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
    """Return the root of a provider's API without a final slash; it must be safe, because keys are sent to it."""
    parts = address(text)
    if "@" in parts.netloc or parts.query or parts.fragment or not VISIBLE.fullmatch(text):
        raise ValueError("an https:// address without user, password, query, fragment or spaces")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("https://, because API keys travel there (http:// only to this machine)")
    return text.rstrip("/")


def end_that_calls_add(provider: ProviderName, url: str) -> str:
    """Return the end of a provider's root that every call adds itself; "" for a root alone."""
    calls_add_version = provider in ("anthropic", "google")
    found = (calls_add_version and VERSION_END.search(url)) or CALL_END.search(url)
    return found[0] if found else ""


def notify_urls(text: str) -> tuple[Secret, ...]:
    """Return the targets in `text`; errors never repeat one, because they contain tokens."""
    targets = tuple(Secret(part) for part in BETWEEN_TARGETS.split(text))
    if not all(TARGET.fullmatch(each.reveal()) for each in targets):
        raise ValueError("addresses such as slack://…, mailtos://… or json://…, separated by spaces")
    return targets


def heartbeat_url(text: str) -> Secret:
    """Return the URL to call; errors never repeat it, because it is a secret."""
    address(text)
    if not VISIBLE.fullmatch(text):
        raise ValueError("an https:// address without spaces")
    return Secret(text)
