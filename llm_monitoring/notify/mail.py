"""Mail to one address, through the mail server that LLM_NOTIFY_URLS names for notices."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from llm_monitoring.domain import Secret
from llm_monitoring.settings import Settings

SCHEMES: Final = frozenset({"mailto", "mailtos"})
RECIPIENTS: Final = frozenset({"to", "cc", "bcc"})
# an address without anything that could separate it from a second one
PLAIN_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}")


def can_mail(settings: Settings) -> bool:
    """Whether one of LLM_NOTIFY_URLS is a mail server."""
    return server(settings) is not None


def mail_target(settings: Settings, address: str) -> Secret | None:
    """The target that mails to `address` alone, in place of those who get the notices; None if there is no way."""
    found = server(settings)
    if found is None or not PLAIN_ADDRESS.fullmatch(address):
        return None
    parts = urlsplit(found.reveal())
    query = [(name, text) for name, text in parse_qsl(parts.query) if name.lower() not in RECIPIENTS]
    return Secret(urlunsplit((parts.scheme, parts.netloc, "", urlencode([*query, ("to", address)]), "")))


def server(settings: Settings) -> Secret | None:
    return next(
        (each for each in settings.notify_urls or () if each.reveal().partition("://")[0].lower() in SCHEMES), None
    )
