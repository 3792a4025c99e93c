"""The digest of a daily run: what is worth telling, in the operator's words, sent once a run."""

from __future__ import annotations

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

from llm_monitoring import logs, projects, registry, rules
from llm_monitoring.accounts import Standing
from llm_monitoring.analysis.comparison import Comparison
from llm_monitoring.balancing import Adjustment
from llm_monitoring.day import DayReport, ProjectReport, Tools, standing_line
from llm_monitoring.db.database import Row
from llm_monitoring.db.locks import Holder
from llm_monitoring.errors import MonitoringError
from llm_monitoring.notify import delivery, outbox, watching
from llm_monitoring.notify.delivery import Letter
from llm_monitoring.notify.outbox import News, Parcel
from llm_monitoring.notify.watching import BudgetAlert, Move, Outage, SpendJump
from llm_monitoring.price_lines import price_change_line
from llm_monitoring.registry import ModelChange
from llm_monitoring.reporting.words import Words, load_words
from llm_monitoring.row_errors import RowError

T = TypeVar("T")

log = logging.getLogger(__name__)

BLOCKED_AT: Final = Decimal(100)
MOST_LINES: Final = 30
LONGEST_LINE: Final = 300
LONGEST_BODY: Final = 3500  # what the narrowest service takes is 4096
MONTH_DAYS: Final = 31
SHOWN_ROWS: Final = 3
DAYS_TO_SETTLE: Final = 14  # so long the two weeks that are compared hold days of before and after a change
# what a chat or a mail program would make a link, a mention or a format of
HARMLESS: Final = str.maketrans({"<": "‹", ">": "›", "@": "＠", "[": "［", "]": "］", "`": "'"})


def finished(
    tools: Tools, day: date, report: DayReport, code: int, reports: Sequence[Path] = (),
    adjusted: Sequence[Adjustment] = (),
) -> None:  # fmt: skip
    """Tell what is new after a run, and call the heartbeat where the run was good; what fails here is only logged.

    `reports` go with it where LLM_NOTIFY_ATTACH_REPORTS says so.
    """

    def news() -> Iterator[News]:
        yield from run_news(report, day)
        yield from row_news(tools.errors.found, day)
        yield from stale_news(tools, report.projects)
        yield from doubt_news(report, day)
        yield from map(adjustment_news, adjusted)
        yield from blocked_news(report, tools.budget.standings(start_month=False), tools.budget.month())

    good = code == 0 and report.tally.stopped is None
    attached = tuple(reports) if tools.settings.notify_attach_reports else ()
    tell(tools, day, news, good=good, attached=attached)


def aborted(tools: Tools, day: date, why: str, adjusted: Sequence[Adjustment] = ()) -> int:
    """Tell that a run could not ask anything; return the job's exit code."""
    told = f"❌ La ejecución del {day} no pudo preguntar nada: {why}"
    tell(tools, day, lambda: [News("run", why, told, quiet_days=7), *map(adjustment_news, adjusted)], good=False)
    return 1


def locked_out(tools: Tools, day: date, holder: Holder | None) -> int:
    """Tell that no run can start because a session keeps the lock for days; return the job's exit code."""
    told = f"❌ La ejecución del {day} no pudo empezar: otra sesión retiene el bloqueo más de un día ({holder})"
    tell(tools, day, lambda: [News("run", f"locked out {day}", plain(told))], good=False)
    return 1


def tell(
    tools: Tools, day: date, news: Callable[[], Iterable[News]], *, good: bool, attached: tuple[Path, ...] = ()
) -> None:
    """Put what is new into the outbox, send each target what it lacks, and call the heartbeat of a good run."""
    try:
        parcels = collect(tools, day, news)
        letters = [letter(parcel, day, attached) for parcel in parcels]
        heartbeat = tools.settings.heartbeat_url if good else None
        beats = [Letter(heartbeat)] if heartbeat else []
        problems = delivery.send([*letters, *beats], tools.settings.notify_timeout_seconds)
        for parcel, problem in zip(parcels, problems, strict=False):
            settle(tools, parcel, problem)
        if beats and problems[-1]:
            say(logging.WARNING, "heartbeat.failed", f"⚠️ LLM_HEARTBEAT_URL: {problems[-1]}")
    except (MonitoringError, OSError) as exc:
        say(logging.WARNING, "notify.failed", f"⚠️ No se pudo preparar el resumen para el operador: {exc}")


