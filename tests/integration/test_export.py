"""Exports on a real database: complete, streamed, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.cli.root import root
from llm_monitoring.db.database import Database, Json, Row
from llm_monitoring.errors import BadInput
from llm_monitoring.projects import fingerprints
from llm_monitoring.reporting import exports, sheets

FORMULAS = ['=HYPERLINK("http://evil.example","x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\uff1d1"]
HARMLESS = ['\'=HYPERLINK("http://evil.example","x")', "'+1+1", "'-2+3", "'@SUM(A1)", "'\t'=1", "'\r'=1", "'  =1",
            "'\uff1d1"]  # fmt: skip
INSERT = """
INSERT INTO llm_monitoring_results (project_id, query_id, llm_provider, analysis_date, sample, model_id, model_used,
    query_text, brand_name, brand_mentioned, competitors_mentioned, sources, full_response, cost_usd, sentiment_score,
    rules_fingerprint)
VALUES (1, 1, 'openai', %(day)s, %(sample)s, 'gpt-6', 'gpt-6', %(prompt)s, 'Quipu', true, %(rivals)s, %(sources)s,
    %(text)s, %(cost)s, 0.25, %(mark)s)
"""
SOURCES = [
    {
        "url": "https://app.getquipu.com/a",
        "domain": "app.getquipu.com",
        "title": "=1+1",
        "kind": "provider",
        "cited": False,
    },
    {"url": "https://holded.com/", "domain": "holded.com", "title": None, "kind": "inline"},
    {"url": "https://notholded.com/", "domain": "notholded.com", "title": None, "kind": "inline"},
]


@pytest.fixture
def export(db: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `export` on a database with one project; its first prompt is a formula."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    user = projects.add_user(db, "ana@agency.example")
    brand, rival = Entity("Quipu", (), ("getquipu.com",)), Entity("Holded", (), ("holded.com",))
    projects.add(db, projects.NewProject(user, "P", brand, "software", [rival]))
    projects.add_prompts(db, 1, ["=1+1", "plain"])

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(root, ["export", *arguments])

    return run


def store(db: Database, texts: Sequence[str], prompt: str = "plain") -> None:
    for number, text in enumerate(texts):
        db.execute(
            INSERT,
            {"day": date(2026, 11, 1 + number % 20), "sample": number + 1, "prompt": prompt, "text": text,
             "rivals": Json({"Holded": 2}), "sources": Json(SOURCES), "cost": Decimal("0.0000012345"),
             "mark": fingerprints.fingerprint(projects.find(db, 1))},
        )  # fmt: skip


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_is_harmless(db: Database, export: Any) -> None:
    """A text that a spreadsheet would run has an apostrophe before it; numbers and plain texts are as they are."""
    store(db, [*FORMULAS, "plain -1", 'quo"te,\nline'])
    found = lines(export("results", "--project", "1").stdout)
    assert [*HARMLESS, "plain -1", 'quo"te,\nline'] == [row["full_response"] for row in found]
    assert ("0.0000012345", "0.25", "true", '{"Holded": 2}', "2026-11-01", "") == tuple(
        found[0][name] for name in
        ("cost_usd", "sentiment_score", "brand_mentioned", "competitors_mentioned", "analysis_date", "position_in_list")
    )  # fmt: skip
    assert list(exports.FIELDS["results"]) == list(found[0])


def test_negative_numbers_stay_numbers() -> None:
    """A negative amount is no formula: it is written as a number."""
    assert "-0.50" == sheets.csv_cell(Decimal("-0.50"), sheets.unchanged)
    assert -3 == sheets.csv_cell(-3, sheets.unchanged)


def test_json_lines(db: Database, export: Any) -> None:
    """Each line is one object with exact amounts as text, whatever the texts hold."""
    store(db, ["a\nb\u2028c \x1b[31m é 記"])
    result = export("results", "--project", "1", "--format", "jsonl")
    (found,) = [json.loads(line) for line in result.stdout.split("\n") if line]
    assert "0.0000012345" == found["cost_usd"]
    assert "a\nb\u2028c \x1b[31m é 記" == found["full_response"]
    assert {"Holded": 2} == found["competitors_mentioned"]
    assert result.stdout.isascii()


def test_json_is_json_lines(db: Database, export: Any) -> None:
    """--json prints what --format jsonl does, whether or not the form is named too."""
    store(db, ["one", "two"])
    lines_of = [
        export("citations", "--project", "1", *given).stdout
        for given in (("--format", "jsonl"), ("--json",), ("--json", "--format", "jsonl"))
    ]
    assert 6 == lines_of[0].count("\n")
    assert 1 == len(set(lines_of))


@pytest.mark.parametrize(("form", "begins"), [(None, b'{"id": '), ("csv", b"id,"), ("xlsx", b"PK")])
def test_json_tells_of_a_file(db: Database, export: Any, tmp_path: Path, form: str | None, begins: bytes) -> None:
    """With --json and --out the file has JSON lines or the form that was asked for, and what is printed is JSON."""
    store(db, ["one", "two"])
    out = tmp_path / "answers"
    named = ("--format", form) if form else ()
    result = export("results", "--project", "1", "--json", *named, "--out", str(out))
    assert {"path": str(out), "format": form or "jsonl", "rows": 2} == json.loads(result.stdout)
    assert out.read_bytes().startswith(begins)


def test_spreadsheet(db: Database, export: Any, tmp_path: Path) -> None:
    """A workbook holds texts as texts, never formulas or links, numbers as numbers, and cuts what no cell can hold."""
    store(db, [*FORMULAS, "http://evil.example", "x" * 40_000, "\x01 control"])
    out = tmp_path / "answers.xlsx"
    result = export("results", "--project", "1", "--format", "xlsx", "--out", str(out))
    assert 0 == result.exit_code, result.output
    assert f"{out}: 11 rows.\n" == result.stdout, result.output
    with zipfile.ZipFile(out) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        assert [] == [name for name in book.namelist() if "rels" in name and "sheet" in name]
    assert "<f>" not in sheet
    assert "<hyperlink" not in sheet
    assert 12 == sheet.count("<row ")
    assert "<v>0.25</v>" in sheet
    assert "[…]" in sheet
    assert "x" * 32_768 not in sheet


def test_citations(db: Database, export: Any) -> None:
    """Each source is a row with its owner and whether the text marks it; a title that is a formula is harmless."""
    store(db, ["one", "two"])
    found = lines(export("citations", "--project", "1", "--to", "2026-11-01").stdout)
    assert [("1", "brand", "Quipu"), ("2", "competitor", "Holded"), ("3", "other", "")] == [
        (row["place"], row["owner"], row["owner_name"]) for row in found
    ]
    assert "'=1+1" == found[0]["title"]
    assert ["false", "", ""] == [row["cited"] for row in found]


def test_pages(db: Database, export: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are read a page at a time: none is lost or repeated at the edges, and no more than a page is in memory."""
    monkeypatch.setattr(exports, "PAGE", 7)
    read: list[list[Row]] = []
    ask = Database.all

    def watched(self: Database, *given: Any) -> list[Row]:
        read.append(ask(self, *given))
        return read[-1]

    monkeypatch.setattr(Database, "all", watched)
    for wanted in (7, 20):
        db.execute("DELETE FROM llm_monitoring_results")
        store(db, [str(number) for number in range(wanted)])
        read.clear()
        found = lines(export("results", "--project", "1").stdout)
        assert [str(number) for number in range(wanted)] == [row["full_response"] for row in found]
        assert 7 == max(len(rows) for rows in read if rows and "full_response" in rows[0])


