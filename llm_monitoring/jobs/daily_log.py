"""The log lines of the daily job, which operators filter on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Final

from llm_monitoring.db import Holder
from llm_monitoring.domain import ProviderName
from llm_monitoring.errors import MonitoringError
from llm_monitoring.jobs.event_log import HOW_TO_BEGIN, EventLog
from llm_monitoring.keys import KeyUnreadable
from llm_monitoring.ledger import Standing
from llm_monitoring.process.hints import explain
from llm_monitoring.registry import is_worth
from llm_monitoring.runs.batches.texts import out_text
from llm_monitoring.runs.daily import RunListener
from llm_monitoring.runs.estimate import Estimate
from llm_monitoring.runs.held_steps import PacedDay, steps_of
from llm_monitoring.runs.pacing_texts import shortage_text, steps_text
from llm_monitoring.runs.plan import KeyStates, Plan
from llm_monitoring.runs.reason_texts import cause_text, key_line, problem_text, standing_line, stop_text
from llm_monitoring.runs.reasons import Cause
from llm_monitoring.runs.report import DayReport, ProjectReport

EVENTS: Final = EventLog("llm_monitoring.daily")
ZERO: Final = Decimal(0)
log, write, info, warn, error = EVENTS.log, EVENTS.write, EVENTS.info, EVENTS.warn, EVENTS.error


def started() -> None:
    info("run.started", "🕒 === MULTI-LLM BRAND MONITORING CRON JOB STARTED ===")


class StartLog(RunListener):
    """Logs the start of a run: who may spend, which keys there are, that the asking begins."""

    def on_budgets(self, standings: Sequence[Standing], *, may_spend: bool) -> None:
        info("budget.checking", "💰 Verificando límites de presupuesto...")
        blocked = [standing for standing in standings if standing.blocked]
        listed("budget.near_limit", "cerca del límite", [standing for standing in standings if standing.near_limit])
        listed("budget.over", "sobre presupuesto", blocked)
        if not may_spend:
            error("budget.exceeded", "❌ No se puede continuar: presupuesto excedido")
            error("run.aborted", "💥 LLM MONITORING CRON JOB ABORTED DUE TO BUDGET")
        elif not blocked:
            info("budget.ok", f"✅ Presupuesto OK ({len(standings)} usuario(s))", users=len(standings))

    def on_keys(self, states: KeyStates, usable: Sequence[ProviderName]) -> None:
        info("keys.loading", "🔑 Obteniendo API keys...")
        if usable:
            names = list(usable)
            info("keys.available", f"✅ API keys disponibles: {names}", providers=names)
        else:
            no_keys([state.problem for by in states.values() for state in by.values() if state.problem])

    def on_asking(self) -> None:
        info("analysis.started", "🚀 Iniciando análisis de todos los proyectos activos...")


def listed(event: str, where: str, standings: Sequence[Standing]) -> None:
    if standings:
        warn(event, f"⚠️ {len(standings)} usuario(s) {where}:", users=len(standings))
    for standing in standings:
        percent = float(standing.shown_percent)
        warn(event, f"   {standing_line(standing)}", user_id=standing.user_id, percent=percent)


def no_keys(problems: Sequence[KeyUnreadable]) -> None:
    for problem in problems:
        line = f"❌ User #{problem.user_id}: {key_line(problem)}"
        error("key.unreadable", line, user_id=problem.user_id, provider=problem.provider)
    if not problems:
        error("key.missing", f"❌ No hay ninguna API key: {HOW_TO_BEGIN}")
    error("run.failed", "💥 LLM MONITORING CRON JOB FAILED: NO API KEYS")


def already_running(holder: Holder | None, *, too_long: bool) -> None:
    """Log that another session has the right to run, which one, and whether that can be a run at all."""
    warn("run.already_running", "⏭️ Otra ejecución diaria está en curso: esta termina sin hacer nada")
    if holder is not None:
        info("run.lock_holder", f"   🔒 {holder}", pid=holder.pid)
    if too_long:
        error("run.locked_out", "❌ El bloqueo no se suelta desde hace más de un día: cierre esa sesión")


def crashed(problem: Exception, *, with_traceback: bool = False) -> int:
    """Log what ended the job, with a traceback if the error is unexpected."""
    text = explain(problem) if isinstance(problem, MonitoringError) else problem
    log.error("❌ %s", text, exc_info=problem if with_traceback else None, extra={"event": "run.error"})
    error("run.crashed", "💥 LLM MONITORING CRON JOB CRASHED")
    return 1


def summary(report: DayReport) -> int:
    """Log the report, project by project and in total; return the job's exit code."""
    info("results", "📊 RESULTADOS DEL ANÁLISIS")
    for project in report.projects:
        project_lines(project)
    failed = [project for project in report.projects if project.error]
    answers = sum(project.answers for project in report.projects)
    info("summary", "📈 RESUMEN FINAL")
    info("summary.projects", f"   Total proyectos: {len(report.projects)}", projects=len(report.projects))
    done = len(report.projects) - len(failed) - len(report.open)
    info("summary.succeeded", f"   ✅ Exitosos: {done}", succeeded=done)
    info("summary.failed", f"   ❌ Fallidos: {len(failed)}", failed=len(failed))
    if report.open:
        warn("summary.open", f"   ⏸️ Con preguntas abiertas: {len(report.open)}", open=len(report.open))
    info("summary.queries", f"   📊 Total queries: {answers}", queries=answers)
    if report.unread:
        warn("summary.unread", f"   📖 Respuestas sin leer: {report.unread}", unread=report.unread)
    if report.row_errors:
        rows = [f"{row_error.stage} {row_error.row}" for row_error in report.row_errors]
        warn("summary.row_errors", f"   🧩 Registros apartados: {len(rows)}", row_errors=len(rows), rows=rows[:20])
    info("summary.cost", f"   💰 Coste estimado: ${report.cost_usd:.4f}", cost_usd=str(report.cost_usd))
    economy(report)
    still_out(report)
    paced_lines(report.paced_days)
    in_doubt(report)
    unfinished(report)
    if report.wanted and all(project.error for project in report.wanted):
        error("run.nothing_succeeded", "❌ Ningún proyecto tuvo éxito")
        error("run.crashed", "💥 LLM MONITORING CRON JOB CRASHED")
        return 1
    if report.cut:
        error(
            "run.cut",
            f"⏹️ Ejecución cortada, el día queda a medias: {stop_text(report.stats.stopped, 'es')}",
            run_id=report.run_id,
            reason=report.stats.stopped,
        )
    finished(report)
    return 1 if report.cut else 0


