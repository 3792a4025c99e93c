"""T17: another application holds one user's account: the others' day is whole, and the run ends in time."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from random import Random

import psycopg2
import pytest

from llm_monitoring.jobs import daily_log, run_notices
from llm_monitoring.jobs.digest_text import Names
from llm_monitoring.ledger.attempts import Attempt
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.errors import BlockedBy, BudgetExceeded
from llm_monitoring.runs import held_work
from llm_monitoring.settings import Settings
from tests.environment import Environment, open_environment
from tests.faults.conftest import Note
from tests.faults.in_process import TODAY, run_day

ACCOUNT = "SELECT 1 FROM user_llm_api_keys WHERE user_id = {} FOR UPDATE"
DEADLINE = {"LLM_RUN_DEADLINE_MINUTES": "0.12", "LLM_MAX_WORKERS": "4"}


@contextmanager
def holding(environment: Environment, user: int) -> Iterator[None]:
    with closing(psycopg2.connect(environment.url, application_name="host")) as other, other.cursor() as cursor:
        cursor.execute(ACCOUNT.format(user))
        yield


@pytest.fixture
def environment(watched_url: str, note: Note) -> Iterator[Environment]:
    with open_environment(watched_url, Random(note.seed)) as made:
        made.db.lock_seconds = 0.3
        made.db.discard_idle()
        yield made


@pytest.mark.ci
def test_t17_an_account_that_is_held_all_day_stops_no_other(
    environment: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    """A's row is held from before the run to after it: B's day is whole, A's tasks are left open, the run ends well."""
    first, second = (environment.add_user(providers=["openai"]) for _ in range(2))
    environment.add_numbered_project(first, 6, ["openai"])
    project = environment.add_numbered_project(second, 12, ["openai"])
    with holding(environment, first), caplog.at_level(logging.WARNING):
        report = run_day(environment, **DEADLINE)
        code = daily_log.summary(report)
    pending = {each.project_id: each.pending for each in report.projects}
    assert 0 == pending[project]
    assert 6 == sum(pending.values())
    assert {first} == report.stats.locked_users
    assert not report.cut
    assert 0 == code
    assert {"account_held": 6} == report.stats.reasons
    assert 1 == sum("application=host" in line and "account_held" in line for line in caplog.messages)
    report = run_day(environment)
    assert 0 == sum(each.pending for each in report.projects)
    assert [] == environment.check()


