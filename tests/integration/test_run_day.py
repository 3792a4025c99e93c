"""One way to run a day: every caller settles first, reads once, and blocks the same users."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

import llm_monitoring
from llm_monitoring.app import App, open_app
from llm_monitoring.cli.root import root
from llm_monitoring.jobs import daily as job
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.ledger.attempts import Attempt
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.payment import Payment, PaymentService
from llm_monitoring.providers import Reply
from llm_monitoring.runs import daily, records
from llm_monitoring.runs.daily import RunListener, RunRequest, run_day
from llm_monitoring.runs.records import AlreadyRunning, RunLock
from llm_monitoring.runs.report import DayReport
from llm_monitoring.settings.fields import load_settings
from tests.environment import KEYS, Environment, open_environment

PROMPTS = ["¿Qué programa de facturación conviene?", "¿Qué es Quipu?"]
TODAY = datetime.now(UTC).date()


@pytest.fixture
def environment(database_url: str, quiet: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """A database that the jobs, commands and functions of this process find in the environment."""
    with open_environment(database_url) as made:
        for name, value in made.variables({"LLM_SENTIMENT": "false", "LLM_LOG_LEVEL": "INFO"}).items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def app(environment: Environment) -> Iterator[App]:
    with open_app(load_settings()) as opened:
        yield opened


def add_asked_user(environment: Environment, name: str, budget: str = "10.00") -> tuple[int, int]:
    """A user with a key, and a project of two prompts."""
    user = environment.add_user(f"{name}@example.com", ["openai"], budget)
    return user, environment.add_project(user, PROMPTS, ["openai"], name=name)


def leave_call_open(environment: Environment, user: int, ceiling: str) -> int:
    """A run that died after it had sent a call which may cost `ceiling` USD; returns the run's number."""
    run_id = records.start(environment.db, TODAY)
    call = Attempt(uuid.uuid4(), "probe", user, "openai", "m", "user", Decimal(ceiling), run_id=run_id)
    environment.budget.reserve(call)
    assert environment.budget.mark_sent(call)
    return run_id


def cron(run_id: int) -> None:
    assert 0 == job.run(load_settings(), job.Options(None, None, dry_run=False, demo=False))


def retry(run_id: int) -> None:
    result = CliRunner().invoke(root, ["runs", "retry", str(run_id), "--yes"])
    assert 0 == result.exit_code, result.output


def host(run_id: int) -> None:
    llm_monitoring.analyze_all_active_projects()


@pytest.mark.short(every=3)
@pytest.mark.parametrize("caller", [cron, retry, host])
def test_an_account_filled_by_a_dead_run_is_blocked_by_every_caller(
    environment: Environment, caller: Callable[[int], None]
) -> None:
    """The dead run's call is charged its ceiling first: its user has nothing left and is not asked, others are."""
    full, _ = add_asked_user(environment, "full")
    free, _ = add_asked_user(environment, "free")
    caller(leave_call_open(environment, full, "10.00"))
    sent = environment.rows(
        "SELECT user_id, count(*) AS calls FROM llm_call_attempts WHERE kind = 'answer' GROUP BY user_id"
    )
    assert [{"user_id": free, "calls": len(PROMPTS)}] == sent


@pytest.mark.ci
@pytest.mark.parametrize("caller", [cron, retry, host])
def test_every_caller_reports_the_same_block(
    environment: Environment, caller: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project of the user with the full account is a problem of the code `blocked`, not a failed task."""
    reports: list[DayReport] = []
    ask = daily.ask

    def keep(*arguments: Any) -> DayReport:
        reports.append(ask(*arguments))
        return reports[-1]

    monkeypatch.setattr(daily, "ask", keep)
    full, project = add_asked_user(environment, "full")
    add_asked_user(environment, "free")
    caller(leave_call_open(environment, full, "10.00"))
    problems = [(each.project_id, each.error.code) for each in reports[0].projects if each.error]
    assert [(project, "blocked")] == problems


def count_calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a start settles and reads."""
    counts: Counter[str] = Counter()
    for owner, name in (
        (daily, "recover"),
        (daily, "balance"),
        (daily, "read_projects"),
        (Budget, "standings"),
        (KeyStore, "available"),
    ):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name), name, counts))
    return counts


def counted(function: Callable[..., object], name: str, counts: Counter[str]) -> Callable[..., object]:
    def count(*arguments: object, **named: object) -> object:
        counts[name] += 1
        return function(*arguments, **named)

    return count


