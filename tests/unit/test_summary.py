"""The end of a daily run: what counts as a success, what is counted apart, and the exit code."""

from __future__ import annotations

from decimal import Decimal

import pytest

from llm_monitoring.jobs import daily_log
from llm_monitoring.runs.reasons import ProblemCode, ProjectProblem, StopReason
from llm_monitoring.runs.report import DayReport, ProjectReport, project_error
from llm_monitoring.runs.stats import RunStats
from llm_monitoring.runs.tasks import Completeness, UnknownCalls
from tests.unit.reporting import scene

STOPPED = "señal de parada"
SIGNAL = StopReason.SIGNAL
NOTHING = UnknownCalls(0, Decimal(0))


def cell(tasks: int, results: int, failures: int = 0) -> Completeness:
    return Completeness(tasks, results, failures, 0, None, None)


def unread(tasks: int, answers: int) -> Completeness:
    return Completeness(tasks, tasks, 0, 0, None, None, unread=answers)


def unreadable(number: int) -> DayReport:
    """A day on which no project can be read."""
    problems = [ProjectProblem(ProblemCode.UNREADABLE, each) for each in range(number)]
    projects = [ProjectReport(each.project_id, "", None, 0.0, 0, Decimal(0), {}, False, each) for each in problems]
    return DayReport(1, projects, RunStats(), Decimal(0), in_balance=True, unknown_calls=NOTHING)


def project(number: int, found: Completeness, stopped: StopReason | None = None) -> ProjectReport:
    cells = {"openai": found}
    error = project_error(scene.project(), cells, stopped=stopped)
    return ProjectReport(number, "P", 1, 1.0, found.results, Decimal(0), cells, skipped=False, error=error)


def report(*cells: Completeness, stopped: StopReason | None = None, unknown: UnknownCalls = NOTHING) -> DayReport:
    projects = [project(number, each, stopped) for number, each in enumerate(cells, start=1)]
    return DayReport(1, projects, RunStats(stopped=stopped), Decimal(0), in_balance=True, unknown_calls=unknown)


@pytest.mark.parametrize(
    ("made", "code", "lines"),
    [
        (report(unread(6, 6)), 0, ["✅ Exitosos: 1", "📖 Respuestas sin leer: 6", "COMPLETED WITH WARNINGS"]),
        (unreadable(3), 1, ["❌ Fallidos: 3", "❌ Ningún proyecto tuvo éxito", "CRASHED"]),
        (report(cell(6, 6), cell(6, 6)), 0, ["✅ Exitosos: 2", "❌ Fallidos: 0", "COMPLETED SUCCESSFULLY"]),
        (report(cell(6, 0), cell(6, 0), stopped=SIGNAL), 1, ["✅ Exitosos: 0", "❌ Fallidos: 2", STOPPED, "CRASHED"]),
        (report(cell(6, 0, 6), cell(0, 0)), 1, ["❌ Fallidos: 1", "Ningún proyecto tuvo éxito"]),
        (
            report(cell(6, 2), cell(6, 6), stopped=SIGNAL),
            1,
            ["✅ Exitosos: 1", "⏸️ Con preguntas abiertas: 1", "⏹️ Ejecución cortada", "COMPLETED WITH WARNINGS"],
        ),
        (report(cell(6, 2), cell(6, 0), stopped=SIGNAL), 1, ["✅ Exitosos: 0", "❌ Fallidos: 1", "abiertas: 1"]),
        (report(cell(6, 6), stopped=SIGNAL), 0, ["✅ Exitosos: 1", "COMPLETED WITH WARNINGS"]),
        (report(cell(6, 2, 4)), 0, ["✅ Exitosos: 0", "⏸️ Con preguntas abiertas: 1", "COMPLETED WITH WARNINGS"]),
        (report(), 0, ["✅ Exitosos: 0", "COMPLETED SUCCESSFULLY"]),
        (report(cell(6, 6), unknown=UnknownCalls(59, Decimal("1.79"))), 0, ["❓ En duda: 59 llamada(s), $1.7900"]),
    ],
)
def test_a_day_is_a_success_only_with_answers(
    made: DayReport, code: int, lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A project without an answer failed, one with open questions is counted apart, a cut day exits with 1."""
    with caplog.at_level("INFO"):
        assert code == daily_log.summary(made)
    said = "\n".join(caplog.messages)
    assert [] == [line for line in lines if line not in said]