def test_t17_held_tasks_have_a_bounded_grace(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once nothing else is left the run ends within the grace, long before its deadline, and frees the schedule."""
    monkeypatch.setattr(held_work, "HELD_GRACE_SECONDS", 0.5)
    first, second = (environment.add_user(providers=["openai"]) for _ in range(2))
    environment.add_numbered_project(first, 40, ["openai"])
    environment.add_numbered_project(second, 4, ["openai"])
    tries: list[int] = []
    reserve = Budget.reserve

    def counted(self: Budget, call: Attempt) -> None:
        tries.append(call.user_id)
        reserve(self, call)

    monkeypatch.setattr(Budget, "reserve", counted)
    with holding(environment, first):
        began = time.monotonic()
        report = run_day(environment, LLM_MAX_WORKERS="2")
        seconds = time.monotonic() - began
    assert seconds < 300
    assert report.stats.stopped is None
    assert 4 == report.stats.answered
    assert 1 <= tries.count(first) <= 8  # each try occupies a worker for the lock time
    assert [("reserve_call", f"User #{first}", "account_held")] == [
        (each.stage, each.row, each.code) for each in report.row_errors
    ]
    reasons = environment.db.all("SELECT DISTINCT reason, final FROM llm_monitoring_failed_tasks")
    assert [{"reason": "account_held", "final": False}] == reasons


@pytest.mark.ci
def test_t17_every_account_held_is_a_day_without_success(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No project with an answer: exit code 1, each user said once, the digest in one line."""
    monkeypatch.setattr(held_work, "HELD_GRACE_SECONDS", 0.2)
    first, second = (environment.add_user(providers=["openai"]) for _ in range(2))
    for user in (first, second):
        environment.add_numbered_project(user, 3, ["openai"])
    with holding(environment, first), holding(environment, second), caplog.at_level(logging.INFO):
        report = run_day(environment)
        code = daily_log.summary(report)
    said = "\n".join(caplog.messages)
    assert 1 == code
    assert "❌ Ningún proyecto tuvo éxito" in said
    assert [1, 1] == [said.count(f"User #{user}: sus preguntas quedan abiertas") for user in (first, second)]
    news = [
        *run_notices.row_notices(report.row_errors, TODAY),
        *run_notices.money_notices(report, TODAY, Names({}, {})),
    ]
    line = f"🔒 Otra aplicación retuvo la cuenta de User #{first}, User #{second}; 6 pregunta(s) quedan abiertas, "
    assert [line + "0 llamada(s) quedan por liquidar"] == [each.line for each in news]


@pytest.mark.ci
def test_t17_a_settlement_that_is_held_up_is_done_when_the_account_is_free(environment: Environment) -> None:
    """The reply is kept, its end is entered as soon as the row is let go, and nothing is asked twice."""
    user = environment.add_user(providers=["openai"])
    environment.add_numbered_project(user, 3, ["openai"])
    taken: list[object] = []
    settle = type(environment.budget).close

    def hold_once(self: object, *args: object, **options: object) -> object:
        if not taken:
            taken.append(holding(environment, user))
            taken[0].__enter__()  # type: ignore[attr-defined]
        elif len(taken) < 6:
            taken.append(None)
        elif len(taken) == 6:
            taken.append(None)
            taken[0].__exit__(None, None, None)  # type: ignore[attr-defined]
        return settle(self, *args, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llm_monitoring.ledger.budget.Budget.close", hold_once)
        report = run_day(environment, **{**DEADLINE, "LLM_RUN_DEADLINE_MINUTES": "1"})
    assert {user} == report.stats.locked_users
    assert 0 == report.stats.unsettled
    assert 3 == report.stats.answered
    assert 3 == len(environment.server.bill.lines)
    assert [] == environment.check()


@pytest.mark.ci
def test_t17_what_is_held_to_the_end_is_settled_by_the_next_start(environment: Environment) -> None:
    """A run that ends with calls unsettled says how many; the next start settles them from their receipts."""
    user = environment.add_user(providers=["openai"])
    environment.add_numbered_project(user, 3, ["openai"])
    held: list[object] = []
    settle = type(environment.budget).close

    def hold(self: object, *args: object, **options: object) -> object:
        if not held:
            held.append(holding(environment, user))
            held[0].__enter__()  # type: ignore[attr-defined]
        return settle(self, *args, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llm_monitoring.ledger.budget.Budget.close", hold)
        report = run_day(environment, **{**DEADLINE, "LLM_RUN_DEADLINE_MINUTES": "0.06"})
    held[0].__exit__(None, None, None)  # type: ignore[attr-defined]
    assert report.stats.unsettled > 0
    report = run_day(environment)
    assert 3 == len(environment.server.bill.lines)
    assert 0 == report.stats.unsettled
    assert [] == environment.check()


def test_t17_what_others_have_reserved_is_not_waited_for_without_end(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls of a machine that is dead keep a budget reserved: the day of everyone else ends, these are left open."""
    monkeypatch.setattr(held_work, "HELD_GRACE_SECONDS", 0.3)
    monkeypatch.setattr(Settings, "longest_call_seconds", 0.0)
    first, second = (environment.add_user(providers=["openai"]) for _ in range(2))
    for user in (first, second):
        environment.add_numbered_project(user, 4, ["openai"])
    reserve = Budget.reserve

    def reserved_elsewhere(self: Budget, call: Attempt) -> None:
        if call.user_id == first:
            raise BudgetExceeded(BlockedBy.BUDGET, call.user_id, call.ceiling_usd, retry=True)
        reserve(self, call)

    monkeypatch.setattr(Budget, "reserve", reserved_elsewhere)
    report = run_day(environment)
    assert report.stats.stopped is None
    assert 4 == report.stats.answered
    assert {"budget_reserved": 4} == report.stats.reasons
    assert [(f"User #{first}", "budget_reserved")] == [(each.row, each.code) for each in report.row_errors]
    lines = [each.line for each in run_notices.money_notices(report, TODAY, Names({}, {}))]
    assert ["💰 Llamadas sin cerrar reservan lo que queda de un presupuesto; 4 pregunta(s) quedan abiertas"] == lines
    assert set() == report.stats.locked_users
    assert not report.cut
