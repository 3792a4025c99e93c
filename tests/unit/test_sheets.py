"""What a spreadsheet makes of our files: no text is run, and no cell is beyond its limit."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_monitoring.projects.files.formulas import harmless, without_guards
from llm_monitoring.reporting import sheets

STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
HOSTILE = [
    "Zaptly es buena;=1+1", "Opciones:\n=20+2", 'a;=WEBSERVICE("http://evil.example")', "a\t=1", "a\r\n+1", "a,=1+1",
    "a|@SUM(A1)", "a; \uff1d1", 'a;"=1+1"', "a;;=1", "a;\n=1", "a;'=1", "=1;=1", '"=1', "a;-1+2;@b",
]  # fmt: skip


def unquoted(text: str, delimiter: str) -> list[str]:
    """The fields of a file as a program sees them that takes every quotation mark for text."""
    return [field for line in text.replace("\r", "\n").split("\n") for field in line.split(delimiter)]


def quoted(text: str, delimiter: str) -> list[str]:
    return [field for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) for field in row]


def written(texts: Sequence[str], delimiter: sheets.Delimiter) -> str:
    file = io.BytesIO()
    sheets.write_csv(file, ["id", "text"], [{"id": 1, "text": each} for each in texts], delimiter=delimiter)
    return file.getvalue().decode()


@pytest.mark.parametrize("read_with", [",", ";", "\t", "|"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_field_is_a_formula(text: str, delimiter: sheets.Delimiter, read_with: str) -> None:
    """Whichever separator a file is read with, and whether or not quotes count, no field begins as a formula."""
    file = written([text], delimiter)
    fields = [*quoted(file, read_with), *unquoted(file, read_with)]
    assert [] == [field for field in fields if field.lstrip(" \"'\t").startswith(tuple(STARTS)) and "'" not in field]


@pytest.mark.parametrize("text", ["plain", "a; b", "x = 5, y", "uno\ndos", "well-known", "a, b; c"])
def test_ordinary_text_stays(text: str) -> None:
    """A text with nothing to run in it is written as it is."""
    assert text == harmless(text)


@given(st.text(st.sampled_from(" \"'=+-@;,|\t\r\nax\uff1d"), max_size=12))
@example("'=1")
@example("''a;''=1")
def test_a_guarded_text_is_read_as_it_was(text: str) -> None:
    """Whatever a text holds, apostrophes of its own too, reading takes away exactly what writing put into it."""
    assert text == without_guards(harmless(text))


@pytest.mark.parametrize("text", ["'quoted' word", "d'accord", "a, 'b'", "rock 'n' roll; 'x'", "'"])
def test_apostrophes_of_a_text_stay(text: str) -> None:
    """An apostrophe with no formula after it is part of the text."""
    assert text == without_guards(text)


def test_decimal_commas() -> None:
    """With semicolons, amounts have a decimal comma, and whole numbers none."""
    file = io.BytesIO()
    sheets.write_csv(file, ["a", "b"], [{"a": Decimal("-0.50"), "b": 3}], delimiter=";")
    assert "a;b\r\n-0,50;3\r\n" == file.getvalue().decode()


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * 32_767, 32_767),
        ("x" * 32_768, 32_767),
        ("🥇" * 16_383 + "x", 32_767),
        ("🥇" * 20_000, 32_766),  # half of one does not fit
        ("1. 🥇 " * 6_000, 32_767),
        ("é\n" * 254, 2 * 254 - 1 + 4),
    ],
)
def test_cells_are_cut_with_a_mark(text: str, kept: int) -> None:
    """A text is cut at 32,767 UTF-16 units or 253 line breaks, never within a character, and ends in a mark."""
    found = sheets.fitting(text)
    assert kept == units(found)
    assert found == text or found.endswith(" […]")
    assert text.startswith(found.removesuffix(" […]"))


def test_a_cut_cell_is_read_back(tmp_path: Path) -> None:
    """What a workbook holds of a long text is what was written, its mark at the end."""
    path = tmp_path / "a.xlsx"
    sheets.write_xlsx(path, ["full_response", "id"], [{"full_response": "🥇" * 20_000, "id": 1}], "results")
    with zipfile.ZipFile(path) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert f">{'🥇' * 16_381} […]<" in sheet
    assert '<autoFilter ref="A1:B2"/>' in sheet
    assert '<col min="1" max="1" width="80.7109375" customWidth="1"/>' in sheet


def test_a_workbook_holds_amounts_exactly(tmp_path: Path) -> None:
    """A number is written with its own digits, not with those of the nearest float."""
    path = tmp_path / "a.xlsx"
    sheets.write_xlsx(path, ["rate", "usd"], [{"rate": Decimal("69.74"), "usd": Decimal("32.0245730602")}], "figures")
    with zipfile.ZipFile(path) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert ["69.74", "32.0245730602"] == re.findall(r"<v>(.*?)</v>", sheet)