def collect(tools: Tools, day: date, news: Callable[[], Iterable[News]]) -> list[Parcel]:
    """What each target lacks, today's news included; nothing is looked at where nobody is told."""
    targets = tools.settings.notify_urls
    if not targets:
        return []
    alerts = watching.budget_alerts(tools.db)
    lines = [
        *each_of(tools, "presupuesto", lambda: alerts_by_month(alerts), budget_news),
        *news(),
        *observed(tools, day),
    ]
    outbox.put(tools.db, day, lines, alerts)
    return outbox.parcels(tools.db, targets)


def settle(tools: Tools, parcel: Parcel, problem: str | None) -> None:
    """Mark what arrived; what did not stays in the outbox."""
    name, lines = outbox.mark(parcel.target), len(parcel.lines)
    if problem is None:
        outbox.delivered(tools.db, parcel, tools.settings.notify_urls or ())
        told = f"📨 Resumen enviado a {name}: {lines} aviso(s)"
        say(logging.INFO, "notify.delivered", told, target=name, lines=lines)
    else:
        told = f"⚠️ Resumen no entregado a {name}: {problem}; se intentará en la próxima ejecución"
        say(logging.WARNING, "notify.undelivered", told, target=name, lines=lines)


def say(level: int, event: str, sentence: str, **fields: Any) -> None:
    log.log(level, sentence, extra={"event": event, **fields})


def letter(parcel: Parcel, day: date, attached: tuple[Path, ...] = ()) -> Letter:
    """Plain text, as short as any service takes."""
    lines: list[str] = []
    for line in parcel.lines[:MOST_LINES]:
        if sum(map(len, lines)) + len(lines) + len(line) > LONGEST_BODY:
            break
        lines.append(line)
    rest = len(parcel.lines) - len(lines)
    more = [f"… y {rest} más: `python -m llm_monitoring runs list`"] if rest else []
    return Letter(
        parcel.target, f"LLM Monitoring, {day}: {len(parcel.lines)} aviso(s)", "\n".join([*lines, *more]), attached
    )


def plain(text: str) -> str:
    """A name or message that others wrote, as text that no mail program or chat reads as anything else."""
    told = logs.visible(logs.redact(" ".join(text.split()))).translate(HARMLESS).replace("://", ":∕∕")
    return told if len(told) <= LONGEST_LINE else f"{told[: LONGEST_LINE - 1]}…"


def run_news(report: DayReport, day: date) -> Iterator[News]:
    """That a run is incomplete, and which projects have nothing to show; users over budget are told elsewhere."""
    lacking = {project.project_id: project.pending + project.failed for project in report.projects}
    stopped = f" ({report.tally.stopped})" if report.tally.stopped else ""
    if any(lacking.values()) or stopped:
        short = [f"#{project_id}" for project_id, tasks in lacking.items() if tasks]
        where = f" en {len(short)} proyecto(s): {', '.join(short[:10])}{' …' * (len(short) > 10)}" if short else ""
        missing = sum(max(project.failed, project.pending) for project in report.projects)
        told = f"⚠️ Ejecución #{report.run_id} del {day} incompleta{stopped}: {missing} pregunta(s) sin respuesta{where}"
        yield News("run", f"{day}", told)
    if not report.in_balance:
        audit = "`python -m llm_monitoring budget audit`"
        yield News("run", "balance", f"❌ Los contadores no cuadran con el libro de llamadas: {audit}")
    failing: dict[str, list[ProjectReport]] = defaultdict(list)
    for project in report.projects:
        if project.error and not project.error.startswith("bloqueado"):
            failing[project.error].append(project)
    yield from (failure_news(error, projects) for error, projects in failing.items())


def row_news(errors: Sequence[RowError], day: date) -> Iterator[News]:
    """What was left alone so that the rest could go on; unreadable projects and held accounts have own lines."""
    rows = [plain(each.sentence) for each in errors if each.stage not in ("read_project", "reserve_call")]
    if rows:
        more = f" … y {len(rows) - SHOWN_ROWS} más" if len(rows) > SHOWN_ROWS else ""
        told = f"🧩 {len(rows)} registro(s) apartados, el resto siguió: {'; '.join(rows[:SHOWN_ROWS])}{more}"
        yield News("run", f"rows {day}", told)


def stale_news(tools: Tools, reports: Sequence[ProjectReport]) -> Iterator[News]:
    """How many stored answers were read with former names, or by a former version of the analysis; once a week."""
    stale: dict[int, int] = {}
    for report in reports:
        with tools.errors.guard("read_project", f"Proyecto #{report.project_id}", project_id=report.project_id):
            answers = rules.stale_answers(tools.db, projects.find(tools.db, report.project_id))
            stale |= {report.project_id: answers} if answers else {}
    if stale:
        named = ", ".join(f"#{project_id}" for project_id in list(stale)[:10]) + " …" * (len(stale) > 10)
        total = sum(stale.values())
        told = (f"🔁 {total} respuesta(s) guardadas se leyeron con nombres o reglas anteriores (proyectos {named}): "
                f"`python -m llm_monitoring reanalyse --project N`")  # fmt: skip
        yield News("project", "stale", told, quiet_days=7)


