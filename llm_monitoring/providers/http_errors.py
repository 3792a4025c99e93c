"""The error for a reply that is not 2xx, when to come back, and what keeps the key out of everything shown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote

from llm_monitoring.domain import ProviderName, Secret
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
)

SAID_CHARACTERS: Final = 300
LONGEST_WAIT_SECONDS: Final = 3600.0
KEY_CHARACTERS: Final = re.compile(r"[!-~]+")
REQUEST_ID_HEADERS: Final = ("x-request-id", "request-id", "x-goog-request-id")
ESCAPED_ASCII: Final = rb"\u00"  # how JSON begins the escape of a key's character
ESCAPED_ALONE: Final = '"\\/'  # what JSON escapes with a backslash alone

ERRORS: Final[Mapping[Scope, type[ProviderError]]] = {
    "prompt": BadRequest,
    "model": ModelNotFound,
    "day": QuotaExhausted,
    "key": AuthFailed,
    "account": AuthFailed,
}


def check_key(name: ProviderName, key: Secret) -> None:
    """Raise AuthFailed for a key that cannot be sent: an HTTP library would print it in its complaint."""
    if not KEY_CHARACTERS.fullmatch(key.reveal()):
        raise AuthFailed(f"{name}: the stored key is empty or holds characters that no key has", billed="no")


def one_line(text: str, key: Secret) -> str:
    """Return `text` as one printable line without the key."""
    text = without_key(text.encode("utf-8", "surrogatepass"), key).decode("utf-8", "surrogatepass")
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())


def key_forms(key: Secret) -> tuple[str, ...]:
    """Return the texts that must appear nowhere: the key, also as in a URL, and its last eight characters."""
    text = key.reveal()
    return (text, quote(text, safe=""), text[-8:]) if len(text) >= 8 else ()


def without_key(body: bytes, key: Secret) -> bytes:
    """Return `body` unchanged unless it echoes the key, which stars then replace, length kept."""
    for hidden in key_forms(key):
        body = body.replace(hidden.encode(), b"*" * len(hidden))
        if ESCAPED_ASCII in body or (b"\\" in body and not set(ESCAPED_ALONE).isdisjoint(hidden)):
            body = spelled(hidden).sub(lambda found: b"*" * len(found.group()), body)
    return body


def spelled(text: str) -> re.Pattern[bytes]:
    """Return what finds `text`, which is ASCII, in JSON that escapes any of its characters, however often."""
    return re.compile("".join(spelled_character(each) for each in text).encode())


def spelled_character(each: str) -> str:
    forms = rf"{re.escape(each)}|(?<!\\)\\++u(?i:{ord(each):04x})"
    return rf"(?:\\+{re.escape(each)}|{forms})" if each in ESCAPED_ALONE else f"(?:{forms})"


def reply_from(
    name: ProviderName, key: Secret, status: int, headers: Mapping[str, str], body: bytes, latency_ms: int
) -> Reply:
    """Return a 2xx reply raw; raise the ProviderError that any other status stands for."""
    if 200 <= status < 300:
        named = next((headers[h] for h in REQUEST_ID_HEADERS if h in headers), "")
        request_id = one_line(named, key)[:SAID_CHARACTERS] or None
        return Reply(status=status, body=body, latency_ms=latency_ms, request_id=request_id)
    raise error_from(name, key, status, headers, body)


def error_from(name: ProviderName, key: Secret, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """Return the error for a reply that is not 2xx."""
    document = refusals.read_document(name, body)
    row = refusals.row_of(name, status, document)
    said = one_line(document.message, key)[:SAID_CHARACTERS] or "no explanation"
    text = f"{name} answered {status}: {said}"
    if row is refusals.REDIRECT:
        text = f"{text} (redirects are not followed: check the base URL)"
    billed: Billed = "no" if row.void else "maybe"
    refusal = refusals.refusal_of(row, document)
    if row.scope == "minute":
        wait = retry_after(headers, document.details)
        return RateLimited(text, retry_after=wait, status=status, refusal=refusal)
    if row.scope in ("load", "unclear"):
        wait = retry_after(headers, document.details)
        return ProviderUnavailable(text, billed=billed, status=status, retry_after=wait, refusal=refusal)
    return ERRORS[row.scope](text, billed=billed, status=status, refusal=refusal)


def retry_after(headers: Mapping[str, str], details: Sequence[dict[str, object]]) -> float | None:
    """Return the wait in seconds that the provider asks for, at most one hour.

    Read from retry-after-ms, then Retry-After as seconds or as an HTTP date (counted from the reply's own
    Date, a past one being 0), then Google's RetryInfo. Negative, endless or unreadable values count as none.
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
        found = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def retry_info(detail: dict[str, object]) -> float | None:
    delay = detail.get("retryDelay")
    if not str(detail.get("@type", "")).endswith("RetryInfo") or not isinstance(delay, str):
        return None
    return number_of(delay.removesuffix("s"), 1.0)
