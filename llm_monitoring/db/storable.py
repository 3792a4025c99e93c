"""What PostgreSQL can store of Python's texts and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import psycopg2.extras
from psycopg2._psycopg import List

UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
UNSTORABLE_IN_JSON: Final = re.compile(r"\\u(?:0000|d[89a-f])")  # as JSON writes it, like some texts that can be stored


def storable(value: Any) -> Any:
    """Return `value` with what PostgreSQL cannot store as text (NUL, lone surrogates) replaced by U+FFFD."""
    if isinstance(value, str):
        return UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, tuple):
        return tuple(storable(item) for item in value)
    return value


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a statement's parameters as the driver takes them; a list is an array, whatever a host has registered."""
    return {name: List(value) if isinstance(value, list) else value for name, value in storable(dict(given)).items()}


class Json(psycopg2.extras.Json):
    """A parameter for a JSON or JSONB column."""

    def dumps(self, obj: Any) -> str:
        text = json.dumps(obj)
        return json.dumps(storable(obj)) if UNSTORABLE_IN_JSON.search(text) else text
