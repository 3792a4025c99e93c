"""Reads a file of competitors: CSV or JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import IO, Any, Final

from llm_monitoring.analysis import Entity
from llm_monitoring.cli.sheets import Sheet, at, read_sheet, records
from llm_monitoring.errors import BadInput

COLUMNS: Final = ("name", "aliases", "domains", "exclude", "case_sensitive")
LISTS: Final = ("aliases", "domains", "exclude")
TRUE, FALSE = frozenset({"true", "yes", "1", "sí", "si", "x"}), frozenset({"", "false", "no", "0"})


def read_competitors(file: IO[bytes]) -> list[Entity]:
    """The competitors in a file; raises BadInput that names the line or the entry."""
    sheet = read_sheet(file)
    if sheet.text.lstrip().startswith(("[", "{")):
        return read_json(sheet)
    if "name" not in sheet.header():
        raise BadInput(f"{sheet.where(1)}: the header needs the column `name`; it may name {list(COLUMNS)}")
    found = []
    for line, fields in records(sheet, COLUMNS):
        with at(sheet, line):
            found.append(read_fields(fields))
    return found


def read_fields(fields: Mapping[str, str]) -> Entity:
    """A competitor from a row of CSV."""
    flag = fields.get("case_sensitive", "").lower()
    if flag not in TRUE | FALSE:
        raise BadInput(f"case_sensitive is yes or no, not {flag!r}")
    lists = {name: tuple(fields.get(name, "").split("|")) for name in LISTS}
    return Entity(fields.get("name", ""), **lists, case_sensitive=flag in TRUE)


def read_json(sheet: Sheet) -> list[Entity]:
    try:
        items = json.load(io.StringIO(sheet.text))
    except (ValueError, RecursionError) as exc:
        raise BadInput(f"{sheet.name} is not JSON: {exc}") from exc
    if not isinstance(items, list):
        raise BadInput(f"{sheet.name}: a list of competitors is needed, [ … ]")
    return [read_item(sheet.name, position, item) for position, item in enumerate(items, start=1)]


def read_item(name: str, position: int, item: Any) -> Entity:
    """A competitor from JSON: a name, or an object with the columns of the CSV form."""
    fields = {"name": item} if isinstance(item, str) else item
    try:
        if not isinstance(fields, dict) or not set(fields) <= set(COLUMNS) or "name" not in fields:
            raise ValueError(f"a name, or an object with name and perhaps {', '.join(COLUMNS[1:])}")
        if not isinstance(fields.get("case_sensitive", False), bool):
            raise ValueError("case_sensitive is true or false")
        return Entity(**fields)
    except (ValueError, TypeError) as exc:
        raise BadInput(f"{name}, competitor {position}: {exc}") from exc