@pytest.mark.short(every=6)
@pytest.mark.parametrize("caller", [cron, host])
def test_a_start_settles_and_reads_once(
    environment: Environment, caller: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dead runs are settled once a start; accounts, keys and projects are read once."""
    user, _ = add_asked_user(environment, "a")
    counts = count_calls(monkeypatch)
    caller(leave_call_open(environment, user, "1.00"))
    assert dict.fromkeys(["recover", "balance", "read_projects", "standings", "available"], 1) == counts


@pytest.mark.short(every=2)
@pytest.mark.parametrize("crashes", [1, 3])
def test_a_settlement_that_a_crash_of_the_database_took_back_is_made_again(
    environment: Environment, app: App, monkeypatch: pytest.MonkeyPatch, crashes: int
) -> None:
    """Its commit did not wait for the disk: the run settles it from the receipt, as often as it is taken back."""
    add_asked_user(environment, "a")
    settle, taken_back = PaymentService.settle, list[uuid.UUID]()

    def lose_first(self: PaymentService, payment: Payment[Any], reply: Reply) -> Any:
        attempt_id = payment.attempt.id
        lost = len(taken_back) < crashes and attempt_id in (taken_back or [attempt_id])
        return taken_back.append(attempt_id) if lost else settle(self, payment, reply)

    monkeypatch.setattr(PaymentService, "settle", lose_first)
    report = run_day(app, RunRequest(TODAY))
    assert 2 == report.projects[0].answers
    assert report.in_balance is True
    assert [] == environment.audit().open_attempts


class Heard(RunListener):
    """Keeps what a start reports."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def on_budgets(self, standings: object, *, may_spend: bool) -> None:
        self.events.append(f"budgets {may_spend}")

    def on_keys(self, states: object, usable: object) -> None:
        self.events.append(f"keys {usable}")

    def on_asking(self) -> None:
        self.events.append("asking")


def heard(app: App) -> list[str]:
    listener = Heard()
    run_day(app, RunRequest(TODAY), listener=listener)
    return listener.events


@pytest.mark.ci
def test_a_listener_hears_budgets_then_keys_then_the_asking(environment: Environment, app: App) -> None:
    """What a caller logs of a start comes in this order."""
    add_asked_user(environment, "a")
    assert ["budgets True", "keys ['openai']", "asking"] == heard(app)


def test_without_budget_nothing_else_is_heard(environment: Environment, app: App) -> None:
    """If no user has budget the start ends before it looks at keys."""
    user, _ = add_asked_user(environment, "a", "1.00")
    environment.budget.correct(user, Decimal("1.00"), "spent elsewhere")
    assert ["budgets False"] == heard(app)


def test_without_keys_the_asking_does_not_begin(environment: Environment, app: App) -> None:
    """If there is no usable key the start ends with that."""
    environment.add_project(environment.add_user("a@example.com", []), PROMPTS)
    assert ["budgets True", "keys []"] == heard(app)


@pytest.mark.short(every=2)
@pytest.mark.parametrize(("obstacle", "keys"), [("no_budget", ["openai"]), ("no_keys", [])])
def test_a_start_that_can_ask_no_one_is_kept_as_aborted(
    environment: Environment, app: App, obstacle: str, keys: list[str]
) -> None:
    """The run's record holds the code of why no one was asked."""
    user = environment.add_user("a@example.com", keys)  # type: ignore[arg-type]
    environment.add_project(user, PROMPTS)
    if obstacle == "no_budget":
        environment.budget.correct(user, Decimal("100.00"), "spent elsewhere")
    report = run_day(app, RunRequest(TODAY))
    row = records.find(environment.db, report.run_id)
    assert {"status": "aborted", "message": obstacle} == {name: row[name] for name in ("status", "message")}


@pytest.mark.short(every=2)
@pytest.mark.parametrize(("budget", "code"), [("0.00", "blocked"), ("10.00", "keyless")])
def test_a_host_gets_every_project_of_a_start_that_can_ask_no_one(
    environment: Environment, budget: str, code: str
) -> None:
    """The function returns a dict a project with its error, also if no user can be asked."""
    user = environment.add_user("a@example.com", [], budget)
    project = environment.add_project(user, PROMPTS, ["openai"])
    (report,) = llm_monitoring.analyze_all_active_projects()
    expected = {"blocked": "bloqueado", "keyless": f"User #{user} no tiene API keys para openai"}[code]
    assert report["error"].startswith(expected), report
    assert project == report["project_id"]


@pytest.mark.ci
def test_no_key_is_decrypted_to_plan_for_a_user_without_projects(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are read of the owners of active projects alone."""
    asked, _ = add_asked_user(environment, "asked")
    environment.add_user("idle@example.com", list(KEYS))
    wanted: list[list[int]] = []
    available = KeyStore.available

    def keep(store: KeyStore, users: list[int]) -> Any:
        wanted.append(users)
        return available(store, users)

    monkeypatch.setattr(KeyStore, "available", keep)
    llm_monitoring.analyze_all_active_projects()
    assert [[asked]] == wanted


def test_a_day_under_a_lock_that_is_held_elsewhere_is_refused(environment: Environment, app: App) -> None:
    """While another session has the run lock nothing is settled, read or asked."""
    with open_app(load_settings()) as other, RunLock(other.db), pytest.raises(AlreadyRunning):
        run_day(app, RunRequest(date(2026, 11, 23)))
