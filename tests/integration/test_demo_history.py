"""The demo's history: thirty days in which one assistant's answers change, on the bill and in the ledger."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event

import click
import pytest
from cryptography.fernet import Fernet

from llm_monitoring.app import App, open_app
from llm_monitoring.cli.root import root
from llm_monitoring.demo import history
from llm_monitoring.demo.bill import Bill, read_charges
from llm_monitoring.demo.server.service import Behaviour, Service
from llm_monitoring.demo.session import fill
from llm_monitoring.domain import Secret
from llm_monitoring.figures import periods
from llm_monitoring.figures.comparison import Comparison
from llm_monitoring.figures.periods import Period, PeriodRequest
from llm_monitoring.jobs import demo_log
from llm_monitoring.process import location
from llm_monitoring.registry import admin
from llm_monitoring.registry.admin import Author
from llm_monitoring.runs.daily import RunRequest
from llm_monitoring.runs.records import RunLock
from llm_monitoring.settings.fields import load_settings
from tests.conftest import Databases, fill_migrated

TODAY = datetime.now(UTC).date()
WEEK = Period(TODAY - timedelta(days=6), TODAY)


PROVIDERS = ["google", "openai"]


@contextmanager
def opened(url: str) -> Iterator[App]:
    """The demo's first project with ten prompts, asked at two providers to be quick."""
    found = load_settings({"DATABASE_URL": url, "LLM_LOG_LEVEL": "ERROR"}, dotenv=False)
    settings = dataclasses.replace(found, keys_encryption_key=Secret(Fernet.generate_key().decode()))
    with open_app(settings) as app:
        fill(app)
        app.db.execute("DELETE FROM llm_monitoring_queries WHERE id > 10")
        app.db.execute("UPDATE llm_monitoring_projects SET enabled_llms = %(names)s", {"names": PROVIDERS})
        yield app


def write(app: App, bill: Path, days: int = history.DAYS) -> history.HistoryTotals:
    """Write the history up to a number of days, as an interrupted demo would."""
    stop = Event()

    def on_day(done: int) -> None:
        if done == days:
            stop.set()

    watch = history.HistoryProgress(stop, lambda total: None, on_day)
    with RunLock(app.db) as lock:
        return history.write(app, lock, demo_log.first_project(app), bill, watch)


def texts(app: App, day: date) -> list[str]:
    """The answers of a day, by prompt and provider."""
    rows = app.db.all(
        "SELECT full_response FROM llm_monitoring_results WHERE analysis_date = %(day)s "
        "ORDER BY query_id, llm_provider",
        {"day": day},
    )
    return [row["full_response"] for row in rows]


def model_of(app: App) -> str:
    current = admin.current(app.db, history.CHANGED)
    assert current is not None
    return current.model_id


@dataclasses.dataclass(frozen=True)
class Shown:
    """A whole history, the bill of its calls, and what wrote it."""

    app: App
    written: history.HistoryTotals
    bill: Path

    @property
    def comparison(self) -> Comparison:
        """The week of the new model against the one before."""
        question = PeriodRequest(demo_log.first_project(self.app), WEEK, WEEK.previous())
        found = periods.period_figures(self.app.db, question).comparison
        assert found is not None
        return found


pytestmark = pytest.mark.ci


@pytest.fixture(scope="module")
def shown(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    template = databases.template("migrated", fill_migrated)
    with databases.clone(template) as url, opened(url) as app, pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "DAYS", 13)  # two weeks with today
        bill = tmp_path_factory.mktemp("demo") / "bill.jsonl"
        yield Shown(app, write(app, bill), bill)


def test_the_changed_assistant_names_the_brand_less(shown: Shown) -> None:
    """The provider of which the model changed went down, and no other moved."""
    verdicts = {each.provider: each.verdict for each in shown.comparison.by_provider}
    assert {"google": "down", "openai": "within noise"} == verdicts


def test_the_whole_fell_with_it(shown: Shown) -> None:
    """The brand's mention rate over all providers fell, which is what the digest speaks of."""
    assert "down" == shown.comparison.figures[0].verdict


