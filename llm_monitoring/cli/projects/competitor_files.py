"""Reads a file of competitors: CSV or JSON."""

from __future__ import annotations

import io
import json
from typing import IO, Any, Final

from llm_monitoring.analysis import Entity
from llm_monitoring.cli.base.output import say
from llm_monitoring.errors import Invalid
from llm_monitoring.projects.files.columns import Table, Titles, known_columns, read_table
from llm_monitoring.projects.files.csv_files import Sheet, at, read_sheet, rows

COLUMNS: Final = ("name", "aliases", "domains", "exclude", "case_sensitive")
TITLES: Final[Titles] = {
    "name": (
        "name",
        "nombre",
        "nom",
        "nome",
        "competitor",
        "competitors",
        "competidor",
        "competidores",
        "brand",
        "marca",
        "marke",
        "marque",
        "wettbewerber",
        "konkurrent",
        "concurrent",
        "concurrente",
        "concorrente",
    ),
    "aliases": (
        "aliases",
        "alias",
        "other names",
        "otros nombres",
        "weitere namen",
        "autres noms",
        "altri nomi",
        "outros nomes",
    ),
    "domains": (
        "domains",
        "domain",
        "dominio",
        "dominios",
        "domane",
        "domanen",
        "domaine",
        "domaines",
        "domini",
        "site",
        "sites",
        "sitio",
        "sitios",
        "website",
        "web",
        "webseite",
        "sito",
        "url",
    ),
    "exclude": ("exclude", "excluir", "ausschliessen", "exclure", "escludi"),
    "case_sensitive": ("case sensitive",),
}
LISTS: Final = ("aliases", "domains", "exclude")
TRUE, FALSE = frozenset({"true", "yes", "1", "sí", "si", "x"}), frozenset({"", "false", "no", "0"})


def read_competitors(file: IO[bytes]) -> list[Entity]:
    """The competitors in a file; prints how it was read. Raises Invalid that names the line or the entry."""
    sheet = read_sheet(file)
    if sheet.text.lstrip().startswith(("[", "{")):
        return read_json(sheet)
    titles = next((fields for _, fields in rows(sheet) if any(fields)), [])
    if "name" not in known_columns(titles, TITLES):
        raise Invalid("file", f"{sheet.where(1)}: the header needs the column `name`; it may name {list(COLUMNS)}")
    table = read_table(sheet, TITLES, "name")
    found = []
    for line, fields in table.rows:
        with at(sheet, line):
            found.append(read_fields(table, fields))
    say_how(table, len(found))
    return found


def say_how(table: Table, count: int) -> None:
    used = ", ".join(f"{meaning} from {column}" for meaning, column in table.columns.items())
    left_out = f"; left out: {', '.join(table.left_out)}" if table.left_out else ""
    say(f"{table.sheet.name}: {table.sheet.encoding}; {count} competitors; {used}{left_out}")


def read_fields(table: Table, fields: tuple[str, ...]) -> Entity:
    """A competitor from a row of CSV."""
    flag = table.field(fields, "case_sensitive").lower()
    if flag not in TRUE | FALSE:
        raise Invalid("case_sensitive", f"case_sensitive is yes or no, not {flag!r}")
    lists = {name: tuple(table.field(fields, name).split("|")) for name in LISTS}
    return Entity(table.field(fields, "name"), **lists, case_sensitive=flag in TRUE)


def read_json(sheet: Sheet) -> list[Entity]:
    try:
        items = json.load(io.StringIO(sheet.text))
    except (ValueError, RecursionError) as exc:
        raise Invalid("file", f"{sheet.name} is not JSON: {exc}") from exc
    if not isinstance(items, list):
        raise Invalid("file", f"{sheet.name}: a list of competitors is needed, [ … ]")
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
        raise Invalid("file", f"{name}, competitor {position}: {exc}") from exc
