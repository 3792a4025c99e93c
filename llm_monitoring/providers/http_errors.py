"""Errors of replies that are not 2xx, their retry-after, and the removal of the key from shown texts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Final
from urllib.parse import quote

from llm_monitoring.domain import Mode, ProviderName, Secret
from llm_monitoring.providers import refusals
from llm_monitoring.providers.base import (
    AuthFailed,
    BadRequest,
    Billed,
    ModelNotFound,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Reply,
    Scope,
    Shed,
)

MESSAGE_CHARACTERS: Final = 300
LONGEST_WAIT_SECONDS: Final = 3600.0
KEY_CHARACTERS: Final = re.compile(r"[!-~]+")
REQUEST_ID_HEADERS: Final = ("x-request-id", "request-id", "x-goog-request-id")
SERVICE_TIER_HEADER: Final = "x-gemini-service-tier"
ESCAPED_ASCII: Final = rb"\u00"  # how JSON begins the escape of a key's character
ESCAPED_ALONE: Final = '"\\/'  # characters that JSON escapes with a backslash only

ERRORS: Final[Mapping[Scope, type[ProviderError]]] = {
    "prompt": BadRequest,
    "model": ModelNotFound,
    "day": QuotaExhausted,
    "key": AuthFailed,
    "account": AuthFailed,
}


def check_key(name: ProviderName, key: Secret) -> None:
    """Raise AuthFailed for a key that cannot be sent: an HTTP library would print it in its error."""
    if not KEY_CHARACTERS.fullmatch(key.reveal()):
        raise AuthFailed(f"{name}: the stored key is empty or holds characters that no key has", billed="no")


def one_line(text: str, key: Secret) -> str:
    """Return `text` as one printable line without the key."""
    text = without_key(text.encode("utf-8", "surrogatepass"), key).decode("utf-8", "surrogatepass")
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


@dataclass(frozen=True, slots=True, repr=False)
class HiddenText:
    """A text to hide. `escapable`: JSON may write it with backslashes alone. Its repr does not show it."""

    plain: bytes
    escaped: re.Pattern[bytes]
    escapable: bool

    def hide_in(self, body: bytes) -> bytes:
        body = body.replace(self.plain, b"*" * len(self.plain))
        if ESCAPED_ASCII in body or (self.escapable and b"\\" in body):
            body = self.escaped.sub(lambda match: b"*" * len(match.group()), body)
        return body


@cache
def hidden_texts(key: Secret) -> tuple[HiddenText, ...]:
    """Return the texts to hide: the key, its URL-encoded form, and its last eight characters."""
    text = key.reveal()
    forms = dict.fromkeys((text, quote(text, safe=""), text[-8:])) if len(text) >= 8 else ()
    return tuple(
        HiddenText(form.encode(), escaped_forms(form), not set(ESCAPED_ALONE).isdisjoint(form)) for form in forms
    )


def without_key(body: bytes, key: Secret) -> bytes:
    """Return `body` with each echo of the key replaced by stars of the same length."""
    for hidden in hidden_texts(key):
        body = hidden.hide_in(body)
    return body


def escaped_forms(text: str) -> re.Pattern[bytes]:
    """Return a pattern for `text`, which is ASCII, in JSON that escapes any of its characters, once or repeatedly."""
    return re.compile("".join(escaped_character(each) for each in text).encode())


def escaped_character(each: str) -> str:
    forms = rf"{re.escape(each)}|(?<!\\)\\++u(?i:{ord(each):04x})"
    return rf"(?:\\+{re.escape(each)}|{forms})" if each in ESCAPED_ALONE else f"(?:{forms})"


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply as the connection had it; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    latency_ms: int = 0

    def header(self, key: Secret, *names: str) -> str | None:
        """Return the first of these headers as one short line without the key."""
        named = next((self.headers[name] for name in names if name in self.headers), "")
        return one_line(named, key)[:MESSAGE_CHARACTERS] or None


def reply_from(name: ProviderName, key: Secret, reply: HttpReply, mode: Mode = "standard") -> Reply:
    """Return a 2xx reply as received; raises the ProviderError of any other status."""
    if 200 <= reply.status < 300:
        return Reply(
            status=reply.status,
            body=reply.body,
            latency_ms=reply.latency_ms,
            request_id=reply.header(key, *REQUEST_ID_HEADERS),
            service_tier=reply.header(key, SERVICE_TIER_HEADER),
        )
    raise error_from(name, key, reply, mode)


def error_from(name: ProviderName, key: Secret, reply: HttpReply, mode: Mode = "standard") -> ProviderError:
    """Return the error for a reply that is not 2xx."""
    status, headers = reply.status, reply.headers
    document = refusals.read_document(name, reply.body)
    row = refusals.row_of(name, status, document, mode)
    message = one_line(document.message, key)[:MESSAGE_CHARACTERS] or "no explanation"
    text = f"{name} answered {status}: {message}"
    if row is refusals.REDIRECT:
        text = f"{text} (redirects are not followed: check the base URL)"
    billed: Billed = "no" if row.void else "maybe"
    refusal = refusals.refusal_of(row, document)
    if row.scope == "flex":
        return Shed(text, status=status, retry_after=retry_after(headers, document.details), refusal=refusal)
    if row.scope == "minute":
        wait = retry_after(headers, document.details)
        return RateLimited(text, retry_after=wait, status=status, refusal=refusal)
    if row.scope in ("load", "unclear"):
        wait = retry_after(headers, document.details)
        return ProviderUnavailable(text, billed=billed, status=status, retry_after=wait, refusal=refusal)
    return ERRORS[row.scope](text, billed=billed, status=status, refusal=refusal)


def retry_after(headers: Mapping[str, str], details: Sequence[dict[str, object]]) -> float | None:
    """Return the wait in seconds that the provider asks for, at most one hour.

    It is read from retry-after-ms, then Retry-After as seconds or as an HTTP date (relative to the reply's own Date;
    a past date is 0), then Google's RetryInfo. Negative, infinite or unreadable values are ignored.
    """
    waits = (
        number_of(headers.get("retry-after-ms"), 1000.0),
        number_of(headers.get("retry-after"), 1.0),
        seconds_until(headers.get("retry-after"), headers.get("date")),
        *(retry_info(d) for d in details),
    )
    wait = next((w for w in waits if w is not None), None)
    return None if wait is None else min(wait, LONGEST_WAIT_SECONDS)


def number_of(text: str | None, per_second: float) -> float | None:
    try:
        seconds = float(text or "") / per_second
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def seconds_until(text: str | None, sent: str | None) -> float | None:
    until = moment(text)
    if until is None:
        return None
    return max(0.0, (until - (moment(sent) or datetime.now(UTC))).total_seconds())


def moment(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def retry_info(detail: dict[str, object]) -> float | None:
    delay = detail.get("retryDelay")
    if not str(detail.get("@type", "")).endswith("RetryInfo") or not isinstance(delay, str):
        return None
    return number_of(delay.removesuffix("s"), 1.0)