def doubt_news(report: DayReport, day: date) -> Iterator[News]:
    """What an outage has taken of the budgets: calls that may not have been billed are charged their ceilings."""
    found = report.doubtful
    if found.calls:
        told = (
            f"❓ {day}: {found.calls} llamada(s) en duda, ${found.usd:.2f} cobrados a su techo; si no se facturaron: "
        )
        yield News("spend", f"doubt {day}", told + "`python -m llm_monitoring budget correct`")
    if report.tally.reasons["operator_budget"]:
        tasks = report.tally.reasons["operator_budget"]
        told = f"💰 Las API keys del operador llegaron a LLM_OPERATOR_MONTHLY_BUDGET_USD: {tasks} pregunta(s) sin hacer"
        yield News("budget", f"operator {day}", told)
    if report.tally.locked_users:
        users = ", ".join(f"#{user}" for user in sorted(report.tally.locked_users)[:10])
        held = f"{report.tally.unsettled} llamada(s) quedan por liquidar"
        open_tasks = f"{report.tally.reasons['account_held']} pregunta(s) quedan abiertas"
        yield News("run", f"locked {day}", f"🔒 Otra aplicación retuvo la cuenta de User {users}; {open_tasks}, {held}")
    if report.tally.reasons["budget_reserved"]:
        left = f"{report.tally.reasons['budget_reserved']} pregunta(s) quedan abiertas"
        told = f"💰 Llamadas sin cerrar reservan lo que queda de un presupuesto; {left}"
        yield News("budget", f"reserved {day}", told)


def adjustment_news(adjustment: Adjustment) -> News:
    who = "operator" if adjustment.user_id is None else adjustment.user_id
    return News("budget", f"{who} {adjustment.reason}", f"⚖️ {adjustment.sentence}")


def failure_news(error: str, projects: Sequence[ProjectReport]) -> News:
    """One line a reason, once a week while it lasts; figures in the reason do not make it another one."""
    names = [f"#{each.project_id}" + (f" ({plain(each.name)})" if each.name else "") for each in projects[:10]]
    more = f" y {len(projects) - 10} más" if len(projects) > 10 else ""
    reason = re.sub(r"[0-9]+", "", error) + str([each.project_id for each in projects])
    told = f"❌ Proyecto(s) {', '.join(names)}{more}: {plain(error)}"
    return News("project", hashlib.sha256(reason.encode()).hexdigest()[:16], told, quiet_days=7)


def alerts_by_month(alerts: Sequence[BudgetAlert]) -> Sequence[BudgetAlert]:
    """An alert a user and month: that of the highest threshold which was reached."""
    return list({(alert.user_id, alert.month): alert for alert in alerts}.values())


def budget_news(alert: BudgetAlert) -> News:
    blocked = alert.threshold >= BLOCKED_AT
    told = "agotado, bloqueado hasta fin de mes" if blocked else f"ha alcanzado el {alert.threshold.normalize():f} %"
    spent = f"${alert.spent_usd:.2f} / ${alert.budget_usd:.2f}"
    subject = f"{alert.user_id} {alert.month} {'blocked' if blocked else alert.threshold}"
    return News("budget", subject, f"💰 User #{alert.user_id}: presupuesto {told}: {spent}", quiet_days=MONTH_DAYS)


def blocked_news(report: DayReport, standings: Sequence[Standing], month: date) -> Iterator[News]:
    """Users whose next call did not fit any more, though their spend is below the limit."""
    for standing in standings:
        if standing.user_id in report.tally.blocked_users or standing.blocked:
            told = f"💰 bloqueado, la siguiente llamada no cabe en el presupuesto: {standing_line(standing)}"
            yield News("budget", f"{standing.user_id} {month} blocked", told, quiet_days=MONTH_DAYS)


def observed(tools: Tools, day: date) -> Iterator[News]:
    """What the database shows: failing providers and keys, models that go, spend and figures that moved."""
    db = tools.db
    yield from each_of(tools, "ejecuciones", lambda: watching.broken_runs(db), broken_run_news)
    yield from each_of(tools, "proveedores", lambda: watching.outages(db, day, day), outage_news)
    yield from each_of(tools, "API keys", lambda: watching.refused_keys(db, day), key_news)
    yield from each_of(tools, "modelos", lambda: watching.going_models(db), model_news)
    yield from each_of(tools, "precios", lambda: registry.coming_changes(db, tools.budget.today()), price_news)
    yield from each_of(tools, "gasto", lambda: watching.spend_jumps(db, day), lambda jump: spend_news(jump, day))
    yield from each_of(tools, "cifras", lambda: watching.moves(db, day, tools.errors), move_news)


