"""Recognises the columns of a table by their titles in six languages, or by `--column`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from llm_monitoring import analysis
from llm_monitoring.errors import Invalid
from llm_monitoring.projects.files.csv_files import Sheet, rows
from llm_monitoring.projects.files.formulas import without_guards

Titles = Mapping[str, tuple[str, ...]]

LONGEST_SHOWN: Final = 40
LONGEST_NUMBER: Final = 9
"""Digits of a column's number: a longer one is no column of a file, and Python does not read 4,300 of them."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file that is used: its place from 0, and its title if it has one."""

    place: int
    title: str

    def __str__(self) -> str:
        return f"“{self.title}”" if self.title else f"column {self.place + 1}"


@dataclass(frozen=True, slots=True)
class Table:
    """The used columns of a file by meaning, the titles of the others, and the rows with their lines."""

    sheet: Sheet
    columns: Mapping[str, Column]
    left_out: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def field(self, fields: Sequence[str], meaning: str) -> str:
        """The field of a row with this meaning, as it was before an export guarded it; empty if there is none."""
        column = self.columns.get(meaning)
        return without_guards(fields[column.place]) if column is not None and column.place < len(fields) else ""


def plain_title(text: str) -> str:
    """A title for comparison: small letters without accents, words joined by one space."""
    bare = "".join(each for each in analysis.normalise("NFKD", text.casefold()) if not unicodedata.combining(each))
    return " ".join(re.findall(r"\w+", bare.replace("_", " ")))


def known_columns(titles: Sequence[str], meanings: Titles) -> dict[str, Column]:
    """The columns with known titles; of two for one meaning, the title that is first in its list is taken."""
    plain = [plain_title(title) for title in titles]
    found: dict[str, Column] = {}
    for meaning, names in meanings.items():
        place = next((plain.index(name) for name in names if name in plain), None)
        if place is not None:
            found[meaning] = Column(place, titles[place])
    return found


def chosen_column(titles: Sequence[str], choice: str) -> Column:
    """The column that `--column` names by title or number; raises Invalid that lists them."""
    is_number = choice.isascii() and choice.isdigit() and len(choice) <= LONGEST_NUMBER
    if is_number and 0 < int(choice) <= len(titles):
        return Column(int(choice) - 1, "")
    plain = [plain_title(title) for title in titles]
    if plain_title(choice) in plain:
        place = plain.index(plain_title(choice))
        return Column(place, titles[place])
    raise Invalid("column", f"there is no column {choice!r}: {choices(titles)}")


def choices(titles: Sequence[str]) -> str:
    shown = (f"{place} “{title[:LONGEST_SHOWN]}”" for place, title in enumerate(titles, start=1))
    return f"choose by title or number of {', '.join(shown)}"


def read_table(sheet: Sheet, meanings: Titles, main: str, choice: str | None = None) -> Table:
    """The table in a sheet of several columns, or of one under a known title; raises Invalid that names the line.

    `main` is the meaning that a row needs. `choice` is what the user says which column that is.
    """
    found = [(line, tuple(fields)) for line, fields in rows(sheet) if any(fields)]
    first = found[0][1] if found else ()
    columns = known_columns(first, meanings)
    headed = bool(columns)
    if choice is not None:
        chosen = chosen_column(first, choice)
        headed = headed or bool(chosen.title)
        columns = {name: column for name, column in columns.items() if column.place != chosen.place}
        columns[main] = Column(chosen.place, first[chosen.place] if headed else "")
    if main not in columns:
        raise Invalid(
            "column",
            f"{sheet.where(1)}: which column holds the {main}? --column NAME|NUMBER: {choices(first)}",
            code="column_unknown",
        )
    check_titles(sheet, first, columns)
    used = {column.place for column in columns.values()}
    body = found[1:] if headed else found
    for line, fields in body:
        if headed and any(field and title is None for title, field in zip_longest(first, fields)):
            raise Invalid(
                "file",
                f"{sheet.where(line)}: more fields than the header has titles; "
                f"put a field that contains {sheet.delimiter!r} in double quotes",
                code="row_too_long",
                line=line + sheet.skipped,
            )
    left_out = tuple(
        title if headed and title else f"column {place + 1}" for place, title in enumerate(first) if place not in used
    )
    return Table(sheet, columns, left_out, tuple(body))


def check_titles(sheet: Sheet, titles: Sequence[str], columns: Mapping[str, Column]) -> None:
    """Raise Invalid if another column has the title of one that is used."""
    plain = [plain_title(title) for title in titles]
    for column in columns.values():
        if column.title and plain.count(plain_title(column.title)) > 1:
            raise Invalid(
                "file",
                f"{sheet.where(1)}: the title {column.title!r} is there twice: name the columns apart",
                code="title_twice",
                title=column.title,
            )
