"""Writes an export to a stream, or to a file whole or not at all, or yields its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final, Literal

from llm_monitoring.db import Database
from llm_monitoring.errors import Invalid
from llm_monitoring.process.whole_files import whole_file
from llm_monitoring.reporting.exports import Export, Record, check, records
from llm_monitoring.reporting.sheets import (
    Delimiter,
    Show,
    csv_lines,
    jsonl_lines,
    unchanged,
    write_csv,
    write_jsonl,
    write_xlsx,
)

Format = Literal["csv", "jsonl", "xlsx"]
OnRow = Callable[[int], None]

CHUNK_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Form:
    """The form of an export; `bom` and `delimiter` are of CSV."""

    format: Format = "csv"
    bom: bool = False
    delimiter: Delimiter = ","


def write_export(db: Database, export: Export, form: Form, path: Path, on_row: OnRow = lambda done: None) -> int:
    """Write an export to `path` and return the number of records; raises Invalid."""
    check(export)
    with whole_file(path) as draft:
        if form.format == "xlsx":
            return write_xlsx(draft, export.fields, records(db, export, on_row), export.kind)
        with draft.open("wb") as file:
            return stream_export(db, export, form, file, on_row)


def stream_export(
    db: Database, export: Export, form: Form, file: IO[bytes], on_row: OnRow = lambda done: None, show: Show = unchanged
) -> int:
    """Write an export as CSV or JSON lines and return the number of records; `show` is applied to every text of CSV."""
    check(export)
    found = records(db, export, on_row)
    if form.format == "xlsx":
        raise Invalid("format", "a spreadsheet is not a stream: write it to a file")
    if form.format == "jsonl":
        return write_jsonl(file, export.fields, found)
    return write_csv(file, export.fields, found, bom=form.bom, delimiter=form.delimiter, show=show)


def export_chunks(db: Database, export: Export, form: Form, most_sheet_rows: int) -> Iterator[bytes]:
    """Yield the bytes of an export; raises Invalid for a spreadsheet of more than `most_sheet_rows`.

    Rows are read a page at a time while the chunks are taken, and no connection is held between two pages. A
    spreadsheet is a file that is whole before its first chunk.
    """
    check(export)
    if form.format == "xlsx":
        yield from sheet_chunks(db, export, most_sheet_rows)
        return
    found = records(db, export)
    if form.format == "jsonl":
        lines = jsonl_lines(export.fields, found)
    else:
        lines = csv_lines(export.fields, found, bom=form.bom, delimiter=form.delimiter)
    waiting = bytearray()
    for line in lines:
        waiting += line
        if len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def sheet_chunks(db: Database, export: Export, most_rows: int) -> Iterator[bytes]:
    with TemporaryDirectory(prefix="export-") as folder:
        path = Path(folder) / "export.xlsx"
        write_xlsx(path, export.fields, at_most(most_rows, records(db, export)), export.kind)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def at_most(rows: int, found: Iterable[Record]) -> Iterator[Record]:
    for number, record in enumerate(found, 1):
        if number > rows:
            raise Invalid(
                "format", f"a spreadsheet has {rows} rows at most here: narrow the days, or take CSV", code="sheet_full"
            )
        yield record
