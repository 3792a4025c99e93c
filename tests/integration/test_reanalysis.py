"""Reading stored answers anew: what the preview says, what the run writes, what an interruption leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from llm_monitoring.analysis import Entity
from llm_monitoring.answers import reanalysis
from llm_monitoring.answers.reanalysis import ReanalysisControl, ReanalysisResult
from llm_monitoring.db.database import Database
from llm_monitoring.db.migrations import migrate
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.domain import PROVIDERS
from llm_monitoring.figures import snapshots
from llm_monitoring.health import database as database_checks
from llm_monitoring.jobs import run_notices
from tests.conftest import Databases
from tests.environment import open_environment
from tests.integration.stored import Book, alike, command, done, refused

BRAND = Entity("Quipu", domains=("getquipu.com",))
RIVALS = [Entity("Holded"), Entity("Sage")]
PROMPTS = ["¿Qué programa me conviene?", "Mejores programas de facturación", "¿Qué tal es Contamax?"]
TEXTS = [
    "1. **Holded**\n2. **Quipu**\n3. Sage",
    "Contamax es sencillo, y Quipu también. Contamax además es barato.",
    "Muchos usan Contamax, con [más detalles](https://getquipu.com/precios).",
    "Holded o Sage, según el caso.",
]
DAYS = [date(2026, 11, 1) + timedelta(days=n) for n in range(5)]
PER_DAY = len(PROMPTS) * len(PROVIDERS)


@pytest.fixture(autouse=True)
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands work on the test's database."""
    monkeypatch.setenv("DATABASE_URL", database_url)


def filled(db: Database, brand: Entity, name: str) -> Book:
    """A project with an answer a prompt, provider and day, and the figures of each day."""
    book = Book.open(db, brand, PROMPTS, RIVALS, name=name)
    for turn, day in enumerate(DAYS):
        for number in range(len(PROMPTS)):
            for place, provider in enumerate(PROVIDERS):
                book.store(number, day, TEXTS[(turn + number + place) % len(TEXTS)], provider=provider)
        book.figures(day)
    return book


def fill(url: str) -> None:
    """A project whose brand got an alias after its answers were stored."""
    with Database(url) as db:
        filled(db, BRAND, "old names").rename(brand_aliases=["Contamax"])


