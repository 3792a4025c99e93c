"""The files that commands read: CSV as spreadsheets write it, plain lines, JSON; and the line of every mistake."""

from __future__ import annotations

import io
import json

import pytest

from llm_monitoring.analysis import Entity
from llm_monitoring.cli.competitor_files import read_competitors
from llm_monitoring.cli.queries import read_queries
from llm_monitoring.cli.sheets import Sheet, read_sheet
from llm_monitoring.errors import BadInput
from llm_monitoring.projects import NewQuery


def opened(data: bytes | str) -> io.BytesIO:
    file = io.BytesIO(data if isinstance(data, bytes) else data.encode())
    file.name = "file.csv"
    return file


def sheet(data: bytes | str) -> Sheet:
    return read_sheet(opened(data))


A, B = NewQuery("¿Cuál, dime, es mejor?"), NewQuery("Which one?")


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


def test_language_and_type() -> None:
    """Their columns are taken prompt by prompt, and an empty field means the default."""
    found = read_queries(sheet("type,query,language\nbrand,Is Quipu good?,en\n,¿Y esto?,\n"))
    assert [NewQuery("Is Quipu good?", "en", "brand"), NewQuery("¿Y esto?", None, "general")] == found


def test_a_field_may_hold_line_breaks_and_quotes() -> None:
    """A quoted field keeps what is in it, and the lines after it are still counted right."""
    assert ["one\ntwo", 'say "hi"'] == [each.text for each in read_queries(sheet('query\n"one\ntwo"\n"say ""hi"""\n'))]
    with pytest.raises(BadInput, match=r"^file\.csv, line 4: language 'xx1' is no"):
        read_queries(sheet('query,language\n"one\ntwo",en\nthree,xx1\n'))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"query\nuno\na\xf1o\n", r"^file\.csv, line 3: not UTF-8; save the file as “CSV UTF-8”"),
        ("query,city\nx,y\n", r"^file\.csv, line 1: the header is query, city, but it may have query, language, type$"),
        ("query,query\nx,y\n", r"^file\.csv, line 1: the header is query, query, but"),
        ("prompt,language\nx,es\n", r"^file\.csv, line 1: this looks like a header without the column `query`"),
        ("query,type\nx,a\nWhich, in short?,a\n", r"^file\.csv, line 3: more fields than the header has titles; put"),
        ("query,,type\nx,y,a\n", r"^file\.csv, line 2: more fields than the header has titles"),
        ("query,type\nx,a\n,a\n", r"^file\.csv, line 3: the prompt is empty$"),
        ("sep=,\nquery,type\nx,a\n,a\n", r"^file\.csv, line 4: the prompt is empty$"),
        ('query\n"open\n', r"^file\.csv, line 2: not CSV: "),
        ("query\n" + "x" * 200_000, r"^file\.csv, line 2: not CSV: field larger"),
        ("x\n" + "é" * 1_251, r"^file\.csv, line 2: the prompt is longer than 2500 bytes: 'éé"),
        ("query,type\nx," + "t" * 51, r"^file\.csv, line 2: type '"),
        ("", r"^file\.csv has no prompts$"),
        ("query\n", r"^file\.csv has no prompts$"),
    ],
)
def test_refused_prompts(data: bytes | str, message: str) -> None:
    """A mistake is named with its file and line."""
    with pytest.raises(BadInput, match=message):
        read_queries(sheet(data))


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
        ("name,site\nHolded,holded.com\n", r"^file\.csv, line 1: the header is name, site, but it may have name, ali"),
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