def each_of(tools: Tools, what: str, look: Callable[[], Iterable[T]], make: Callable[[T], News]) -> list[News]:
    """The line of each row that one can be made of."""
    rows: list[T] = []
    with tools.errors.guard("make_notice", f"Aviso de {what}"):
        rows.extend(look())
    found: list[News] = []
    for number, row in enumerate(rows, start=1):
        with tools.errors.guard("make_notice", f"Aviso de {what} {number}"):
            found.append(make(row))
    return found


def broken_run_news(row: Row) -> News:
    how = "un error" if row["status"] == "crashed" else "su proceso"
    told = f"💥 La ejecución #{row['id']} del {row['day']} terminó antes de acabar, con {how}"
    return News("run", f"run {row['id']}", told, quiet_days=MONTH_DAYS)


def outage_news(outage: Outage) -> News:
    told = f"🔌 {outage.provider} falló para todos el {outage.day}: {outage.failed} de "
    told += f"{outage.failed + outage.answered} preguntas sin respuesta"
    return News("outage", outage.provider, told + (f" ({plain(outage.message)})" if outage.message else ""))


def key_news(row: Row) -> News:
    whose = f"User #{row['user_id']}, {row['provider']}"
    told = f"🔑 {whose}: API key rechazada o ilegible, {row['tasks']} pregunta(s) sin respuesta"
    return News("key", f"{row['user_id']} {row['provider']}", f"{told} ({plain(row['message'])})")


def model_news(row: Row) -> News:
    """A current model that goes, once a week until another one answers."""
    name = f"{row['provider']}/{plain(row['model_id'])}"
    if row["retires_at"] is not None:
        why = f"se retira el {row['retires_at']:%Y-%m-%d}"
    else:
        why = "ya no aparece en la lista del proveedor"
    told = f"👋 {name}, el modelo actual, {why}: `python -m llm_monitoring models list`"
    return News("model", name, told, quiet_days=7)


def price_news(found: ModelChange) -> News:
    """A price that begins soon, or is charged without a decision: once a week until an admin decides."""
    told = price_change_line(found.provider, plain(found.model_id), found.change)
    return News("model", f"{found.provider}/{found.model_id} {found.change.valid_from}", told, quiet_days=7)


def spend_news(jump: SpendJump, day: date) -> News:
    told = f"💸 User #{jump.user_id}: el {day} costó ${jump.usd:.2f}; un día normal, ${jump.usual_usd:.2f}"
    return News("spend", f"{jump.user_id}", told)


def move_news(move: Move) -> News:
    """A change of the mention rate; said once, until the weeks that are compared no longer hold both sides of it."""
    change, project, words = move.comparison.mention_rate, move.project, load_words("es")
    sign, word = ("📈", "sube") if change.improved else ("📉", "baja")
    gap, low, high = (words.signed(each) for each in (change.difference, change.low, change.high))
    told = (f"{sign} Proyecto #{project.id} ({plain(project.name)}): la tasa de mención {word} del "
            f"{words.percent(change.before)} al {words.percent(change.after)} en 7 días (diferencia "
            f"{gap} puntos, entre {low} y {high}; {change.prompts} prompts){origin(move, words)}"
            f"{models(move.comparison)}")  # fmt: skip
    return News("rise" if change.improved else "fall", f"{project.id}", told, quiet_days=DAYS_TO_SETTLE)


def origin(move: Move, words: Words) -> str:
    """Which assistants moved: the one that makes up nearly all of it, or what each makes up."""
    if move.origin == "only_provider":
        return ""
    first = move.parts[0]
    if move.origin == "one_provider":
        rates = f"del {words.percent(first.before)} al {words.percent(first.after)}"
        return f"; casi todo viene de {words.provider(first.provider)}, {rates}"
    shares = ", ".join(f"{words.provider(part.provider)} {words.signed(part.part)}" for part in move.parts)
    where = "se mueven todos los asistentes" if move.origin == "every_provider" else "por asistente"
    return f"; {where}: {shares}"


def models(comparison: Comparison) -> str:
    """Changes of models in the two weeks, which may be all that is behind a change."""
    changes = [f"{each.provider}: {plain(each.before)} → {plain(each.after)} el {each.day}"
               for each in comparison.model_changes]  # fmt: skip
    return f"; cambió el modelo, {', '.join(changes[:4])}" if changes else ""
