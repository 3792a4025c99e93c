"""The notices of a run: what is incomplete, which projects failed, what the budgets took part in."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final

from llm_monitoring import projects
from llm_monitoring.app import App
from llm_monitoring.db import RowError
from llm_monitoring.domain import usd_text
from llm_monitoring.jobs.digest_text import SHOWN_NAMES, Names, plain, project_names
from llm_monitoring.ledger import Adjustment, Standing
from llm_monitoring.notify.outbox import Notice
from llm_monitoring.projects import fingerprints
from llm_monitoring.runs.batches.texts import out_text
from llm_monitoring.runs.forecast import Forecast
from llm_monitoring.runs.pacing_texts import shortage_text, steps_text
from llm_monitoring.runs.reason_texts import problem_text, standing_line, stop_text
from llm_monitoring.runs.reasons import ProblemCode, ProjectProblem
from llm_monitoring.runs.report import DayReport, ProjectReport

MONTH_DAYS: Final = 31
WEEK_DAYS: Final = 7
SHOWN_ROWS: Final = 3


def run_notices(report: DayReport, day: date) -> Iterator[Notice]:
    """That a run is incomplete, that the ledger does not add up, and which projects have nothing to show."""
    lacking = {project.project_id: project.pending + project.failed for project in report.projects}
    stopped = f" ({stop_text(report.stats.stopped, 'es')})" if report.stats.stopped else ""
    if any(lacking.values()) or stopped:
        short = [(project.project_id, project.name) for project in report.projects if lacking[project.project_id]]
        where = f" en {len(short)} proyecto(s): {project_names(short)}" if short else ""
        missing = sum(max(project.failed, project.pending) for project in report.projects)
        line = f"⚠️ Ejecución #{report.run_id} del {day} incompleta{stopped}: {missing} pregunta(s) sin respuesta{where}"
        yield Notice("run", f"{day}", line)
    if not report.in_balance:
        audit = "`python -m llm_monitoring budget audit`"
        line = f"❌ Los contadores no cuadran con el libro de llamadas: {audit}"
        yield Notice("run", "balance", line, severity="failure")
    yield from problem_notices(report)


def problem_notices(report: DayReport) -> Iterator[Notice]:
    """A line a problem, with all projects that have it; users over budget have lines of their own."""
    by_problem: dict[tuple[object, ...], list[ProjectProblem]] = defaultdict(list)
    for project in report.projects:
        if project.error is not None and project.error.code != ProblemCode.BLOCKED:
            by_problem[identity(project.error)].append(project.error)
    yield from (problem_notice(problems) for problems in by_problem.values())


def identity(problem: ProjectProblem) -> tuple[object, ...]:
    """What makes two projects' problems one: code and facts, without the providers' own words."""
    of_user = problem.code in (ProblemCode.KEY_UNREADABLE, ProblemCode.KEYLESS)
    of_project = problem.code == ProblemCode.NO_PROVIDER
    return (
        problem.code,
        problem.user_id if of_user else None,
        problem.project_id if of_project else None,
        problem.providers,
        problem.detail,
        tuple((cause.provider, cause.reason) for cause in problem.causes),
        problem.stopped,
    )


def problem_notice(problems: Sequence[ProjectProblem]) -> Notice:
    """One line for projects with the same problem, once a week while it lasts; figures in it do not make it another."""
    names = project_names([(problem.project_id, problem.name) for problem in problems])
    numbers = [problem.project_id for problem in problems]
    subject = re.sub(r"[0-9]+", "", repr(identity(problems[0]))) + str(numbers)
    line = f"❌ Proyecto(s) {names}: {plain(problem_text(problems[0], 'es'))}"
    return Notice("project", hashlib.sha256(subject.encode()).hexdigest()[:16], line, WEEK_DAYS, "failure")


def unfinished_notices(report: DayReport, day: date) -> Iterator[Notice]:
    """Answers that lack an analysis, or a sentiment that can be read."""
    unread = {(part.project_id, part.name): part.unread for part in report.unfinished if part.unread}
    if unread:
        line = f"📥 {day}: {sum(unread.values())} respuesta(s) sin analizar, que leerá el próximo inicio, en "
        yield Notice("run", f"unread {day}", line + project_names(list(unread)))
    without = {
        (part.project_id, part.name): part.without_sentiment for part in report.unfinished if part.without_sentiment
    }
    if without:
        line = f"🎭 {day}: {sum(without.values())} respuesta(s) sin sentimiento legible, en "
        yield Notice("run", f"without sentiment {day}", line + project_names(list(without)))


def out_notices(report: DayReport, day: date) -> Iterator[Notice]:
    """How many answers are out in batches, and when the last of them is due."""
    if report.out is not None:
        yield Notice("run", f"out {day}", f"⏳ {out_text(report.out)}", severity="info")


def row_notices(errors: Sequence[RowError], day: date) -> Iterator[Notice]:
    """Rows that were left alone so that the rest could go on; unreadable projects and held accounts have own lines."""
    rows = [plain(error.sentence) for error in errors if error.stage not in ("read_project", "reserve_call")]
    if rows:
        more = f" … y {len(rows) - SHOWN_ROWS} más" if len(rows) > SHOWN_ROWS else ""
        line = f"🧩 {len(rows)} registro(s) apartados, el resto siguió: {'; '.join(rows[:SHOWN_ROWS])}{more}"
        yield Notice("run", f"rows {day}", line)


def stale_notices(app: App, reports: Sequence[ProjectReport]) -> Iterator[Notice]:
    """How many stored answers were read with former names, or by a former version of the analysis; once a week."""
    stale: dict[int, int] = {}
    for report in reports:
        with app.errors.guard("read_project", f"Proyecto #{report.project_id}", project_id=report.project_id):
            answers = fingerprints.stale_answers(app.db, projects.find(app.db, report.project_id))
            stale |= {report.project_id: answers} if answers else {}
    if stale:
        names = project_names([(report.project_id, report.name) for report in reports if report.project_id in stale])
        line = (
            f"🔁 {sum(stale.values())} respuesta(s) guardadas se leyeron con nombres o reglas anteriores "
            f"(proyectos {names}): `python -m llm_monitoring reanalyse --project N`"
        )
        yield Notice("project", "stale", line, WEEK_DAYS, "info")


def pacing_notices(report: DayReport, names: Names) -> Iterator[Notice]:
    """What is left out so that budgets last the month: once a week, and when other steps hold."""
    for project in report.projects:
        if project.held:
            steps = ",".join(held.step for held in project.held)
            where = project_names([(project.project_id, project.name)])
            line = f"🪜 Para que el presupuesto dure el mes, en {where}: {steps_text(project.held, 'es')}"
            yield Notice("budget", f"pacing {project.project_id} {steps}", line, WEEK_DAYS, "info")
    for day in report.paced_days:
        if not day.suffices:
            line = f"🪜 {names.user(day.user_id)}: {shortage_text(day, 'es')}"
            yield Notice("budget", f"pacing short {day.user_id}", line, WEEK_DAYS)


def forecast_notices(
    found: Mapping[int, Forecast], standings: Sequence[Standing], month: date, names: Names
) -> Iterator[Notice]:
    """Users with a budget that ends before the month does at this pace; those over it have lines of their own."""
    blocked = {standing.user_id for standing in standings if standing.blocked}
    for user_id, each in sorted(found.items()):
        if each.ends_on is not None and user_id not in blocked:
            line = (
                f"📉 {names.user(user_id)}: a este ritmo el presupuesto se acaba el {each.ends_on}; el mes costaría "
                f"{usd_text(each.expected_usd)} (de {usd_text(each.low_usd)} a {usd_text(each.high_usd)}) "
                f"de {usd_text(each.budget_usd)}"
            )
            yield Notice("budget", f"forecast {user_id} {month:%Y-%m}", line, WEEK_DAYS)


def money_notices(report: DayReport, day: date, names: Names) -> Iterator[Notice]:
    """Calls in doubt, the operator's cap, accounts that others hold, budgets that open calls reserve."""
    stats, unknown = report.stats, report.unknown_calls
    if unknown.calls:
        line = f"❓ {day}: {unknown.calls} llamada(s) en duda, {usd_text(unknown.usd)} cobrados a su techo; "
        yield Notice("spend", f"doubt {day}", line + "si no se facturaron: `python -m llm_monitoring budget correct`")
    if stats.reasons["operator_budget"]:
        tasks = stats.reasons["operator_budget"]
        line = f"💰 Las API keys del operador llegaron a LLM_OPERATOR_MONTHLY_BUDGET_USD: {tasks} pregunta(s) sin hacer"
        yield Notice("budget", f"operator {day}", line)
    if stats.locked_users:
        users = ", ".join(names.user(user) for user in sorted(stats.locked_users)[:SHOWN_NAMES])
        unsettled = f"{stats.unsettled} llamada(s) quedan por liquidar"
        open_tasks = f"{stats.reasons['account_held']} pregunta(s) quedan abiertas"
        line = f"🔒 Otra aplicación retuvo la cuenta de {users}; {open_tasks}, {unsettled}"
        yield Notice("run", f"locked {day}", line)
    if stats.reasons["budget_reserved"]:
        open_tasks = f"{stats.reasons['budget_reserved']} pregunta(s) quedan abiertas"
        line = f"💰 Llamadas sin cerrar reservan lo que queda de un presupuesto; {open_tasks}"
        yield Notice("budget", f"reserved {day}", line)


def adjustment_notice(adjustment: Adjustment) -> Notice:
    account = "operator" if adjustment.user_id is None else adjustment.user_id
    return Notice("budget", f"{account} {adjustment.reason}", f"⚖️ {adjustment.sentence}", severity="info")


def blocked_notices(report: DayReport, standings: Sequence[Standing], month: date, names: Names) -> Iterator[Notice]:
    """Users for whom the next call did not fit any more, though their spend is below the limit."""
    for standing in standings:
        if standing.user_id in report.stats.blocked_users or standing.blocked:
            account = names.user(standing.user_id) + standing_line(standing).removeprefix(f"User #{standing.user_id}")
            line = f"💰 bloqueado, la siguiente llamada no cabe en el presupuesto: {account}"
            yield Notice("budget", f"{standing.user_id} {month} blocked", line, quiet_days=MONTH_DAYS)