@pytest.fixture
def database_url(databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a fresh database, with that project if the test has a book."""
    template = databases.migrated()
    if "book" in request.fixturenames:
        template = databases.template("renamed", fill, template)
    with databases.clone(template) as url:
        yield url


@pytest.fixture
def book(db: Database) -> Book:
    """The only project."""
    return Book(db, 1)


@pytest.fixture
def fresh(db: Database) -> Callable[[], Book]:
    """The same answers as a project that had the alias from the start would have stored them."""
    return lambda: filled(db, Entity("Quipu", ("Contamax",), BRAND.domains), "new names")


def run(book: Book, watch: ReanalysisControl | None = None, *, sentiment: bool = True) -> ReanalysisResult:
    work = reanalysis.plan(book.db, book.project_id)
    return reanalysis.run(book.db, work, watch or ReanalysisControl(), sentiment=sentiment)


def same(book: Book, other: Book) -> bool:
    return alike(book.rows()) == alike(other.rows()) and alike(book.snapshots()) == alike(other.snapshots())


def preview(*options: str) -> Any:
    return json.loads(done("reanalyse", "--project", "1", "--preview", "--json", *options))


def test_the_preview_says_what_would_change_and_writes_nothing(book: Book) -> None:
    """Mentions gained are told by spelling with the text around them; not one row is different afterwards."""
    before = (book.rows(), book.snapshots())
    found = preview()
    gained = found["mentions"]["Quipu"]
    spelling = gained["spellings"][0]
    assert 45 == gained["difference"]
    assert 0 == gained["unexplained"]
    assert 60 == found["answers"]
    assert 40 == found["changed"]
    assert "Contamax" == spelling["spelling"]
    assert 45 == spelling["difference"]
    assert "Contamax es sencillo" in spelling["examples"][0]["text"]
    assert 15 == found["fields"]["brand_mentioned"]["answers"]
    assert 30 == found["fields"]["mention_count"]["answers"]
    assert (20, 0, 20) == tuple(found["fields"]["branded"][name] for name in ("answers", "before", "after"))
    assert before == (book.rows(), book.snapshots())


def test_the_printed_preview(book: Book) -> None:
    """People read “+45 mentions” with its spelling and answers, and that nothing was written."""
    printed = done("reanalyse", "--project", "1", "--preview")
    assert "60 answers were read with other names or rules (5 days, 2026-11-01 to 2026-11-05)" in printed
    assert "nothing is written" in printed
    assert "Quipu: +45 mentions (30 → 75): +45 “Contamax”" in printed


def test_a_run_equals_a_fresh_computation(book: Book, fresh: Callable[[], Book]) -> None:
    """After the run results and figures are, column by column, those of a project that had the alias all along."""
    other = fresh()
    book.db.execute("UPDATE llm_monitoring_results SET sentiment_status = 'none'")
    assert not same(book, other)
    outcome = run(book, sentiment=False)
    assert 60 == outcome.changes.answers
    assert 5 == outcome.days
    assert outcome.finished is True
    assert same(book, other) is True
    assert [] == reanalysis.plan(book.db, book.project_id).days
    assert [] == book.db.all("SELECT id FROM llm_call_attempts")


def test_answers_are_read_in_their_prompts_language(db: Database) -> None:
    """Each prompt's own, and its project's for a prompt without one."""
    book = Book.open(db, Entity("Kordio"), ["Welche?", "¿Cuál?", "Kordios priser?"], language="da")
    for number in range(3):
        book.store(number, DAYS[0], "Kordios Preise")
    languages = "CASE query_text WHEN 'Welche?' THEN 'de' WHEN '¿Cuál?' THEN 'es' END"
    db.execute(f"UPDATE llm_monitoring_queries SET language = {languages}")
    db.execute("UPDATE llm_monitoring_results SET rules_fingerprint = NULL")
    run(book)
    assert [(1, False), (0, False), (1, True)] == [(row["mention_count"], row["branded"]) for row in book.rows()]


def test_stale_answers_are_counted_wherever_one_looks(book: Book) -> None:
    """`doctor`, `projects check` and the digest say how many answers wait for another reading, until it is done."""
    app = SimpleNamespace(db=book.db, errors=RowErrors())
    reports: Any = [SimpleNamespace(project_id=book.project_id, name="P")]

    def said() -> list[bool]:
        (finding,) = database_checks.readings(book.db)
        lines = [news.line for news in run_notices.stale_notices(app, reports)]  # type: ignore[arg-type]
        shown = json.loads(done("projects", "check", "1", "--json"))["stale_answers"]
        return [
            "60 answers of project #1 " in finding.message,
            any("60 respuesta(s)" in line for line in lines),
            shown == 60,
        ]

    before = said()
    run(book)
    assert [True] * 3 == before
    assert [False] * 3 == said()


@pytest.mark.ci
def test_a_stopped_run_goes_on_where_it_was(book: Book, fresh: Callable[[], Book]) -> None:
    """A stop between two pages keeps what is done; the next start reads the rest alone, and the end is the same."""
    watch = ReanalysisControl(on_progress=lambda answers: watch.stop.set())
    first = run(book, watch)
    rest = run(book)
    assert PER_DAY == first.changes.answers
    assert 1 == first.days
    assert first.finished is False
    assert 60 - PER_DAY == rest.changes.answers
    assert 4 == rest.days
    assert rest.finished is True
    assert same(book, fresh())


@pytest.mark.ci
def test_a_run_that_dies_before_a_days_figures_makes_them_next_time(
    book: Book, fresh: Callable[[], Book], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers marked and figures not: the day is still found, and its figures are made anew."""

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "write_snapshots", die)
        with pytest.raises(KeyboardInterrupt):
            run(book)
    work = reanalysis.plan(book.db, book.project_id)
    assert 5 == len(work.days)
    assert 0 == work.days[0].stale
    assert 48 == work.stale
    run(book)
    assert same(book, fresh())


