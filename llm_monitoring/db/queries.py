"""Reads the named SQL statements of `db/sql/<module>.sql`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Self

BLOCK = re.compile(
    r"^-- name: (?P<name>[a-z][a-z0-9_]*)\n-- (?P<purpose>\S[^\n]*)\n"
    r"(?:-- prepared: (?P<types>[^\n]+)\n)?(?P<statement>[^-\s].*)",
    re.DOTALL,
)


class Preparable(str):
    """A statement that a session may prepare, with its parameters' types, in the order in which they are given."""

    __slots__ = ("name", "types")
    name: str
    types: Mapping[str, str]

    def __new__(cls, text: str, name: str, types: Mapping[str, str]) -> Self:
        made = super().__new__(cls, text)
        made.name, made.types = name, types
        return made


class Queries:
    """The statements of one module, each an attribute: `load("budget").reserve`."""

    def __init__(self, module: str, statements: Mapping[str, str]) -> None:
        self.module = module
        self.statements = statements

    def __getattr__(self, name: str) -> str:
        try:
            return self.statements[name]
        except KeyError:
            known = ", ".join(self.statements)
            raise AttributeError(f"{self.module}.sql has no query {name!r}, only: {known}") from None


@cache
def load(module: str) -> Queries:
    """Return the named statements of `db/sql/<module>.sql`."""
    text = files("llm_monitoring.db").joinpath("sql", f"{module}.sql").read_text(encoding="utf-8")
    return Queries(module, parse(module, text))


def parse(module: str, text: str) -> dict[str, str]:
    """Split a file into its statements by name; raises ValueError on a bad block."""
    statements: dict[str, str] = {}
    for block in re.split(r"^(?=-- name:)", text, flags=re.MULTILINE):
        if not block.strip():
            continue
        match = BLOCK.match(block)
        if match is None or match["name"] in statements:
            raise ValueError(f"{module}.sql: a bad or repeated block begins {block[:60]!r}")
        text = match["statement"].strip().removesuffix(";")
        statements[match["name"]] = (
            Preparable(text, f"{module}_{match['name']}", types(match)) if match["types"] else text
        )
    return statements


def types(block: re.Match[str]) -> dict[str, str]:
    """The types of a block's line `-- prepared: name type, …`, by the parameter's name."""
    return {name: kind for name, _, kind in (each.strip().partition(" ") for each in block["types"].split(","))}