def test_both_models_answered(shown: Shown) -> None:
    """Answers of the old model end on the day on which those of the new one begin."""
    rows = shown.app.db.all(
        "SELECT model_id, min(analysis_date) AS first, max(analysis_date) AS last FROM llm_monitoring_results "
        "WHERE llm_provider = 'google' GROUP BY model_id ORDER BY 2"
    )
    change = TODAY - timedelta(days=history.DAYS_OF_NEW_MODEL)
    assert [(history.OLD_MODEL, change - timedelta(days=1)), (history.NEW_MODEL, TODAY - timedelta(days=1))] == [
        (row["model_id"], row["last"]) for row in rows
    ]


def test_the_history_is_on_the_bill_to_the_cent(shown: Shown) -> None:
    """What the ledger charged for the history is what the simulated providers billed."""
    billed = sum((Decimal(charge.price_usd) for charge in read_charges(shown.bill)), Decimal(0))
    assert billed == shown.written.cost_usd


def test_the_ledger_adds_up(shown: Shown) -> None:
    """The accounts are the sums of the history's calls."""
    assert [] == list(shown.app.budget.differences())


def test_a_history_that_is_there_is_not_asked_again(shown: Shown) -> None:
    """The second demo writes no day."""
    assert history.HistoryTotals() == write(shown.app, shown.bill)


def test_the_new_model_stays(shown: Shown) -> None:
    """After the history the new model answers."""
    assert history.NEW_MODEL == model_of(shown.app)


@pytest.fixture
def cut(database_url: str, tmp_path: Path) -> Iterator[App]:
    """A history that was cut short after its first day."""
    with opened(database_url) as app:
        write(app, tmp_path / "bill.jsonl", days=1)
        yield app


def test_the_same_day_has_the_same_answers(shown: Shown, cut: App) -> None:
    """The answers of a day come from its date, not from the moment of asking or the database."""
    day = TODAY - timedelta(days=13)
    service = Service(Behaviour(), Bill())
    history.play(service, day)
    admin.switch(cut.db, admin.find(cut.db, history.CHANGED, history.OLD_MODEL), Author("test", "the day's model"))
    with RunLock(cut.db) as lock:
        history.write_day(cut, lock, RunRequest(day, demo_log.first_project(cut)), service)
    assert texts(shown.app, day) == texts(cut, day)


def test_a_cut_history_goes_on(shown: Shown, cut: App) -> None:
    """An interrupted history lacks the days that were not written, and no other."""
    assert shown.written.days - 1 == len(history.missing_days(cut, TODAY))


def test_other_days_have_other_answers(shown: Shown) -> None:
    """Two days of one model differ."""
    first = TODAY - timedelta(days=13)
    assert texts(shown.app, first) != texts(shown.app, first + timedelta(days=1))


def arguments(command: str) -> list[str]:
    return shlex.split(command)[4:]


@pytest.mark.parametrize("command", history.commands("python", 1))
def test_the_next_steps_are_commands(command: str) -> None:
    """Each command that the demo proposes is one that the command line takes."""
    name, *rest = arguments(command)
    context = click.Context(root)
    found = root.get_command(context, name)
    assert found is not None
    if isinstance(found, click.Group):
        _, found, rest = found.resolve_command(context, rest)
        assert found is not None
    assert found.make_context(name, rest, parent=context).params


def test_python_from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the checkout the interpreter of its environment is named as one types it."""
    monkeypatch.chdir(location.PACKAGE.parent)
    monkeypatch.setattr("sys.executable", str(location.PACKAGE.parent / ".venv" / "bin" / "python"))
    assert ".venv/bin/python" == demo_log.python()


def test_python_from_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Elsewhere the command leads to the checkout first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", "/opt/my python/bin/python")
    assert f"cd {shlex.quote(str(location.PACKAGE.parent))} && '/opt/my python/bin/python'" == demo_log.python()


def test_python_of_an_installed_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What pip installed works from every directory, so the command leads nowhere first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(location, "PACKAGE", tmp_path / "site-packages" / "llm_monitoring")
    monkeypatch.setattr("sys.executable", "/opt/my python/bin/python")
    assert "'/opt/my python/bin/python'" == demo_log.python()
