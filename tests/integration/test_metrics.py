"""`metrics` on stored answers: every figure of a period, by hand, and what changed against another period."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database, Json
from llm_monitoring.db.migrations import migrate
from llm_monitoring.domain import ProviderName
from llm_monitoring.figures.periods import Period
from tests.integration.stored import Book, done, refused

FIRST, SECOND = date(2026, 11, 1), date(2026, 11, 2)
BOTH = "Las mejores opciones:\n\n1. **Holded**\n2. **Quipu**\n"
NEITHER = "No hay una respuesta única."
PROMPTS = [f"¿Qué programa conviene en el caso {n}?" for n in range(10)]


@pytest.fixture(autouse=True)
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands work on the test's database."""
    monkeypatch.setenv("DATABASE_URL", database_url)


@pytest.fixture
def book(db: Database) -> Book:
    return Book.open(db, Entity("Quipu", domains=("getquipu.com",)), [*PROMPTS, "¿Qué es Quipu?"], [Entity("Holded")])


def fill(
    book: Book, day: date, mentioned: Sequence[int], provider: ProviderName = "openai", model: str = "m-1"
) -> None:
    """Answer ten prompts, of which those of these numbers mention the brand."""
    for number in range(len(PROMPTS)):
        book.store(number, day, BOTH if number in mentioned else NEITHER, provider=provider, model=model)


def asked(*days: date, compared: Sequence[date] = ()) -> list[str]:
    first, last = days[0].isoformat(), days[-1].isoformat()
    arguments = ["metrics", "--project", "1", "--from", first, "--to", last]
    if compared:
        arguments += ["--compare-from", compared[0].isoformat(), "--compare-to", compared[-1].isoformat()]
    return arguments


def measured(*days: date, compared: Sequence[date] = ()) -> Any:
    return json.loads(done(*asked(*days, compared=compared), "--json"))


def comparison_line(printed: str, start: str) -> list[str]:
    """The words of a line of the comparison."""
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    return next(line.split() for line in lines if line.startswith(f"{start} "))


def test_the_figures_of_a_period_in_all_and_by_provider(book: Book) -> None:
    """Rates, shares, positions and citations are those counted by hand, each provider weighing the same."""
    fill(book, FIRST, [0, 1, 2, 3])
    fill(book, FIRST, [0, 1], provider="google")
    book.store(10, FIRST, "Quipu es un programa de facturación.", citations=["https://getquipu.com/"])
    book.figures(FIRST)
    found = measured(FIRST)
    whole, openai, google = found["all"], found["by_provider"]["openai"], found["by_provider"]["google"]
    assert 20 == whole["total_queries"]
    assert 6 == whole["total_mentions"]
    assert "30.00" == whole["mention_rate"]
    assert "40.00" == openai["mention_rate"]
    assert "20.00" == google["mention_rate"]
    assert "50.00" == whole["share_of_voice"]
    assert {"Holded": 6} == whole["competitor_breakdown"]
    assert "2.00" == whole["avg_position"]
    assert 1 == whole["branded_total_queries"]
    assert 1 == whole["branded_total_mentions"]
    assert "0.00" == whole["citation_rate"]
    assert 10 == whole["prompts"]
    assert ["google", "openai"] == whole["providers"]
    assert "16.82" == openai["mention_rate_low"]
    assert "68.73" == openai["mention_rate_high"]


def test_nothing_to_measure_is_no_number(book: Book) -> None:
    """Without a mention there is no position and no sentiment, and without an answer no rate: “–”, null in JSON."""
    fill(book, FIRST, [])
    printed = done(*asked(FIRST))
    lines = {line.split("  ")[0]: line.split()[-1] for line in printed.splitlines() if line}
    assert "0.00" == lines["Mention rate %"]
    assert "–" == lines["Average position"]
    assert "–" == lines["Share of voice %"]
    assert "–" == lines["Average sentiment"]
    empty = measured(SECOND)
    assert 0 == empty["all"]["total_queries"]
    assert empty["all"]["mention_rate"] is None
    assert {} == empty["by_provider"]


@pytest.mark.ci
def test_a_change_of_model_is_said(book: Book) -> None:
    """A provider's new model is named with its day, beside the figures of both."""
    fill(book, FIRST, [0], model="m-1")
    fill(book, SECOND, [0], model="m-2")
    assert "Model changed: from 2026-11-02 on openai answers with m-2, with m-1 before." in done(*asked(FIRST, SECOND))
    assert measured(SECOND, compared=[FIRST])["comparison"]["model_changes"] == [
        {
            "provider": "openai",
            "day": "2026-11-02",
            "before": "m-1",
            "after": "m-2",
            "before_mode": "standard",
            "after_mode": "standard",
        }
    ]


