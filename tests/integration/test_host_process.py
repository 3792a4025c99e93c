"""What a host application sets for its whole process changes nothing in our connections and amounts."""

from __future__ import annotations

import decimal
import uuid
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from psycopg2 import extensions, extras

from llm_monitoring.app import open_app
from llm_monitoring.db import Database
from llm_monitoring.settings import load_settings

VALUES = {
    "numeric": "1.10",
    "integer": "2",
    "bigint": "3",
    "float8": "0.5",
    "boolean": "t",
    "text": "x",
    "date": "2026-11-29",
    "jsonb": '{"a": [1]}',
    "uuid": "00000000-0000-0000-0000-000000000001",
    "numeric[]": "{1.10,2}",
    "integer[]": "{1,2}",
    "bigint[]": "{3}",
    "text[]": "{a,b}",
    "date[]": "{2026-11-29}",
}
EXPECTED: dict[str, Any] = {
    "numeric": Decimal("1.10"),
    "integer": 2,
    "bigint": 3,
    "float8": 0.5,
    "boolean": True,
    "text": "x",
    "date": date(2026, 11, 29),
    "jsonb": {"a": [1]},
    "uuid": "00000000-0000-0000-0000-000000000001",
    "numeric[]": [Decimal("1.10"), Decimal(2)],
    "integer[]": [1, 2],
    "bigint[]": [3],
    "text[]": ["a", "b"],
    "date[]": [date(2026, 11, 29)],
}


@pytest.fixture
def host_of_its_own_types() -> Iterator[None]:
    """A host that reads every value in its own way, and passes every list as JSON."""
    casters, adapters = dict(extensions.string_types), dict(extensions.adapters)
    for oid in casters:
        extensions.register_type(extensions.new_type((oid,), "HOST", lambda text, cursor: ["of the host", text]))
    extensions.register_adapter(uuid.UUID, lambda value: extensions.QuotedString(value.hex))
    extensions.register_adapter(list, extras.Json)
    extensions.register_adapter(dict, extras.Json)
    yield
    extensions.string_types.update(casters)
    extensions.adapters.clear()
    extensions.adapters.update(adapters)


def test_casters_of_the_host(database_url: str, host_of_its_own_types: None) -> None:
    """Values have the driver's own types: as floats, prices would be refused, and amounts inexact."""
    columns = ", ".join(f"'{text}'::{kind} AS \"{kind}\"" for kind, text in VALUES.items())
    with Database(database_url, retry_seconds=0.0) as db:
        assert db.one(f"SELECT {columns}") == EXPECTED


def test_lists_as_json(database_url: str, host_of_its_own_types: None) -> None:
    """A list is an array for us, with texts as they are."""
    with Database(database_url, retry_seconds=0.0) as db:
        row = db.one("SELECT %(ids)s::int[] AS ids, %(names)s::text[] AS names", {"ids": [1, 2], "names": ["o'n", "ñ"]})
    assert {"ids": [1, 2], "names": ["o'n", "ñ"]} == row


@pytest.mark.parametrize("factory", [extras.RealDictCursor, extras.NamedTupleCursor])
def test_a_cursor_of_the_host(database_url: str, monkeypatch: pytest.MonkeyPatch, factory: Any) -> None:
    """A host that gives every connection its cursor, as instrumentation does, leaves ours its own."""
    connect = psycopg2.connect

    def with_cursor(*args: Any, **options: Any) -> Any:
        return connect(*args, **{"cursor_factory": factory, **options})

    monkeypatch.setattr(psycopg2, "connect", with_cursor)
    with Database(database_url, retry_seconds=0.0) as db:
        assert {"a": 1, "b": 2} == db.one("SELECT 1 AS a, 2 AS b")


def test_the_precision_of_the_host(database_url: str, monkeypatch: pytest.MonkeyPatch, quiet: None) -> None:
    """Amounts are exact in a thread for which the host has set few digits, and it has its digits afterwards."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    with decimal.localcontext() as host:
        host.prec = 3
        with open_app(load_settings()):
            assert Decimal("1.23456789") == Decimal("1.23456788") + Decimal("0.00000001")
        assert 3 == decimal.getcontext().prec
