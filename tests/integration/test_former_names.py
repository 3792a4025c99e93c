"""Figures after names changed: the same as if every answer had been read with the present ones, or none at all."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.figures import readings
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.reporting.files import ReportWriter
from llm_monitoring.reporting.report_data import ReportRequest
from tests.integration.stored import Book, done, refused

DAY = date(2026, 11, 1)
BOTH = "Las mejores opciones:\n\n1. **Holded**\n2. **Quipu**\n"
RIVAL = "Holded es el más usado."
PROMPTS = [f"¿Qué programa conviene en el caso {n}?" for n in range(6)]


@pytest.fixture(autouse=True)
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands work on the test's database."""
    monkeypatch.setenv("DATABASE_URL", database_url)


@pytest.fixture
def book(db: Database) -> Book:
    """Two days of six prompts: four answers of twelve name the brand, all of them the rival."""
    found = Book.open(db, Entity("Quipu", domains=("getquipu.com",)), PROMPTS, [Entity("Holded")])
    for day in (DAY, DAY + timedelta(days=1)):
        for number in range(len(PROMPTS)):
            found.store(number, day, BOTH if number < 2 else RIVAL)
        found.figures(day)
    return found


def measured() -> Any:
    return json.loads(done("metrics", "1", "--from", "2026-11-01", "--to", "2026-11-02", "--json"))


def page(db: Database, folder: Path) -> str:
    writer = ReportWriter(db, KeyStore(db, None, {}), Budget(db), DAY)
    return writer.write(ReportRequest(1), folder / "page.html").path.read_text(encoding="utf-8")


def snapshots() -> list[dict[str, Any]]:
    return [json.loads(line) for line in done("export", "snapshots", "--project", "1", "--json").splitlines()]


def test_a_renamed_competitor_moves_no_share(book: Book, tmp_path: Path) -> None:
    """Right after a competitor gets another name, metrics, page and exports show the share of voice of before."""
    before = measured()["all"]
    assert "25.00" == before["share_of_voice"]
    done("competitors", "edit", "1", "Holded", "--name", "Holded ERP")
    after = measured()
    assert "25.00" == after["all"]["share_of_voice"]
    assert {"Holded ERP": 12} == after["all"]["competitor_breakdown"]
    assert 12 == after["answers_read_again"]
    assert "25,0\N{NO-BREAK SPACE}%" in page(book.db, tmp_path)
    assert [("25.00", {"Holded ERP": 6})] * 2 == [
        (each["share_of_voice"], each["competitor_breakdown"]) for each in snapshots()
    ]
    exported = done("export", "results", "--project", "1", "--json").splitlines()
    assert {"Holded ERP"} == {name for line in exported for name in json.loads(line)["competitors_mentioned"]}


def test_a_renamed_brand_moves_no_rate(book: Book) -> None:
    """The brand's old name stays as an alias: answers that use it still count."""
    rate = measured()["all"]["mention_rate"]
    done("projects", "edit", "1", "--brand", "Quipu Cloud")
    assert ("Quipu",) == book.project.brand.aliases
    assert rate == measured()["all"]["mention_rate"]


def test_a_dropped_name_counts_no_more(book: Book) -> None:
    """With --drop-old-name figures say at once what the new name alone finds; and it needs a new name."""
    done("competitors", "edit", "1", "Holded", "--name", "Holded ERP", "--drop-old-name")
    after = measured()["all"]
    assert "100.00" == after["share_of_voice"]
    assert {"Holded ERP": 0} == after["competitor_breakdown"]
    assert "--drop-old-name is for a new name" in refused("competitors", "edit", "1", "Holded ERP", "--drop-old-name")


@pytest.mark.ci
def test_answers_without_a_text(book: Book, tmp_path: Path) -> None:
    """Former names that count the same are followed without the text; others leave the answer out of every figure."""
    book.db.execute("UPDATE llm_monitoring_results SET full_response = NULL WHERE analysis_date = '2026-11-01'")
    done("competitors", "edit", "1", "Holded", "--name", "Holded ERP")
    same = measured()
    assert "25.00" == same["all"]["share_of_voice"]
    assert 6 == same["answers_kept_as_read"]
    assert 0 == same["answers_left_out"]
    done("competitors", "add", "1", "Sage")
    other = measured()
    assert 6 == other["all"]["total_queries"]
    assert 6 == other["answers_left_out"]
    assert "25.00" == other["all"]["share_of_voice"]
    assert "6 respuestas de este periodo no entran en ninguna cifra" in page(book.db, tmp_path)
    withheld = [each for each in snapshots() if each["snapshot_date"] == "2026-11-01"]
    assert [(None, None)] == [(each["share_of_voice"], each["mention_rate"]) for each in withheld]


@pytest.mark.ci
def test_too_many_to_read_again(book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More answers than a command may read again give no figure, and the way to have one."""
    monkeypatch.setattr(readings, "MOST_READ_AGAIN", 5)
    done("competitors", "edit", "1", "Holded", "--name", "Holded ERP")
    assert "reanalyse --project 1" in refused("metrics", "1", code=1)
    writer = ReportWriter(book.db, KeyStore(book.db, None, {}), Budget(book.db), DAY)
    assert [] == writer.write_all([1], tmp_path, RowErrors())


def test_a_judgement_goes_with_its_mention(book: Book) -> None:
    """A sentiment about a mention that counts no more is in no figure."""
    book.judge(book.task(0, DAY, "openai", 1))
    assert 1 == measured()["all"]["positive_mentions"]
    done("projects", "edit", "1", "--brand", "Quipux", "--drop-old-name")
    assert 0 == measured()["all"]["positive_mentions"]
    assert measured()["all"]["avg_sentiment_score"] is None
