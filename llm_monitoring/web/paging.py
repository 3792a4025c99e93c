"""Pages of lists: a cursor that names the last row seen, bound to the filters of its list."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import Query

from llm_monitoring.web.problems import FieldError, Problem

MOST: Final = 200
Limit = Annotated[int, Query(ge=1, le=MOST, description="Rows of a page.")]
Cursor = Annotated[str | None, Query(max_length=400, description="`next_cursor` of the page before.")]


def decode(cursor: str | None, filters: Mapping[str, Any], *kinds: Callable[[str], Any]) -> tuple[Any, ...] | None:
    """The place after which a page begins, each part read as its kind.

    Raises Problem for a cursor of another list or other filters, and for one that was not made here.
    """
    if cursor is None:
        return None
    try:
        mark, place = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=="))
        parts = tuple(kind(str(part)) for kind, part in zip(kinds, place, strict=True))
    except (ValueError, TypeError, RecursionError):
        mark, parts = "", ()
    if mark != mark_of(filters):
        raise Problem("invalid", errors=[FieldError("query:cursor", "it belongs to another list or other filters")])
    return parts


def number(text: str) -> int:
    """A row's number, within what a column holds; raises ValueError."""
    found = int(text)
    if not 0 <= found < 2**63:
        raise ValueError("no row has this number")
    return found


def page(rows: Sequence[Any], limit: int, filters: Mapping[str, Any], place: Sequence[str]) -> dict[str, Any]:
    """The envelope of a list: `limit` rows of the `limit + 1` read, and the cursor of the next page or null.

    `place` names the fields of a row that order the list.
    """
    data = list(rows[:limit])
    more = len(rows) > limit
    return {"data": data, "next_cursor": encode([data[-1][name] for name in place], filters) if more else None}


def encode(place: Sequence[Any], filters: Mapping[str, Any]) -> str:
    text = json.dumps([mark_of(filters), list(place)], default=str).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def mark_of(filters: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(filters, sort_keys=True, default=str).encode()).hexdigest()[:12]