def test_a_real_change_and_noise_are_told_apart(book: Book) -> None:
    """A rise over most prompts is `up`, a worse position is said so, and one prompt back and forth is noise."""
    days = [FIRST + timedelta(days=n) for n in range(3)]
    for day, mentioned in zip(days, ([0, 1], [0, 2], range(10)), strict=True):
        fill(book, day, mentioned)
    noise = measured(days[1], compared=[days[0]])["comparison"]["changes"][0]
    rise = measured(days[2], compared=[days[1]])["comparison"]["changes"][0]
    assert "within noise" == noise["verdict"]
    assert "0.00" == noise["difference"]
    assert "up" == rise["verdict"]
    assert "80.00" == rise["difference"]
    assert 10 == rise["prompts"]
    assert 10 == rise["pairs"]
    assert rise["improved"] is True
    printed = done(*asked(days[2], compared=[days[1]]))
    assert "Before: 2026-11-02. After: 2026-11-03." in printed


def test_a_falling_position_is_an_improvement(book: Book) -> None:
    """Of positions the verdict is said with its meaning, less being better, and with what it is judged at."""
    for day, text in ((FIRST, BOTH), (SECOND, "1. **Quipu**\n2. **Holded**\n")):
        for number in range(10):
            book.store(number, day, text)
    printed = done(*asked(SECOND, compared=[FIRST]))
    words = comparison_line(printed, "Average position, all")
    assert "2.00 1.00 -1.00 -1.00 to -0.44 10 10 down (improved) 98.33 %" == " ".join(words[3:])


@pytest.mark.ci
def test_of_two_periods_the_earlier_is_before(book: Book) -> None:
    """Whichever period was asked for first, the comparison goes forward in time."""
    fill(book, FIRST, [0])
    fill(book, SECOND, range(10))
    forwards, backwards = measured(SECOND, compared=[FIRST]), measured(FIRST, compared=[SECOND])
    assert forwards["comparison"] == backwards["comparison"]
    assert "up" == forwards["comparison"]["changes"][0]["verdict"]


def test_too_little_data_says_so(book: Book) -> None:
    """Five prompts in common are not compared."""
    for number in range(5):
        book.store(number, FIRST, NEITHER)
        book.store(number, SECOND, BOTH)
    verdicts = {change["verdict"] for change in measured(SECOND, compared=[FIRST])["comparison"]["changes"]}
    assert {"too little data"} == verdicts


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (asked(SECOND, FIRST), "--from 2026-11-02 is after --to 2026-11-01: give an earlier --from or a later --to"),
        (asked(FIRST, SECOND, compared=[SECOND]), "overlap"),
        ([*asked(FIRST), "--compare-from", "2026-10-01"], "both --compare-from and --compare-to"),
        (["metrics", "--project", "1", "--from", "soon", "--to", "2026-11-01"], "'soon' is no day"),
        (["metrics", "--project", "7", "--from", "2026-11-01", "--to", "2026-11-01"], "project 7 does not exist"),
    ],
)
def test_what_cannot_be_measured_is_refused(book: Book, arguments: list[str], said: str) -> None:
    """Wrong days, overlapping periods, half a comparison and unknown projects are named in one line."""
    assert said in refused(*arguments)


def test_failures_and_costs_stand_beside_the_figures(book: Book) -> None:
    """Failed tasks and the cost of all calls come from the days' figures."""
    fill(book, FIRST, [0])
    book.db.execute(
        "INSERT INTO llm_monitoring_failed_tasks (project_id, query_id, llm_provider, analysis_date, sample, model_id, "
        "reason, message, final) VALUES (1, 11, 'openai', '2026-11-01', 1, 'm-1', 'refused', 'no', TRUE)"
    )
    book.db.execute("UPDATE llm_monitoring_results SET attempt_id = NULL")
    book.figures(FIRST)
    assert 1 == measured(FIRST)["all"]["failed_queries"]
    assert "0.1000000000" == measured(FIRST)["all"]["total_cost_usd"]


