"""The files that commands read: CSV as spreadsheets write it, plain lines, JSON; and the line of every mistake."""

from __future__ import annotations

import io
import json

import pytest

from llm_monitoring.analysis import Entity
from llm_monitoring.cli.projects.competitor_files import read_competitors
from llm_monitoring.errors import BadInput
from llm_monitoring.projects.definition import NewPrompt
from llm_monitoring.projects.files.csv_files import Sheet, read_sheet
from llm_monitoring.projects.files.prompt_files import read_prompts


def opened(data: bytes | str) -> io.BytesIO:
    file = io.BytesIO(data if isinstance(data, bytes) else data.encode())
    file.name = "file.csv"
    return file


def sheet(data: bytes | str) -> Sheet:
    return read_sheet(opened(data))


def read_queries(read: Sheet, choice: str | None = None) -> list[NewPrompt]:
    return [each for _, each in read_prompts(read, choice).prompts]


A, B = NewPrompt("¿Cuál, dime, es mejor?"), NewPrompt("Which one?")


@pytest.mark.parametrize(
    "data",
    [
        "query\n¿Cuál, dime, es mejor?\nWhich one?\n".replace("¿Cuál, dime, es mejor?", '"¿Cuál, dime, es mejor?"'),
        "\ufeffQuery;Language;Type\r\n¿Cuál, dime, es mejor?;;\r\n\r\nWhich one?;;\r\n;;\r\n",
        "query\tlanguage\n¿Cuál, dime, es mejor?\t\nWhich one?",
        "sep=;\r\nlanguage;query\r\n;¿Cuál, dime, es mejor?\r\n;Which one?\r\n",
        '"query","type"\n"¿Cuál, dime, es mejor?","general"\n"Which one?"\n',
        "¿Cuál, dime, es mejor?\n\n  Which one?  \n",
        '\ufeff"¿Cuál, dime, es mejor?"\r\nWhich one?\r\n',
        "¿Cuál, dime, es mejor?\rWhich one?\r",
    ],
)
def test_prompts(data: str) -> None:
    """The same two prompts in every form that spreadsheets and editors write."""
    assert [A, B] == read_queries(sheet(data))


def test_windows_1252_keeps_its_signs() -> None:
    """Prices, quotes and letters of Windows-1252 are read as they are, also next to words."""
    text = "¿Un CRM por £30, 20€/mes o 5 ¢?\n„Wien“, ‚Šumava‘ – Žižkov, Œuvre, L’été. § 2\n"
    assert text.splitlines() == [each.text for each in read_queries(sheet(text.encode("cp1252")))]


def test_language_and_type() -> None:
    """Their columns are taken prompt by prompt, and an empty field means the default."""
    found = read_queries(sheet("type,query,language\nbrand,Is Quipu good?,en\n,¿Y esto?,\n"))
    assert [NewPrompt("Is Quipu good?", "en", "brand"), NewPrompt("¿Y esto?", None, "general")] == found


def test_a_field_may_hold_line_breaks_and_quotes() -> None:
    """A quoted field keeps what is in it, and the lines after it are still counted right."""
    assert ["one\ntwo", 'say "hi"'] == [each.text for each in read_queries(sheet('query\n"one\ntwo"\n"say ""hi"""\n'))]
    with pytest.raises(BadInput, match=r"^file\.csv, line 4: language 'xx1' is no"):
        read_queries(sheet('query,language\n"one\ntwo",en\nthree,xx1\n'))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"query\nuno\n\xc3\xa1\xf1\x81o\n", r"^file\.csv, line 3: neither UTF-8 nor Windows-1252 after “Ã¡”; save"),
        ("query\n¿Cuál es?\n".encode("mac-roman"), r"^file\.csv, line 2: 'u‡l' is in a word, .* Mac; save the file"),
        ("query\n¿Qué?\n".encode("mac-roman"), r"^file\.csv, line 2: 'uŽ' is in a word"),
        ("query\nuno\n¿Quién es?\n".encode("cp850"), r"^file\.csv, line 3: 'i‚n' is in a word, .* DOS"),
        ("query\nEn España\n".encode("cp850"), r"^file\.csv, line 2: 'a¤a' is in a word"),
        ("query,query\nx,y\n", r"^file\.csv, line 1: the title 'query' is there twice"),
        (
            "Suche,Volumen\nx,1\ny,2\n",
            r"--column NAME\|NUMBER: choose by title or number of 1 “Suche”, 2 “Volumen”$",
        ),
        ("¿Qué ERP?;es\n", r"^file\.csv, line 1: which column holds the prompt\?"),
        ('"¿Qué ERP elijo?","es"\n', r"^file\.csv, line 1: which column holds the prompt\?"),
        ("best erp\t1000\n", r"^file\.csv, line 1: which column holds the prompt\?"),
        (b"PK\x03\x04\x14\x00", r"^file\.csv is a workbook, not a table in text: save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", r"^file\.csv is a workbook"),
        (b"%PDF-1.7", r"^file\.csv is no text: save the table as CSV"),
        (b"a\x00\x01\x02\x00\x00\x00\x00\x05", r"^file\.csv is no text"),
        ("query,type\nx,a\nWhich, in short?,a\n", r"^file\.csv, line 3: more fields than the header has titles; put"),
        ("query,type\nx,a\n,a\n", r"^file\.csv, line 3: the prompt is empty$"),
        ("sep=,\nquery,type\nx,a\n,a\n", r"^file\.csv, line 4: the prompt is empty$"),
        ('query\n"open\n', r"^file\.csv, line 2: not CSV: "),
        ("query,type\n" + "x" * 200_000, r"^file\.csv, line 2: not CSV: field larger"),
        ("x\n" + "é" * 4_001, r"^file\.csv, line 2: the prompt is longer than 4000 characters: 'éé"),
        ("query,type\nx," + "t" * 51, r"^file\.csv, line 2: type '"),
        ("", r"^file\.csv has no prompts$"),
        ("query\n", r"^file\.csv has no prompts$"),
    ],
)
def test_refused_prompts(data: bytes | str, message: str) -> None:
    """A mistake is named with its file and line."""
    with pytest.raises(BadInput, match=message):
        read_queries(sheet(data))