def economy(report: DayReport) -> None:
    """Log what cheaper modes saved of the run's cost."""
    saved = report.economy
    if saved.calls:
        percent = 100 * saved.saved_usd / (report.cost_usd + saved.saved_usd) if saved.saved_usd else ZERO
        info(
            "summary.economy",
            f"   💶 Modo económico: {saved.calls} llamada(s), ${saved.saved_usd:.4f} ahorrados ({percent:.0f} %)",
            calls=saved.calls,
            saved_usd=str(saved.saved_usd),
        )


def pacing_estimate(plan: Plan, days: Sequence[PacedDay]) -> None:
    """Log what a run would leave out so that budgets last the month."""
    for each in days:
        for project_id, choice in sorted(plan.choices.items()):
            owner = plan.projects[project_id].project.user_id
            if choice.steps and owner == each.user_id:
                steps = steps_text(steps_of(choice, owner, each.day), "es")
                line = f"   🪜 Proyecto #{project_id}, para que dure el mes: {steps}"
                info("dry_run.paced", line, project_id=project_id, steps=list(choice.steps))
    paced_lines(days)


def paced_lines(days: Sequence[PacedDay]) -> None:
    """Log what the day of each user who paces may cost, and whether the ladder saves enough."""
    for each in days:
        fields = {"user_id": each.user_id, "allowance_usd": str(each.day_usd), "expected_usd": str(each.expected_usd)}
        line = f"   🪜 User #{each.user_id}: ${each.day_usd:.4f} para el día, se esperan ${each.expected_usd:.4f}"
        info("summary.pacing", line, full_usd=str(each.full_usd), **fields)
        if not each.suffices:
            warn("summary.pacing_short", f"   ⚠️ User #{each.user_id}: {shortage_text(each, 'es')}", **fields)