def test_the_stopped_command_says_how_to_go_on(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with the number of answers done, exit code 1, and the command that goes on."""
    watch = reanalysis.ReanalysisControl

    def stopping(stop: Any, advance: Any, errors: Any) -> Any:
        return watch(stop, lambda answers: stop.set(), errors)

    monkeypatch.setattr(reanalysis, "ReanalysisControl", stopping)
    said = refused("reanalyse", "--project", "1", "--yes", code=1)
    assert f"stopped after {PER_DAY} of 60 answers: `python -m llm_monitoring reanalyse --project 1`" in said


def test_verdicts_stay_where_the_mention_does(db: Database) -> None:
    """A verdict stays with its mention, goes with it, and a new mention waits for its own unless sentiment is off."""
    book = Book.open(db, BRAND, PROMPTS, RIVALS)
    stays, goes = (book.store(number, DAYS[0], text) for number, text in enumerate(["Quipu va bien.", "Quipu inca."]))
    book.store(2, DAYS[0], "Contamax va bien.")
    book.judge(stays)
    book.judge(goes)
    book.rename(brand_aliases=["Contamax"], brand_exclude=["Quipu inca"])
    outcome = run(book)
    found = [(row["sentiment"], row["sentiment_score"], row["sentiment_status"]) for row in book.rows()]
    assert [("positive", Decimal("0.90"), "scored"), (None, None, "none"), (None, None, "pending")] == found
    changes = outcome.changes
    assert 1 == changes.verdicts_kept
    assert 1 == changes.verdicts_dropped
    assert 1 == changes.to_judge
    book.rename(brand_aliases=[])
    run(book)
    book.rename(brand_aliases=["Contamax"])
    run(book, sentiment=False)
    assert ["scored", "none", "none"] == [row["sentiment_status"] for row in book.rows()]


def test_a_lost_spelling_is_told_with_its_sign(db: Database) -> None:
    """Mentions that an exclude phrase takes away are counted below zero, under the words that they stood in."""
    book = Book.open(db, BRAND, PROMPTS, [Entity("Sage")])
    book.store(0, DAYS[0], "Sage Intacct es caro. Sage va bien.")
    book.figures(DAYS[0])
    book.rename(competitors='[{"name": "Sage", "exclude": ["Sage Intacct"]}]')
    printed = done("reanalyse", "--project", "1", "--preview")
    assert "Sage: -1 mentions (2 → 1): -1 “Sage”" in printed
    assert "Sage Intacct es caro." in printed


def test_names_of_before_that_nobody_kept_are_admitted(book: Book) -> None:
    """Where the earlier names are unknown, a difference is not put down to a spelling that may not explain it."""
    book.db.execute("DELETE FROM llm_monitoring_rules")
    gained = preview()["mentions"]["Quipu"]
    assert 45 == gained["difference"]
    assert 30 == gained["unexplained"]
    assert 15 == gained["spellings"][0]["difference"]


def test_a_period_alone(book: Book) -> None:
    """--from and --to leave the other days as they are."""
    done("reanalyse", "--project", "1", "--from", DAYS[1].isoformat(), "--to", DAYS[2].isoformat(), "--yes")
    work = reanalysis.plan(book.db, book.project_id)
    assert [DAYS[0], DAYS[3], DAYS[4]] == [day.day for day in work.days]


@pytest.mark.ci
def test_no_is_no(book: Book) -> None:
    """Without --yes the command asks, and anything but yes writes nothing."""
    before = book.rows()
    done("reanalyse", "--project", "1", stdin="n\n")
    assert before == book.rows()
    done("reanalyse", "--project", "1", stdin="y\n")
    assert before != book.rows()
    assert "there is nothing to do" in done("reanalyse", "--project", "1", "--yes")


def test_json_cannot_ask(book: Book) -> None:
    """--json without --preview or --yes is refused rather than waiting for an answer."""
    assert "add --preview or --yes" in refused("reanalyse", "--project", "1", "--json")


def test_two_at_once_are_refused(book: Book) -> None:
    """While one reanalysis of a project works, a second one says so and writes nothing."""
    with reanalysis.ReanalysisLock(book.db, book.project_id):
        result = command("reanalyse", "--project", "1", "--yes")
    assert 1 == result.exit_code
    assert result.stderr.startswith("error: another reanalysis of this project is under way (pid=")


@pytest.fixture
def legacy(legacy_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    monkeypatch.setenv("DATABASE_URL", legacy_database_url)
    with Database(legacy_database_url, retry_seconds=10.0) as db:
        migrate(db)
        yield Book(db, 1)


@pytest.mark.ci
def test_answers_of_the_older_form(legacy: Book) -> None:
    """Rows without citations are read from their text, rows without text keep their reading, and costs stay."""
    legacy.db.execute(
        "INSERT INTO llm_monitoring_results (project_id, query_id, analysis_date, llm_provider, model_used, "
        "query_text, brand_name, brand_mentioned, mention_count, position_in_list, cost_usd, tokens_used) "
        "VALUES (1, 2, '2026-01-15', 'openai', 'gpt-5', '¿Qué es Quipu?', 'Quipu', TRUE, 7, 4, 0.0058, 900)"
    )
    outcome = run(legacy)
    read, kept = legacy.rows()
    assert 1 == outcome.changes.answers
    assert 1 == outcome.changes.without_text
    assert kept["rules_fingerprint"] is None
    assert 2 == read["position_in_list"]
    assert {"Holded": 1} == read["competitors_mentioned"]
    assert "numbered" == read["ranking_kind"]
    assert kept["brand_mentioned"] is True
    assert 7 == kept["mention_count"]
    assert 4 == kept["position_in_list"]
    assert kept["branded"] is True
    [figures] = legacy.snapshots()
    assert "gpt-5" == figures["model_id"]
    assert 1 == figures["total_queries"]
    assert 1 == figures["branded_total_queries"]
    assert Decimal("0.0100000000") == figures["total_cost_usd"]
    assert 900 == figures["total_tokens"]
    assert [] == reanalysis.plan(legacy.db, 1).days
    noted = done("metrics", "--project", "1", "--from", "2026-01-15", "--to", "2026-01-15")
    assert "Note: 1 answers without a text stand as they were read" in noted


@pytest.mark.ci
def test_an_unread_answer_of_the_older_form_is_no_mention(legacy: Book) -> None:
    """A row that says neither whether it mentions the brand nor what was answered has figures all the same."""
    legacy.db.execute(
        "INSERT INTO llm_monitoring_results (project_id, query_id, analysis_date, llm_provider, query_text, "
        "brand_name, brand_mentioned) VALUES (1, 1, '2026-01-16', 'google', 'x', 'Quipu', NULL)"
    )
    run(legacy)
    figures = legacy.snapshots()[-1]
    assert 1 == figures["total_queries"]
    assert 0 == figures["total_mentions"]
    assert Decimal("0.00") == figures["mention_rate"]
    assert [] == reanalysis.plan(legacy.db, 1).days


@pytest.mark.ci
def test_a_daily_run_marks_what_it_stores(database_url: str) -> None:
    """After a run of the daily job nothing is to be read anew, until a name changes."""
    with open_environment(database_url) as environment:
        project_id = environment.add_project(environment.add_user("a@example.com", ["openai"]), PROMPTS, ["openai"])
        assert 0 == environment.run()[0]
        assert [] == reanalysis.plan(environment.db, project_id).days
        Book(environment.db, project_id).rename(brand_aliases=["Contamax"])
        assert [3] == [day.stale for day in reanalysis.plan(environment.db, project_id).days]
        known = "llm_monitoring_results r JOIN llm_monitoring_rules k ON k.fingerprint = r.rules_fingerprint"
        assert 3 == environment.count(known)
