"""Reads the files that people keep: CSV as spreadsheets write it, or one entry a line; errors name the line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import IO, Final

from llm_monitoring.errors import BadInput

DELIMITERS: Final = (",", ";", "\t")
EXCEL_DELIMITER: Final = re.compile(r"sep=(.)\r?\n?")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file's text, decoded: `name` is for messages, `skipped` lines before `text` are no data."""

    name: str
    text: str
    delimiter: str
    skipped: int = 0

    def header(self) -> list[str]:
        """The first line's fields in lower case, whether or not they are titles."""
        first = next(csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter), [])
        return [field.strip().lower() for field in first]

    def where(self, line: int) -> str:
        return f"{self.name}, line {line + self.skipped}"


def read_sheet(file: IO[bytes]) -> Sheet:
    """Decode a file in UTF-8, with or without a byte order mark; raises BadInput that names the line."""
    name = getattr(file, "name", "the file")
    name = "standard input" if name in ("-", "<stdin>") else str(name)
    data = file.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise BadInput(f"{name}, line {line}: not UTF-8; save the file as “CSV UTF-8” or in UTF-8") from exc
    told = EXCEL_DELIMITER.match(text)
    if told:
        return Sheet(name, text[told.end() :], told[1], skipped=1)
    first = text.split("\n", 1)[0]
    return Sheet(name, text, max(DELIMITERS, key=first.count))


def records(sheet: Sheet, columns: Collection[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield (line, fields by title) below a header that names some of `columns`; blank lines are left out."""
    titles = sheet.header()
    named = [title for title in titles if title]
    if not set(named) <= set(columns) or len(set(named)) < len(named):
        raise BadInput(f"{sheet.where(1)}: the header is {', '.join(titles)}, but it may have {', '.join(columns)}")
    for line, fields in rows(sheet):
        if line == 1 or not any(fields):
            continue
        if any(field and not title for title, field in zip_longest(titles, fields, fillvalue="")):
            raise BadInput(
                f"{sheet.where(line)}: more fields than the header has titles; "
                f"put a field that contains {sheet.delimiter!r} in double quotes"
            )
        yield line, {title: field for title, field in zip(titles, fields, strict=False) if title}


def rows(sheet: Sheet) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which it starts, fields without surrounding space) of every row."""
    reader = csv.reader(io.StringIO(sheet.text, newline=""), delimiter=sheet.delimiter, strict=True)
    start = 1
    try:
        for fields in reader:
            yield start, [field.strip() for field in fields]
            start = reader.line_num + 1
    except csv.Error as exc:
        raise BadInput(f"{sheet.where(start)}: not CSV: {exc}") from exc


def lines(sheet: Sheet) -> Iterator[tuple[int, str]]:
    """Yield (line, entry) of a file without a header; an entry that is quoted as a whole loses its quotes."""
    for line, text in enumerate(sheet.text.splitlines(), start=1):
        entry = text.strip()
        if entry.startswith('"') and entry.endswith('"') and len(entry) > 2:
            fields = next(csv.reader([entry], delimiter=sheet.delimiter))
            entry = fields[0].strip() if len(fields) == 1 else entry
        if entry:
            yield line, entry


@contextmanager
def at(sheet: Sheet, line: int) -> Iterator[None]:
    """Name the line in what is refused on it."""
    try:
        yield
    except (BadInput, ValueError) as exc:
        raise BadInput(f"{sheet.where(line)}: {exc}") from exc
