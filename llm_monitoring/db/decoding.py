"""Decodes the database's values one by one, so that a value that Python cannot hold affects its own row only.

Each connection has its casters, which those that a host application registers for its whole process do not replace:
with a common one for it, prices and amounts would be floats.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import psycopg2
from psycopg2 import extensions

Cast = Callable[[Any, Any], Any]

SHOWN_CHARACTERS: Final = 60
JSON_OID, JSONB_OID = 114, 3802
UUID_OID: Final = 2950
# The driver's own casters, of numbers, texts and bytes, and of arrays of whole numbers, texts, days, numbers.
SCALARS: Final = (
    extensions.BOOLEAN,
    extensions.INTEGER,
    extensions.LONGINTEGER,
    extensions.FLOAT,
    extensions.DECIMAL,
    extensions.UNICODE,
    psycopg2.BINARY,
)
ARRAYS: Final = (
    extensions.INTEGERARRAY,
    extensions.LONGINTEGERARRAY,
    extensions.UNICODEARRAY,
    extensions.PYDATEARRAY,
    extensions.DECIMALARRAY,
)
# Raised for values that PostgreSQL holds and Python does not: years above 9999 or before 1, numbers of 5,000 digits.
UNREADABLE: Final = (ValueError, TypeError, OverflowError, RecursionError, ArithmeticError, psycopg2.DataError)


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A value that Python cannot hold. Using it as a value raises an error, which concerns its row only."""

    text: str

    def __str__(self) -> str:
        return f"unreadable value {self.text!r}"

    def __bool__(self) -> bool:
        raise TypeError(str(self))

    def __iter__(self) -> Any:
        raise TypeError(str(self))

    def __format__(self, spec: str) -> str:
        return str(self)


def cautious(cast: Cast) -> Cast:
    """Return `cast` with Undecodable instead of an error."""

    def decode(text: Any, cursor: Any) -> Any:
        if text is None:
            return None
        try:
            return cast(text, cursor)
        except UNREADABLE:
            return Undecodable(str(text)[:SHOWN_CHARACTERS])

    return decode


def read_json(text: Any, cursor: Any) -> Any:
    return json.loads(text)


def flat(cast: Cast) -> Cast:
    """Return `cast` of an array with its elements in one list, as SQL sees them: no column limits the dimensions."""

    def decode(text: Any, cursor: Any) -> Any:
        found = cast(text, cursor)
        while found and isinstance(found[0], list):
            found = [each for part in found for each in part]
        return found

    return decode


def casters() -> list[Any]:
    """Return a caster for every type, in our tables or the host's, with values that Python may not hold."""
    types = (extensions.PYDATE, extensions.PYDATETIME, extensions.PYDATETIMETZ, extensions.PYINTERVAL)
    made = [extensions.new_type(each.values, each.name, cautious(each)) for each in types]
    arrays = [extensions.new_type(each.values, "FLATARRAY", cautious(flat(each))) for each in ARRAYS]
    identifiers = extensions.new_type((UUID_OID,), "UUID", extensions.UNICODE)
    return [
        *SCALARS,
        *made,
        *arrays,
        identifiers,
        extensions.new_type((JSON_OID, JSONB_OID), "JSON", cautious(read_json)),
    ]


CASTERS: Final = casters()


def register(connection: extensions.connection) -> None:
    """Use these casters for all values that `connection` reads."""
    for each in CASTERS:
        extensions.register_type(each, connection)