@pytest.mark.ci
def test_rows_of_the_older_form_are_measured(legacy_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of the host's older tables, with empty columns, have figures too."""
    monkeypatch.setenv("DATABASE_URL", legacy_database_url)
    with Database(legacy_database_url) as db:
        migrate(db)
        db.execute(
            "INSERT INTO llm_monitoring_results (project_id, query_id, analysis_date, llm_provider, query_text, "
            "brand_name, brand_mentioned, competitors_mentioned) "
            "VALUES (1, 1, '2026-01-16', 'google', 'x', 'Quipu', NULL, %(none)s)",
            {"none": Json(None)},
        )
    found = measured(date(2026, 1, 15), date(2026, 1, 16))
    assert 2 == found["all"]["total_queries"]
    assert 1 == found["all"]["total_mentions"]
    assert "50.00" == found["all"]["mention_rate"]


def week(book: Book, first: date, mentioned: Sequence[int], provider: ProviderName = "openai") -> None:
    for day in range(7):
        fill(book, first + timedelta(days=day), mentioned, provider)


@pytest.mark.ci
def test_the_last_days_against_those_before(book: Book) -> None:
    """--days ends at the latest measured day, and --previous compares with as many days before it."""
    week(book, date(2026, 11, 1), [0, 1, 2])
    week(book, date(2026, 11, 8), range(9))
    found = json.loads(done("metrics", "1", "--days", "7", "--previous", "--json"))
    assert ("2026-11-08", "2026-11-14", "2026-11-01", "2026-11-07") == tuple(
        found[name] for name in ("from", "to", "compare_from", "compare_to")
    )
    assert "up" == found["comparison"]["changes"][0]["verdict"]


def test_a_month_against_the_month_before(book: Book) -> None:
    """Before a whole month comes the whole month before it, however long."""
    fill(book, FIRST, [0])
    found = json.loads(done("metrics", "1", "--from", "2026-11-01", "--to", "2026-11-30", "--previous", "--json"))
    assert "2026-10-01" == found["compare_from"]
    assert "2026-10-31" == found["compare_to"]


@pytest.mark.ci
def test_what_moved_by_prompt(book: Book) -> None:
    """--by prompt lists each prompt's rates with the answers behind them, what moved most first, and its text."""
    week(book, date(2026, 11, 1), range(10))
    week(book, date(2026, 11, 8), [n for n in range(10) if n != 3])
    printed = done("metrics", "1", "--days", "7", "--previous", "--by", "prompt")
    rows = [" ".join(line.split()) for line in printed.splitlines()]
    first = next(line for line in rows if line.startswith("4 "))
    assert "4 100.00 7 0.00 7 -100.00 -100.00 to -49.89 down 99.50 %" == first
    assert f"4: {PROMPTS[3]}" in rows


def test_one_provider_alone(book: Book) -> None:
    """--provider leaves the other providers' answers and cost out of every figure."""
    fill(book, FIRST, [0, 1])
    fill(book, FIRST, range(10), provider="google")
    found = json.loads(done("metrics", "1", "--days", "1", "--provider", "openai", "--json"))
    assert {"openai"} == set(found["by_provider"])
    assert "20.00" == found["all"]["mention_rate"]


@pytest.mark.ci
def test_who_moved_adds_up(book: Book) -> None:
    """A comparison says which part of the change is each provider's."""
    for provider, after in (("openai", [0, 1]), ("google", range(10))):
        week(book, date(2026, 11, 1), [0, 1], provider)  # type: ignore[arg-type]
        week(book, date(2026, 11, 8), after, provider)  # type: ignore[arg-type]
    printed = done("metrics", "1", "--days", "7", "--previous")
    assert "Of the mention rate's +40.00 points: google +40.00, openai 0.00." in printed


def test_an_empty_period_names_the_latest_day(book: Book) -> None:
    """A period without answers, a future one too, says which day has some; without any answer that is said."""
    assert "there is no answer at all yet" in done("metrics", "1")
    fill(book, FIRST, [0])
    printed = done("metrics", "1", "--from", "2027-01-01", "--to", "2027-01-31")
    assert "No answer in this period: the latest day with answers is 2026-11-01." in printed
    filtered = done("metrics", "1", "--days", "1", "--tag", "misspelt")
    assert "of this provider or with this tag in this period: `queries tag 1` lists the tags." in filtered


def test_a_missing_project_lists_them(book: Book) -> None:
    """Without a project the projects are listed with their numbers; two different ones are refused."""
    assert "which project? Add its number: 1 P" in refused("metrics")
    assert "which project? Add its number: 1 P" in refused("report")
    assert "which project? Add its number: 1 P" in refused("reanalyse", "--preview")
    assert "which project? Add its number: 1 P" in refused("queries", "generate", "--count", "1")
    assert "are two projects: give one" in refused("metrics", "1", "--project", "2")


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--days", "7", "--from", "2026-11-01", "--to", "2026-11-02"], "give two lengths"),
        (["--previous", "--compare-from", "2026-10-01", "--compare-to", "2026-10-02"], "two periods to compare with"),
        (
            ["--compare-from", "2026-10-05", "--compare-to", "2026-10-02"],
            "--compare-from 2026-10-05 is after --compare-to 2026-10-02",
        ),
    ],
)
def test_what_says_two_things_is_refused(book: Book, arguments: list[str], said: str) -> None:
    """Options that contradict each other are named, and what to change."""
    assert said in refused("metrics", "1", *arguments)