def still_out(report: DayReport) -> None:
    """Log how many answers are out in batches, and when the last of them is due."""
    if report.out is not None:
        line = f"   ⏳ {out_text(report.out)}"
        info("summary.out", line, answers=report.out.answers, due_at=report.out.due_at.isoformat())


def in_doubt(report: DayReport) -> None:
    """Log the calls that may not have been billed and what they have taken of the budgets."""
    unknown = report.unknown_calls
    if unknown.calls:
        warn(
            "summary.doubtful",
            f"   ❓ En duda: {unknown.calls} llamada(s), ${unknown.usd:.4f}, cobradas a su techo",
            calls=unknown.calls,
            cost_usd=str(unknown.usd),
        )


def unfinished(report: DayReport) -> None:
    """Log the projects that have answers without a readable sentiment."""
    for part in report.unfinished:
        fields = {"project_id": part.project_id, "project_name": part.name}
        if part.without_sentiment:
            without = f"{part.without_sentiment} respuesta(s) sin sentimiento legible"
            warn(
                "summary.without_sentiment",
                f"   ⚠️ Proyecto #{part.project_id}: {without}",
                answers=part.without_sentiment,
                **fields,
            )


def project_lines(project: ProjectReport) -> None:
    fields = {"project_id": project.project_id, "project_name": project.name, "user_id": project.user_id}
    if project.error:
        why = problem_text(project.error, "es")
        error("project.failed", f"❌ Proyecto #{project.project_id}: {why}", reason=project.error.code, **fields)
        return
    info("project.done", f"✅ Proyecto #{project.project_id}", **fields)
    info(
        "project.duration",
        f"   Duración: {project.duration_seconds:.1f}s",
        duration_seconds=round(project.duration_seconds, 3),
        **fields,
    )
    info("project.queries", f"   Queries: {project.answers}", queries=project.answers, **fields)
    info("project.llms", f"   LLMs: {project.llms_analyzed}", llms=project.llms_analyzed, **fields)
    if project.held:
        steps = [held.step for held in project.held]
        info("project.paced", f"   🪜 Para que dure el mes: {steps_text(project.held, 'es')}", steps=steps, **fields)
    elif not any(cell.tasks for cell in project.completeness.values()):
        look = f"`python -m llm_monitoring queries list {project.project_id}`"
        info("project.no_prompts", f"   Sin prompts activos: {look}", **fields)
    elif project.skipped:
        info("project.skipped", "   El día ya estaba completo: no se preguntó nada", **fields)
    keyless(project.project_id, project.keyless)
    for name, cell in project.completeness.items():
        missing = cell.tasks - cell.results - cell.out
        if cell.out:
            line = f"   ⏳ {name}: {cell.out} respuesta(s) aún fuera en lotes"
            info("project.out", line, provider=name, answers=cell.out, **fields)
        if missing > 0:
            cause = f" ({cause_text(Cause(name, cell.reason, cell.message), 'es')})" if cell.message else ""
            warn(
                "project.incomplete",
                f"   ⚠️ {name}: {missing} de {cell.tasks} sin respuesta{cause}",
                provider=name,
                missing=missing,
                reason=cell.reason,
                **fields,
            )


def keyless(project_id: int, names: Sequence[str]) -> None:
    """Log the assistants of a project that are not asked for want of a key."""
    if names:
        info(
            "project.keyless",
            f"   Sin API key utilizable, no se pregunta a: {', '.join(names)}",
            project_id=project_id,
            providers=list(names),
        )


def no_projects() -> None:
    info("run.no_projects", "ℹ️ No hay proyectos activos: no hay nada que analizar")