def test_days(db: Database, export: Any) -> None:
    """The days bound what is exported, both ends included."""
    store(db, [str(number) for number in range(5)])
    found = lines(export("results", "--project", "1", "--from", "2026-11-02", "--to", "2026-11-04").stdout)
    assert ["1", "2", "3"] == [row["full_response"] for row in found]


def test_snapshots(db: Database, export: Any) -> None:
    """Daily figures are exported with every column, empty where nothing was measured."""
    db.execute(
        "INSERT INTO llm_monitoring_snapshots (project_id, snapshot_date, llm_provider, model_id, total_queries, "
        "competitor_breakdown, models_served) "
        "VALUES (1, '2026-11-01', 'openai', 'gpt-6', 3, '{\"Holded\": 1}', '{a,b}')"
    )
    (found,) = lines(export("snapshots", "--project", "1").stdout)
    assert "3" == found["total_queries"]
    assert "" == found["mention_rate"]
    assert '{"Holded": 1}' == found["competitor_breakdown"]
    assert '["a", "b"]' == found["models_served"]


def test_byte_order_mark(db: Database, export: Any, tmp_path: Path) -> None:
    """With --bom the file begins with the mark that Excel needs, and reads as UTF-8."""
    store(db, ["año"])
    out = tmp_path / "a.csv"
    assert 0 == export("results", "--project", "1", "--out", str(out), "--bom").exit_code
    assert out.read_bytes().startswith(b"\xef\xbb\xbfid,")
    assert "año" == lines(out.read_text(encoding="utf-8-sig"))[0]["full_response"]
    assert [out] == list(tmp_path.iterdir())


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("results", "--project", "9"), "project 9 does not exist"),
        (("results", "--project", "1", "--format", "xlsx"), "--out"),
        (("results", "--project", "1", "--format", "xlsx", "--json"), "--out"),
        (("results", "--project", "1", "--format", "csv", "--json"), "--json prints JSON lines"),
        (("results", "--project", "1", "--json", "--bom"), "--bom"),
        (("results", "--project", "1", "--format", "jsonl", "--bom"), "--bom"),
        (("results", "--project", "1", "--from", "2026-11-02", "--to", "2026-11-01"), "is after --to"),
        (("results", "--project", "1", "--out", "/proc/none/x.csv"), "cannot be written"),
        (("answers", "--project", "1"), "answers"),
    ],
)
def test_refusals(export: Any, arguments: tuple[str, ...], words: str) -> None:
    """What cannot be exported is refused in one line that says why."""
    result = export(*arguments)
    assert 2 == result.exit_code
    assert "" == result.stdout
    assert 1 == result.stderr.count("\n")
    assert words in result.stderr


def test_failed_export_leaves_nothing(
    db: Database, export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export that fails half way leaves the earlier file as it was, and no draft."""
    store(db, ["one", "two", "three"])
    out = tmp_path / "a.xlsx"
    out.write_text("earlier")
    monkeypatch.setattr(sheets, "MOST_ROWS", 3)
    result = export("results", "--project", "1", "--format", "xlsx", "--out", str(out))
    assert 2 == result.exit_code
    assert "`--format csv`" in result.stderr
    assert "earlier" == out.read_text()
    assert [out] == list(tmp_path.iterdir())


def test_sheet_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sheet takes as many rows as it can hold next to its titles, and not one more."""
    monkeypatch.setattr(sheets, "MOST_ROWS", 3)
    rows = [{"a": number} for number in range(3)]
    assert 2 == sheets.write_xlsx(tmp_path / "a.xlsx", ["a"], rows[:2], "t")
    with pytest.raises(BadInput, match="holds 2 rows"):
        sheets.write_xlsx(tmp_path / "b.xlsx", ["a"], rows, "t")
