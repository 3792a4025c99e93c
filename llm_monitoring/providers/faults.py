"""What a provider's status, headers and error body mean: which error, whether billed, when to come back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.providers import reading
from llm_monitoring.providers.base import (
    AuthFailed,
    BadRequest,
    ModelNotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Reply,
)

SAID_CHARACTERS: Final = 300
LONGEST_WAIT_SECONDS: Final = 3600.0
KEY_CHARACTERS: Final = re.compile(r"[!-~]+")
REQUEST_ID_HEADERS: Final = ("x-request-id", "request-id", "x-goog-request-id")
ESCAPED_ASCII: Final = rb"\u00"  # how JSON begins the escape of a key's character

# Words with which a provider says "this key, or its account" under a status that means something else.
NO_CREDIT: Final = re.compile(
    r"insufficient_quota|billing_hard_limit|billing_not_active|credit balance is too low", re.IGNORECASE
)
# Perplexity rejects a model that it does not serve as a bad request.
UNKNOWN_MODEL: Final = re.compile(r"\b(?:invalid_model|model_not_found)\b")
BAD_KEY: Final = re.compile(r"API_KEY_INVALID|API key not valid|API key expired", re.IGNORECASE)


def check_key(name: ProviderName, key: Secret) -> None:
    """Raise AuthFailed for a key that cannot be sent: an HTTP library would print it in its complaint."""
    if not KEY_CHARACTERS.fullmatch(key.reveal()):
        raise AuthFailed(f"{name}: the stored key is empty or holds characters that no key has", billed="no")


def one_line(text: str, key: Secret) -> str:
    """Return `text` as one printable line without the key."""
    for hidden in key_forms(key):
        text = text.replace(hidden, "***")
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
        if ESCAPED_ASCII in body:
            body = spelled(hidden).sub(lambda found: b"*" * len(found.group()), body)
    return body


def spelled(text: str) -> re.Pattern[bytes]:
    """Return what finds `text`, which is ASCII, in JSON that escapes any of its characters, however often."""
    characters = (rf"(?:{re.escape(each)}|(?<!\\)\\++u(?i:{ord(each):04x}))" for each in text)
    return re.compile("".join(characters).encode())


def reply_from(
    name: ProviderName, key: Secret, status: int, headers: Mapping[str, str], body: bytes, latency_ms: int
) -> Reply:
    """Return a 2xx reply raw; raise the ProviderError that any other status stands for."""
    if 200 <= status < 300:
        named = next((headers[h] for h in REQUEST_ID_HEADERS if h in headers), "")
        request_id = one_line(named, key)[:SAID_CHARACTERS] or None
        return Reply(status=status, body=body, latency_ms=latency_ms, request_id=request_id)
    raise error_from(name, key, status, headers, body)


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error body: what it says to people, and all of its marks (code, type, status, reasons)."""

    message: str
    marks: str
    details: list[dict[str, object]]


def complaint_in(body: bytes) -> Complaint:
    """Read the error shapes of all providers; what has none of them is its own message."""
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return Complaint(body.decode("utf-8", "replace"), "", [])
    if isinstance(document, list):
        document = document[0] if document else {}
    outer = reading.mapping(document)
    error = reading.mapping(outer.get("error")) or outer
    message = next((t for t in (error.get("message"), outer.get("error"), outer.get("detail")) if t), None)
    details = reading.mappings(error.get("details"))
    marks = [error.get("code"), error.get("type"), error.get("status"), *(d.get("reason") for d in details)]
    text = message if isinstance(message, str) else body.decode("utf-8", "replace")
    return Complaint(text, " ".join(m for m in marks if isinstance(m, str)), details)


def error_from(name: ProviderName, key: Secret, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """Return the error for a reply that is not 2xx."""
    complaint = complaint_in(body)
    said = one_line(complaint.message, key)[:SAID_CHARACTERS] or "no explanation"
    text = f"{name} answered {status}: {said}"
    everything = f"{complaint.marks} {complaint.message}"
    if status in (401, 402, 403) or about_the_account(status, everything):
        return AuthFailed(text, billed="no", status=status)
    if status == 429:
        return RateLimited(text, retry_after=retry_after(headers, complaint.details), status=status)
    if status == 404 or (status == 400 and UNKNOWN_MODEL.search(complaint.marks)):
        return ModelNotFound(text, billed="no", status=status)
    if status == 408 or status >= 500:
        wait = retry_after(headers, complaint.details)
        return ProviderUnavailable(text, billed="maybe", status=status, retry_after=wait)
    if 300 <= status < 400:
        text = f"{text} (redirects are not followed: check the base URL)"
    return BadRequest(text, billed="no", status=status)


def about_the_account(status: int, text: str) -> bool:
    if status == 400 and BAD_KEY.search(text):
        return True
    return status in (400, 429) and bool(NO_CREDIT.search(text))


def retry_after(headers: Mapping[str, str], details: list[dict[str, object]]) -> float | None:
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
