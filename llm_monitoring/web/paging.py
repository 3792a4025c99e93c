"""Pages of lists: a cursor that names the last row seen, bound to the filters of its list."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import Query

from llm_monitoring.web.problems import FieldError, Problem

MOST: Final = 200
Limit = Annotated[int, Query(ge=1, le=MOST, description="Rows of a page.")]
Cursor = Annotated[str | None, Query(max_length=400, description="`next_cursor` of the page before.")]


def decode(cursor: str | None, filters: Mapping[str, Any]) -> list[Any] | None:
    """The place after which a page begins; raises Problem for a cursor of another list or other filters."""
    if cursor is None:
        return None
    try:
        mark, place = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=="))
    except (ValueError, binascii.Error, TypeError):
        mark, place = "", None
    if mark != mark_of(filters) or not isinstance(place, list):
        raise Problem("invalid", errors=[FieldError("query:cursor", "it belongs to another list or other filters")])
    return place


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