@pytest.mark.ci
@pytest.mark.parametrize("width", [60, 80])
def test_tables_fit_the_terminal(book: Book, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """In a narrow terminal columns go on below, with every number, interval and name whole."""
    from rich.console import Console

    from llm_monitoring.cli.base import output
    from llm_monitoring.cli.results import metrics_tables

    monkeypatch.setattr(output, "terminal", lambda: Console(width=width, highlight=False))
    monkeypatch.setattr(metrics_tables, "terminal", lambda: Console(width=width, highlight=False))
    for provider in ("openai", "google", "anthropic", "perplexity"):
        week(book, date(2026, 11, 1), [0, 1], provider)
        week(book, date(2026, 11, 8), [0, 1, 2], provider)
    printed = done("metrics", "1", "--days", "7", "--previous")
    tables = [line for line in printed.splitlines() if not line.startswith(("Note", "Project", "Before", "Of the"))]
    assert max(map(len, tables)) <= width
    words = printed.split()
    assert {"perplexity", "30.00", "Positive"} <= set(words)
    assert 4 <= printed.count("Branded: with the brand / answers") or width == 80


@pytest.mark.ci
def test_a_report_of_any_period(book: Book, tmp_path: Path) -> None:
    """A report of October, and one of November against it, say their periods and hold their answers."""
    week(book, date(2026, 10, 1), [0, 1])
    week(book, date(2026, 11, 1), range(10))
    out = tmp_path / "r.html"
    said = done("report", "1", "--from", "2026-10-01", "--to", "2026-10-31", "--out", str(out))
    assert "2026-10-01 to 2026-10-31, answers: 70." in said
    assert "<title>Quipu en los asistentes de IA · 1 oct – 31 oct 2026</title>" in out.read_text(encoding="utf-8")
    done("report", "1", "--from", "2026-11-01", "--to", "2026-11-30", "--previous", "--out", str(out))
    page = out.read_text(encoding="utf-8")
    assert "El cambio compara 1 nov – 30 nov 2026 con 1 oct – 31 oct 2026" in page
    assert "+80,0 puntos" in page
    assert "La última medición" not in page


@pytest.mark.ci
def test_a_language_without_words_is_said(book: Book, tmp_path: Path) -> None:
    """A project of another language gets an English page, and the command says so."""
    fill(book, FIRST, [0])
    done("projects", "edit", "1", "--language", "nl")
    said = done("report", "1", "--out", str(tmp_path / "r.html"))
    assert "The project's language is nl, for which there are no texts yet: the report is in English." in said


@pytest.mark.ci
def test_without_a_site_there_is_no_citation_rate(book: Book) -> None:
    """No declared site, no rate: null for programs, a dash and the command for people."""
    fill(book, FIRST, [0])
    done("projects", "edit", "1", "--clear", "domains")
    assert measured(FIRST)["all"]["citation_rate"] is None
    assert "No site is declared for Quipu, so nothing can be said of citations: `python -m" in done(*asked(FIRST))
    book.figures(FIRST)
    assert [None] == [row["citation_rate"] for row in book.snapshots()]


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    "options",
    [
        ["--to", "0001-01-05"],
        ["--from", "9999-12-20", "--days", "30"],
        ["--from", "0001-01-01", "--to", "0001-01-05", "--previous"],
    ],
    ids=" ".join,
)
def test_days_that_no_calendar_has_are_refused(book: Book, options: list[str]) -> None:
    """A period that would begin before the first day or end after the last one is an error with its reason."""
    assert "days" in refused("metrics", str(book.project_id), *options)


def test_the_last_month_of_the_calendar_has_one_before() -> None:
    """The last day has none after it, and is the end of a month all the same."""
    period = Period(date(9999, 12, 1), date(9999, 12, 31))
    assert Period(date(9999, 11, 1), date(9999, 11, 30)) == period.previous()
