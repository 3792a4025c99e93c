"""Writes an export to a stream, or to a file whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from llm_monitoring.db import Database
from llm_monitoring.errors import Invalid
from llm_monitoring.process.whole_files import whole_file
from llm_monitoring.reporting.exports import Export, check, records
from llm_monitoring.reporting.sheets import Delimiter, Show, unchanged, write_csv, write_jsonl, write_xlsx

Format = Literal["csv", "jsonl", "xlsx"]
OnRow = Callable[[int], None]


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