EXPORT = "Keyword,Volume\nbest erp,1000\ncheap erp,200\n"


@pytest.mark.parametrize(
    ("data", "choice", "expected"),
    [
        (EXPORT, None, ["best erp", "cheap erp"]),
        ("Pregunta;Idioma\n¿Cuál?;es\n", None, ["¿Cuál?"]),
        ("id,query,language,volume\n1,best erp,DE,9\n", None, ["best erp"]),
        ("N.º\tMot-clé\tVolume\n1\tmeilleur erp\t9\n", None, ["meilleur erp"]),
        ("Volumen;Suchbegriff\n9;bestes ERP\n", None, ["bestes ERP"]),
        ("Keyword\nbest erp, cheap\n", None, ["best erp, cheap"]),
        ("Suche,Volumen\nx,1\n", "suche", ["x"]),
        ("1000,best erp\n200,cheap erp\n", "2", ["best erp", "cheap erp"]),
        ("query,volume,title\nx,1,y\n", "title", ["y"]),
        ("Hola, ¿cuál es mejor?\n", None, ["Hola, ¿cuál es mejor?"]),
        ("Best of 1,000 tools?\n", None, ["Best of 1,000 tools?"]),
    ],
)
def test_which_column_holds_the_prompts(data: str, choice: str | None, expected: list[str]) -> None:
    """A title in six languages, or the choice of the command; other columns are left out, prose keeps its commas."""
    assert expected == [each.text for each in read_queries(sheet(data), choice)]


def test_columns_are_named() -> None:
    """What is used and what is left out is said."""
    read = read_prompts(sheet("id,Query,volume\n1,x,9\n"))
    assert "file.csv: UTF-8, columns divided by “,”; prompt from “Query”; left out: id, volume" == read.description()
    assert "file.csv: UTF-8, one prompt a line" == read_prompts(sheet("a\nb\n")).description()


def test_lines_as_they_are() -> None:
    """Each line is a prompt if the command says so."""
    read = read_prompts(sheet("¿Qué ERP?;es\n"), one_a_line=True)
    assert [NewPrompt("¿Qué ERP?;es")] == [each for _, each in read.prompts]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings(encoding: str) -> None:
    """Excel's and Windows' encodings are read as they are meant."""
    read = read_sheet(opened("query;language\n¿Cuál elijo, señor?;es\n".encode(encoding)))
    assert [NewPrompt("¿Cuál elijo, señor?", "es")] == read_queries(read)
    shown = {"cp1252": "Windows-1252", "utf-8": "UTF-8", "utf-8-sig": "UTF-8"}
    assert shown.get(encoding, "UTF-16") == read.encoding


SAGE = Entity("Sage", ("Sage 50", "Sage Active"), ("sage.com",), ("sage green",), case_sensitive=True)


@pytest.mark.parametrize(
    "data",
    [
        "name,aliases,domains,exclude,case_sensitive\nHolded\nSage,Sage 50|Sage Active,sage.com,sage green,yes\n",
        (
            "\ufeffname;exclude;aliases;domains;case_sensitive\r\nHolded;\r\n"
            "Sage;sage green;Sage 50 | Sage Active;sage.com;x\r\n"
        ),
        json.dumps(
            [
                "Holded",
                {
                    "name": "Sage",
                    "aliases": ["Sage 50", "Sage Active"],
                    "domains": ["sage.com"],
                    "exclude": ["sage green"],
                    "case_sensitive": True,
                },
            ]
        ),
    ],
)
def test_competitors(data: str) -> None:
    """CSV and JSON describe the same competitors."""
    assert [Entity("Holded"), SAGE] == read_competitors(opened(data))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("Holded\nSage\n", r"^file\.csv, line 1: the header needs the column `name`"),
        ("name,domains\nHolded,\n,sage.com\n", r"^file\.csv, line 3: an entity needs a name$"),
        ("name,case_sensitive\nHolded,maybe\n", r"^file\.csv, line 2: case_sensitive is yes or no, not 'maybe'$"),
        ('["Holded"', r"^file\.csv is not JSON: "),
        ('{"name": "Holded"}', r"^file\.csv: a list of competitors is needed"),
        ('["Holded", 7]', r"^file\.csv, competitor 2: a name, or an object with name"),
        ('[{"name": "Holded", "site": "x"}]', r"^file\.csv, competitor 1: a name, or an object"),
        ('[{"aliases": ["x"]}]', r"^file\.csv, competitor 1: a name, or an object"),
        ('[{"name": "Holded", "aliases": "x"}]', r"^file\.csv, competitor 1: aliases is a list of texts"),
        ('[{"name": "Holded", "domains": 5}]', r"^file\.csv, competitor 1: "),
        ('[{"name": "Holded", "case_sensitive": "no"}]', r"^file\.csv, competitor 1: case_sensitive is true or false$"),
        ("[" * 100_000, r"^file\.csv is not JSON: "),
    ],
)
def test_refused_competitors(data: str, message: str) -> None:
    """A mistake is named with its file and line, or with the number of the entry."""
    with pytest.raises(BadInput, match=message):
        read_competitors(opened(data))
