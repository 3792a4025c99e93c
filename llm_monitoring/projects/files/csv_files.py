"""Reads CSV as spreadsheets write it, or one entry a line; errors name the line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

from llm_monitoring.errors import BadInput, Invalid

DELIMITERS: Final = (",", ";", "\t")
EXCEL_DELIMITER: Final = re.compile(r"sep=(.)\r?\n?")
MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
NAMES: Final = {"utf-8-sig": "UTF-8", "utf-8": "UTF-8", "cp1252": "Windows-1252"}
WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
OTHER_FILES: Final = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b", b"{\\rtf")
AS_UTF8: Final = "save the file as “CSV UTF-8”"
SAMPLE_BYTES: Final = 4096
# accented letters of DOS and of old Macs, as Windows-1252 reads them: no word holds such signs
OTHER_CODE_PAGE: Final = re.compile(r"[A-Za-z][‚„†‡ˆ‰¢£¤¨§][A-Za-z]|[a-z][ŽŠŸ]")
MULTIBYTE: Final = re.compile(rb"[\xc3-\xf4][\x80-\xbf]")


@dataclass(frozen=True, slots=True)
class Sheet:
    """The decoded text of a file. `name` is for messages; `skipped` is the number of lines before `text`."""

    name: str
    text: str
    delimiter: str
    skipped: int = 0
    encoding: str = "UTF-8"

    def header(self) -> list[str]:
        """The first line's fields in lower case, whether or not they are titles."""
        first = next(csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter), [])
        return [field.strip().lower() for field in first]

    def where(self, line: int) -> str:
        return f"{self.name}, line {line + self.skipped}"


def read_sheet(file: IO[bytes]) -> Sheet:
    """Decode a file in UTF-8, UTF-16 or Windows-1252; raises Invalid."""
    name = getattr(file, "name", "the file")
    name = "standard input" if name in ("-", "<stdin>") else str(name)
    data = file.read()
    require_text(name, data)
    encoding = encoding_of(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise Invalid(
            "file",
            f"{name}, line {line}: neither UTF-8 nor Windows-1252{after(data[: exc.start])}; {AS_UTF8}",
            code="file_no_text",
        ) from exc
    if encoding == "cp1252":
        require_words(name, text)
    text = text.removeprefix("\ufeff")
    shown = NAMES.get(encoding, "UTF-16")
    declared = EXCEL_DELIMITER.match(text)
    if declared:
        return Sheet(name, text[declared.end() :], declared[1], skipped=1, encoding=shown)
    return Sheet(name, text, delimiter_of(text), encoding=shown)


def after(read: bytes) -> str:
    """The words before the byte that cannot be read, so that it is found; empty at the beginning of a line."""
    words = read.rpartition(b"\n")[2].decode("cp1252", errors="replace").split()
    return f" after “{' '.join(words[-3:])}”" if words else ""


def require_words(name: str, text: str) -> None:
    """Raise Invalid for a text of another code page that was read as Windows-1252."""
    if found := OTHER_CODE_PAGE.search(text):
        line = len(text[: found.start() + 1].splitlines())
        problem = f"{found[0]!r} is in a word, so this may be in an encoding of DOS or of a Mac"
        raise Invalid("file", f"{name}, line {line}: {problem}; {AS_UTF8}", code="file_no_text")


def require_text(name: str, data: bytes) -> None:
    """Raise Invalid for a workbook or another file that is not text."""
    if data.startswith(WORKBOOKS):
        raise Invalid(
            "file",
            f"{name} is a workbook, not a table in text: save it as CSV (“CSV UTF-8”) and import that",
            code="file_workbook",
        )
    text_of_two_bytes = data.startswith((b"\xff\xfe", b"\xfe\xff")) or looks_like_utf16(data)
    if data.startswith(OTHER_FILES) or (b"\x00" in data and not text_of_two_bytes):
        raise Invalid(
            "file", f"{name} is no text: save the table as CSV (“CSV UTF-8”) and import that", code="file_no_text"
        )


def encoding_of(data: bytes) -> str:
    """The encoding of a file: of its byte order mark, UTF-16 by its zero bytes, UTF-8 if valid, else Windows-1252."""
    marked = next((encoding for mark, encoding in MARKS if data.startswith(mark)), None)
    if marked:
        return marked
    if side := looks_like_utf16(data):
        return side
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "utf-8" if MULTIBYTE.search(data) else "cp1252"  # broken UTF-8 would become other letters
    return "utf-8"


def looks_like_utf16(data: bytes) -> str:
    """The name of UTF-16 if mostly every second byte of the beginning is zero, as in Latin text; else empty."""
    sample = data[:SAMPLE_BYTES]
    half = len(sample) // 2
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if half < 2 or max(even, odd) < 0.6 * half or min(even, odd) > 0.1 * half:
        return ""
    return "utf-16-be" if even > odd else "utf-16-le"


def delimiter_of(text: str) -> str:
    """The delimiter that divides most lines into as many fields; a comma if none does."""
    return max(DELIMITERS, key=lambda each: agreement(text, each))


def agreement(text: str, delimiter: str) -> tuple[float, int]:
    """The share of the first rows that a delimiter divides into as many fields as the first row, and their number."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        counts = [len(fields) for fields, _ in zip(reader, range(200), strict=False) if any(fields)]
    except csv.Error:
        return 0.0, 0
    if not counts or counts[0] < 2:
        return 0.0, 0
    return sum(count == counts[0] for count in counts) / len(counts), counts[0]


def several_columns(sheet: Sheet) -> bool:
    """Whether a file without known titles looks like a table of several columns and not like a prompt a line.

    Commas and semicolons divide columns if most rows have as many of them as the first and, in a single row, no space
    follows them; a tab always does.
    """
    share, fields = agreement(sheet.text, sheet.delimiter)
    if fields < 2:
        return False
    if sheet.delimiter == "\t":
        return True
    found = [row for row in sheet.text.splitlines() if row.strip()]
    tight = re.compile(rf'{sheet.delimiter}(?! |\d{{3}}\b)|"{sheet.delimiter}')
    if len(found) == 1:
        return bool(tight.search(found[0]))
    return share > 0.5 or bool(tight.search(found[0]))


def rows(sheet: Sheet) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which it starts, fields without surrounding space) of every row."""
    reader = csv.reader(io.StringIO(sheet.text, newline=""), delimiter=sheet.delimiter, strict=True)
    start = 1
    try:
        for fields in reader:
            yield start, [field.strip() for field in fields]
            start = reader.line_num + 1
    except csv.Error as exc:
        where = start + sheet.skipped
        raise Invalid("file", f"{sheet.where(start)}: not CSV: {exc}", code="file_no_csv", line=where) from exc


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
    """Name the line in errors about it."""
    try:
        yield
    except (BadInput, ValueError) as exc:
        raise Invalid("file", f"{sheet.where(line)}: {exc}") from exc
