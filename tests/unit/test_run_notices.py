"""The notices of a run: one line a problem, whatever the providers' words for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest

from llm_monitoring.jobs.digest_text import Names
from llm_monitoring.jobs.observed_notices import key_notice
from llm_monitoring.jobs.run_notices import money_notices, problem_notices
from llm_monitoring.notify.outbox import Notice
from llm_monitoring.runs.reasons import Cause, ProblemCode, ProjectProblem
from llm_monitoring.runs.report import DayReport, ProjectReport
from llm_monitoring.runs.stats import RunStats
from llm_monitoring.runs.tasks import UnknownCalls


def notices(*problems: ProjectProblem) -> Sequence[Notice]:
    projects = [
        ProjectReport(problem.project_id, problem.name, problem.user_id, 0.0, 0, Decimal(0), {}, False, problem)
        for problem in problems
    ]
    none = UnknownCalls(0, Decimal(0))
    report = DayReport(1, projects, RunStats(), Decimal(0), in_balance=True, unknown_calls=none)
    return list(problem_notices(report))


def no_answer(project_id: int, reason: str, message: str) -> ProjectProblem:
    causes = (Cause("openai", reason, message),)
    return ProjectProblem(ProblemCode.NO_ANSWER, project_id, f"P{project_id}", 1, causes=causes)


def test_projects_with_one_problem_share_a_line() -> None:
    """An outage is one line with all its projects, though each reply had words of its own."""
    (notice,) = notices(no_answer(1, "unavailable", "HTTP 503 (a)"), no_answer(2, "unavailable", "HTTP 503 (b)"))
    assert notice.line.startswith("❌ Proyecto(s) #1 (P1), #2 (P2): sin ninguna respuesta válida (openai: HTTP 503")


def test_other_reasons_are_other_lines() -> None:
    """A refused key is not the outage of its provider."""
    assert 2 == len(notices(no_answer(1, "unavailable", "x"), no_answer(2, "auth_failed", "x")))


def test_other_words_for_a_problem_are_not_sent_again() -> None:
    """What is quiet for a week is the problem, by its codes, and not the reply of one day."""
    (first,), (second,) = notices(no_answer(1, "unavailable", "a")), notices(no_answer(1, "unavailable", "b"))
    assert first.subject == second.subject


@pytest.mark.parametrize(
    ("code", "lines"),
    [(ProblemCode.KEYLESS, 2), (ProblemCode.KEY_UNREADABLE, 2), (ProblemCode.NO_PROVIDER, 2), (ProblemCode.NO_USER, 1)],
)
def test_a_line_that_names_its_user_or_project_is_for_it_alone(code: ProblemCode, lines: int) -> None:
    """A text with the number of a user, or with a command for one project, is not said of another."""
    assert lines == len(notices(ProjectProblem(code, 1, "P1", 1), ProjectProblem(code, 2, "P2", 2)))


def test_a_user_over_budget_has_no_line_here() -> None:
    """Blocked users have lines of their own, with their accounts."""
    assert [] == notices(ProjectProblem(ProblemCode.BLOCKED, 1, "P", 1))


@pytest.mark.parametrize(
    ("reason", "message", "shown"),
    [
        ("key_unreadable", "the openai key of user 1 cannot be read", "la API key no se puede leer"),
        ("key_closed", "account_refused", "openai rechaza la cuenta de la API key"),
        ("auth_failed", "Incorrect API key provided", "Incorrect API key provided"),
    ],
)
def test_the_line_of_a_key_is_in_the_operators_language(reason: str, message: str, shown: str) -> None:
    """Reasons of our own are said in Spanish; a provider's words stay as they are."""
    row = {"user_id": 1, "provider": "openai", "tasks": 2, "reason": reason, "message": message}
    assert f"2 pregunta(s) sin respuesta ({shown}" in key_notice(row, Names({}, {})).line


def test_calls_in_doubt_for_less_than_a_cent_are_not_for_nothing() -> None:
    """A ceiling of a cheap model is a fraction of a cent, which is said."""
    report = DayReport(1, [], RunStats(), Decimal(0), in_balance=True, unknown_calls=UnknownCalls(2, Decimal("0.0021")))
    (notice,) = money_notices(report, date(2026, 11, 20), Names({}, {}))
    assert "2 llamada(s) en duda, $0.0021 cobrados a su techo" in notice.line
