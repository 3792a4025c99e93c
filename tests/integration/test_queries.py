"""The files of named SQL statements."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llm_monitoring.db.queries import load, parse

PACKAGE = Path(__file__).resolve().parents[2] / "llm_monitoring"
MODULES = sorted(path.stem for path in (PACKAGE / "db" / "sql").glob("*.sql"))


def test_parse() -> None:
    """Each block gives its statement by name, without its purpose line and a final semicolon."""
    text = "-- name: first\n-- Say one.\nSELECT 1;\n\n-- name: second\n-- Say two.\nSELECT\n  -- why\n  2\n"
    assert {"first": "SELECT 1", "second": "SELECT\n  -- why\n  2"} == parse("demo", text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "-- name: first\nSELECT 1",
        "-- name: first\n-- Say one.\n",
        "-- name: First\n-- Say one.\nSELECT 1",
        "-- name: a\n-- Say.\nSELECT 1\n-- name: a\n-- Say.\nSELECT 2",
    ],
    ids=["no name", "no purpose", "no statement", "bad name", "twice"],
)
def test_malformed(text: str) -> None:
    """A block without name, purpose or statement, or with a name that is taken, is refused."""
    with pytest.raises(ValueError, match="bad or repeated block"):
        parse("demo", text)


def test_unknown_name() -> None:
    """A misspelt name says which names there are."""
    with pytest.raises(AttributeError, match=r"migrate.sql has no query 'aply', only: try_lock, has_record"):
        _ = load("migrate").aply


def test_cached() -> None:
    """A file is read once."""
    assert load("migrate") is load("migrate")


@pytest.mark.parametrize("module", MODULES)
def test_shipped(module: str) -> None:
    """Every shipped statement takes named parameters only."""
    statements = parse(module, (PACKAGE / "db" / "sql" / f"{module}.sql").read_text(encoding="utf-8"))
    positional = [name for name, sql in statements.items() if re.search(r"(?<!%)%(?![%(])", sql.replace("%%", ""))]
    assert len(statements) > 0
    assert [] == positional