def finished(report: DayReport) -> None:
    if not report.projects:
        no_projects()
    troubled = any(standing.blocked or standing.near_limit for standing in report.standings)
    if report.complete and not troubled:
        info("run.completed", "🎉 LLM MONITORING CRON JOB COMPLETED SUCCESSFULLY", run_id=report.run_id)
    else:
        warn("run.completed", "🔔 LLM MONITORING CRON JOB COMPLETED WITH WARNINGS", run_id=report.run_id)


def reports(directory: Path, written: Sequence[Path]) -> None:
    """Log the pages that were written."""
    paths = [str(path) for path in written]
    info("reports.written", f"📄 Informes escritos en {directory}: {len(paths)}", reports=paths)


def figures_stored(figures: int, failed: Sequence[str], is_complete: bool) -> None:
    """Log of which projects the web service finds no figures; that it finds the others is logged for debugging."""
    fields = {"event": "figures.stored", "figures": figures, "complete": is_complete}
    log.debug("📈 Cifras guardadas para la web: %d", figures, extra=fields)
    if failed:
        figures_not_stored("; ".join(failed))


def figures_not_stored(why: str) -> None:
    warn("figures.not_stored", f"⚠️ Cifras para la web sin guardar, se calculan cuando se piden: {why}")


def estimate(estimates: Sequence[Estimate], plan: Plan, standings: Sequence[Standing], day: date) -> None:
    """Log what a run of `day` would ask and cost at most, and whether it fits each budget."""
    info("dry_run", f"🧪 Simulación del {day}: no se hace ninguna llamada ni se gasta nada")
    for project_id, cells in groupby(estimates, key=lambda cell: cell.project_id):
        project_estimate(project_id, list(cells))
        keyless(project_id, plan.keyless(plan.projects[project_id]))
    for project_id, problem in sorted(plan.problems.items()):
        why = problem_text(problem, "es")
        warn("dry_run.problem", f"❌ Proyecto #{project_id}: {why}", project_id=project_id, reason=problem.code)
    for standing in standings:
        mine = (cell.ceiling_usd for cell in estimates if cell.user_id == standing.user_id)
        account_estimate(standing, sum(mine, ZERO))
    if not plan.projects and not plan.problems:
        no_projects()
    total = sum((cell.ceiling_usd for cell in estimates), ZERO)
    tasks = sum(cell.tasks for cell in estimates)
    info(
        "dry_run.total",
        f"   Total: {tasks} prompts, como máximo ${total:.4f} (más el sentimiento de las menciones)",
        queries=tasks,
        ceiling_usd=str(total),
    )


def project_estimate(project_id: int, cells: Sequence[Estimate]) -> None:
    info("dry_run.project", f"📋 Proyecto #{project_id}: {cells[0].name}", project_id=project_id)
    for cell in cells:
        if cell.problem is None:
            level, what = logging.INFO, f"{cell.tasks} prompts, como máximo ${cell.ceiling_usd:.4f}{cheaper(cell)}"
        else:
            level, what = logging.WARNING, cause_text(cell.problem, "es")
        line = f"   {cell.provider} ({cell.model_id}): {what}"
        write(level, "dry_run.provider", line, project_id=project_id, provider=cell.provider)


def cheaper(cell: Estimate) -> str:
    """What a cheaper mode saves of the answers, if they are asked in one."""
    if cell.mode == "standard":
        return ""
    if cell.saving_percent is None:
        return f"; el modelo no se vende en modo {cell.mode}"
    if not is_worth(cell.saving_percent):
        return f"; el modo {cell.mode} no compensa: ahorra alrededor del {cell.saving_percent:.0f} %"
    return f"; en modo {cell.mode} se ahorra alrededor del {cell.saving_percent:.0f} %"


def account_estimate(standing: Standing, ceiling_usd: Decimal) -> None:
    if ceiling_usd:
        left = standing.budget_usd - standing.spent_usd - standing.reserved_usd
        verdict = "cabe" if ceiling_usd <= left else "no cabe entero: se preguntará hasta agotarlo"
        line = f"💰 User #{standing.user_id}: como máximo ${ceiling_usd:.4f} de ${left:.4f}, {verdict}"
        info("dry_run.user", line, user_id=standing.user_id)
