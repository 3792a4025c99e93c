"""Writes records as CSV, JSON lines or a spreadsheet, one at a time; no text in them is ever run as a formula."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final, Literal

from llm_monitoring.db.decoding import Undecodable
from llm_monitoring.errors import Invalid
from llm_monitoring.projects.files.formulas import harmless
from llm_monitoring.reporting.exports import Record

Delimiter = Literal[",", ";", "\t"]

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
LONGEST_CELL: Final = 32_767
"""In UTF-16 units, as Excel counts."""

MOST_BREAKS: Final = 253
CUT: Final = " […]"
MOST_ROWS: Final = 1_048_576
WIDTHS: Final[Mapping[str, int]] = {
    "full_response": 80,
    "query_text": 50,
    "url": 60,
    "title": 40,
    "domain": 28,
    "mention_contexts": 50,
    "project_name": 24,
    "project_brand": 20,
    "brand_name": 20,
    "name": 24,
    "owner_name": 20,
    "models_served": 28,
    "competitors_mentioned": 36,
    "competitor_positions": 36,
    "competitors_cited": 36,
    "competitor_breakdown": 36,
    "created_at": 19,
    "llm_provider": 14,
    "model_id": 24,
    "model_used": 28,
}
"""Widths of columns in characters; the others are as wide as their titles."""

Show = Callable[[str], str]


def unchanged(text: str) -> str:
    return text


def write_csv(
    file: IO[bytes],
    fields: Sequence[str],
    records: Iterable[Record],
    *,
    bom: bool = False,
    delimiter: Delimiter = ",",
    show: Show = unchanged,
) -> int:
    """Write the lines of `csv_lines`; return how many records."""
    lines = csv_lines(fields, records, bom=bom, delimiter=delimiter, show=show)
    return sum(file.write(line) > 0 for line in lines) - 1  # without the titles


def csv_lines(
    fields: Sequence[str],
    records: Iterable[Record],
    *,
    bom: bool = False,
    delimiter: Delimiter = ",",
    show: Show = unchanged,
) -> Iterator[bytes]:
    """Yield a line of titles and one a record, in UTF-8. `show` is applied to every text.

    Where the delimiter is a semicolon, amounts have a decimal comma, as European settings of Excel go together.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    point = "," if delimiter == ";" else "."
    writer.writerow(fields)
    yield (BYTE_ORDER_MARK if bom else b"") + taken(text)
    for record in records:
        writer.writerow([csv_cell(record[name], show, point) for name in fields])
        yield taken(text)


def taken(text: io.StringIO) -> bytes:
    """What was written, which leaves the buffer empty."""
    written = text.getvalue().encode("utf-8", "backslashreplace")
    text.seek(0)
    text.truncate()
    return written


def csv_cell(value: Any, show: Show, point: str = ".") -> str | int:
    """A value of a cell: numbers as they are, a text that a spreadsheet would run with an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value
    if isinstance(value, Decimal):
        return format(value, "f").replace(".", point)
    return harmless(show(text_of(value)))


def text_of(value: Any) -> str:
    """What is no number, as text: days and times in ISO 8601, lists and mappings as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=json_value)


def write_jsonl(file: IO[bytes], fields: Sequence[str], records: Iterable[Record]) -> int:
    """Write the lines of `jsonl_lines`; return how many."""
    return sum(file.write(line) > 0 for line in jsonl_lines(fields, records))


def jsonl_lines(fields: Sequence[str], records: Iterable[Record]) -> Iterator[bytes]:
    """Yield one JSON object a record: amounts exact as text, times in ISO 8601."""
    for record in records:
        line = json.dumps({name: record[name] for name in fields}, ensure_ascii=True, default=json_value)
        yield line.encode("ascii") + b"\n"


def json_value(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Undecodable):
        return value.text
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def write_xlsx(path: Path, fields: Sequence[str], records: Iterable[Record], title: str) -> int:
    """Write a workbook row by row; return how many. Raises Invalid if a sheet cannot hold them all.

    Texts are stored as texts, never as formulas or links; a cell holds 32,767 UTF-16 units and 253 line breaks at most,
    and a longer text ends in […].
    """
    from xlsxwriter import Workbook

    safe = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    count = 0
    with Workbook(str(path), {"constant_memory": True, "remove_timezone": True, **safe}) as book:
        sheet = book.add_worksheet(title)
        sheet.freeze_panes(1, 0)
        bold = book.add_format({"bold": True})
        days = book.add_format({"num_format": "yyyy-mm-dd"})
        times = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for column, name in enumerate(fields):
            sheet.set_column(column, column, WIDTHS.get(name, max(8, len(name) + 3)))
            sheet.write_string(0, column, name, bold)
        for count, record in enumerate(records, 1):
            if count >= MOST_ROWS:
                raise Invalid(
                    "format",
                    f"a spreadsheet holds {MOST_ROWS - 1} rows: narrow the days, or write CSV",
                    code="sheet_full",
                )
            for column, name in enumerate(fields):
                write_cell(sheet, count, column, record[name], days, times)
        sheet.autofilter(0, 0, count, len(fields) - 1)
    return count


def write_cell(sheet: Any, row: int, column: int, value: Any, days: Any, times: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, (int, Decimal)):
        sheet.write_number(row, column, value)  # as it is: the sixteen digits of a float read 69.73999999999999
    elif isinstance(value, datetime):
        sheet.write_datetime(row, column, value, times)
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, days)
    else:
        sheet.write_string(row, column, fitting(text_of(value)))


def fitting(text: str) -> str:
    """`text` as a cell holds it: what is beyond its limits is cut off, and marked as cut."""
    lines = text.split("\n")
    kept = "\n".join(lines[: MOST_BREAKS + 1])
    units = kept.encode("utf-16-le", "surrogatepass")
    if kept == text and len(units) <= 2 * LONGEST_CELL:
        return text
    return units[: 2 * (LONGEST_CELL - len(CUT))].decode("utf-16-le", "ignore") + CUT
