"""The lines of the digest: each thing worth reporting as one sentence for the operator."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Self, TypeVar

from llm_monitoring import logs, projects, registry
from llm_monitoring.app import App
from llm_monitoring.db.database import Database, Row
from llm_monitoring.db.row_errors import RowError
from llm_monitoring.figures.comparison import Comparison
from llm_monitoring.ledger.accounts import Standing
from llm_monitoring.ledger.balancing import Adjustment
from llm_monitoring.notify import detectors
from llm_monitoring.notify.detectors import BudgetAlert, Move, Outage, SpendJump
from llm_monitoring.notify.outbox import Notice
from llm_monitoring.projects import fingerprints
from llm_monitoring.registry import ModelChange
from llm_monitoring.registry.price_lines import price_change_line
from llm_monitoring.reporting.words import Words, load_words
from llm_monitoring.runs.reason_texts import CLOSED, closed_text, problem_text, standing_line, stop_text
from llm_monitoring.runs.reasons import ProblemCode
from llm_monitoring.runs.report import DayReport, ProjectReport

T = TypeVar("T")

BLOCKED_AT: Final = Decimal(100)
LONGEST_LINE: Final = 300
MONTH_DAYS: Final = 31
SHOWN_ROWS: Final = 3
SHOWN_NAMES: Final = 10
DAYS_TO_SETTLE: Final = 14  # so long the two weeks that are compared hold days of before and after a change
# what a chat or a mail program would make a link, a mention or a format of
HARMLESS: Final = str.maketrans({"<": "‹", ">": "›", "@": "＠", "[": "［", "]": "］", "`": "'"})
DOT: Final = "\u2024"  # a dot that no program takes for one of an address
LINKABLE: Final = re.compile(r"(?<=[\w-])[.\u3002\uff0e\uff61](?=[^\W\d_]{2})")
NUMERIC: Final = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
"""A dot that makes an address of two words, `t.me` or `www.a.example`: programs link those without a scheme too."""


@dataclass(frozen=True, slots=True)
class Names:
    """What users and projects are called, by number."""

    users: Mapping[int, str]
    projects: Mapping[int, str]

    @classmethod
    def read(cls, db: Database) -> Self:
        users = {row["id"]: row["email"] for row in db.all(detectors.SQL.user_names)}
        return cls(users, {row["id"]: row["name"] for row in db.all(detectors.SQL.project_names)})

    def user(self, user_id: int) -> str:
        email = self.users.get(user_id)
        return f"User #{user_id}" + (f" ({plain(email)})" if email else "")

    def of(self, make: Callable[[T, Names], Notice]) -> Callable[[T], Notice]:
        """`make` with these names."""
        return lambda row: make(row, self)


def project_names(named: Sequence[tuple[int, str]]) -> str:
    """The first projects by number and name, and how many more there are."""
    shown = [f"#{number}" + (f" ({plain(name)})" if name else "") for number, name in named[:SHOWN_NAMES]]
    more = f" y {len(named) - SHOWN_NAMES} más" if len(named) > SHOWN_NAMES else ""
    return f"{', '.join(shown)}{more}"


def plain(text: str) -> str:
    """A name or message that others wrote, as text that no mail program or chat reads as anything else."""
    told = logs.visible(logs.redact(" ".join(text.split()))).translate(HARMLESS)
    told = LINKABLE.sub(DOT, told.replace("://", ":∕∕"))
    told = NUMERIC.sub(lambda found: found[0].replace(".", DOT), told)
    return told if len(told) <= LONGEST_LINE else f"{told[: LONGEST_LINE - 1]}…"


def run_news(report: DayReport, day: date) -> Iterator[Notice]:
    """That a run is incomplete, and which projects have nothing to show; users over budget are told elsewhere."""
    lacking = {project.project_id: project.pending + project.failed for project in report.projects}
    stopped = f" ({stop_text(report.stats.stopped, 'es')})" if report.stats.stopped else ""
    if any(lacking.values()) or stopped:
        short = [(project.project_id, project.name) for project in report.projects if lacking[project.project_id]]
        where = f" en {len(short)} proyecto(s): {project_names(short)}" if short else ""
        missing = sum(max(project.failed, project.pending) for project in report.projects)
        told = f"⚠️ Ejecución #{report.run_id} del {day} incompleta{stopped}: {missing} pregunta(s) sin respuesta{where}"
        yield Notice("run", f"{day}", told)
    if not report.in_balance:
        audit = "`python -m llm_monitoring budget audit`"
        told = f"❌ Los contadores no cuadran con el libro de llamadas: {audit}"
        yield Notice("run", "balance", told, severity="failure")
    failing: dict[str, list[ProjectReport]] = defaultdict(list)
    for project in report.projects:
        if project.error and project.error.code != ProblemCode.BLOCKED:
            failing[problem_text(project.error, "es")].append(project)
    yield from (failure_news(error, projects) for error, projects in failing.items())


def unfinished_news(report: DayReport, day: date) -> Iterator[Notice]:
    """Answers that lack an analysis, or a sentiment that can be read."""
    unread = {(each.project_id, each.name): each.unread for each in report.unfinished if each.unread}
    if unread:
        told = f"📥 {day}: {sum(unread.values())} respuesta(s) sin analizar, que leerá el próximo inicio, en "
        yield Notice("run", f"unread {day}", told + project_names(list(unread)))
    without = {(each.project_id, each.name): each.without_sentiment for each in report.unfinished
               if each.without_sentiment}  # fmt: skip
    if without:
        told = f"🎭 {day}: {sum(without.values())} respuesta(s) sin sentimiento legible, en "
        yield Notice("run", f"without sentiment {day}", told + project_names(list(without)))


def row_news(errors: Sequence[RowError], day: date) -> Iterator[Notice]:
    """What was left alone so that the rest could go on; unreadable projects and held accounts have own lines."""
    rows = [plain(each.sentence) for each in errors if each.stage not in ("read_project", "reserve_call")]
    if rows:
        more = f" … y {len(rows) - SHOWN_ROWS} más" if len(rows) > SHOWN_ROWS else ""
        told = f"🧩 {len(rows)} registro(s) apartados, el resto siguió: {'; '.join(rows[:SHOWN_ROWS])}{more}"
        yield Notice("run", f"rows {day}", told)


def stale_news(app: App, reports: Sequence[ProjectReport]) -> Iterator[Notice]:
    """How many stored answers were read with former names, or by a former version of the analysis; once a week."""
    stale: dict[int, int] = {}
    for report in reports:
        with app.errors.guard("read_project", f"Proyecto #{report.project_id}", project_id=report.project_id):
            answers = fingerprints.stale_answers(app.db, projects.find(app.db, report.project_id))
            stale |= {report.project_id: answers} if answers else {}
    if stale:
        named = project_names([(each.project_id, each.name) for each in reports if each.project_id in stale])
        total = sum(stale.values())
        told = (f"🔁 {total} respuesta(s) guardadas se leyeron con nombres o reglas anteriores (proyectos {named}): "
                f"`python -m llm_monitoring reanalyse --project N`")  # fmt: skip
        yield Notice("project", "stale", told, 7, "info")


def doubt_news(report: DayReport, day: date, names: Names) -> Iterator[Notice]:
    """What an outage has taken of the budgets: calls that may not have been billed are charged their ceilings."""
    found = report.doubtful
    if found.calls:
        told = (
            f"❓ {day}: {found.calls} llamada(s) en duda, ${found.usd:.2f} cobrados a su techo; si no se facturaron: "
        )
        yield Notice("spend", f"doubt {day}", told + "`python -m llm_monitoring budget correct`")
    if report.stats.reasons["operator_budget"]:
        tasks = report.stats.reasons["operator_budget"]
        told = f"💰 Las API keys del operador llegaron a LLM_OPERATOR_MONTHLY_BUDGET_USD: {tasks} pregunta(s) sin hacer"
        yield Notice("budget", f"operator {day}", told)
    if report.stats.locked_users:
        users = ", ".join(names.user(user) for user in sorted(report.stats.locked_users)[:SHOWN_NAMES])
        held = f"{report.stats.unsettled} llamada(s) quedan por liquidar"
        open_tasks = f"{report.stats.reasons['account_held']} pregunta(s) quedan abiertas"
        yield Notice("run", f"locked {day}", f"🔒 Otra aplicación retuvo la cuenta de {users}; {open_tasks}, {held}")
    if report.stats.reasons["budget_reserved"]:
        left = f"{report.stats.reasons['budget_reserved']} pregunta(s) quedan abiertas"
        told = f"💰 Llamadas sin cerrar reservan lo que queda de un presupuesto; {left}"
        yield Notice("budget", f"reserved {day}", told)


def adjustment_news(adjustment: Adjustment) -> Notice:
    who = "operator" if adjustment.user_id is None else adjustment.user_id
    return Notice("budget", f"{who} {adjustment.reason}", f"⚖️ {adjustment.sentence}", severity="info")


def failure_news(error: str, projects: Sequence[ProjectReport]) -> Notice:
    """One line a reason, once a week while it lasts; figures in the reason do not make it another one."""
    names = project_names([(each.project_id, each.name) for each in projects])
    reason = re.sub(r"[0-9]+", "", error) + str([each.project_id for each in projects])
    told = f"❌ Proyecto(s) {names}: {plain(error)}"
    return Notice("project", hashlib.sha256(reason.encode()).hexdigest()[:16], told, 7, "failure")


def alerts_by_month(alerts: Sequence[BudgetAlert]) -> Sequence[BudgetAlert]:
    """An alert a user and month: that of the highest threshold which was reached."""
    return list({(alert.user_id, alert.month): alert for alert in alerts}.values())


def budget_news(alert: BudgetAlert, names: Names) -> Notice:
    blocked = alert.threshold >= BLOCKED_AT
    told = "agotado, bloqueado hasta fin de mes" if blocked else f"ha alcanzado el {alert.threshold.normalize():f} %"
    spent = f"${alert.spent_usd:.2f} / ${alert.budget_usd:.2f}"
    subject = f"{alert.user_id} {alert.month} {'blocked' if blocked else alert.threshold}"
    return Notice("budget", subject, f"💰 {names.user(alert.user_id)}: presupuesto {told}: {spent}", MONTH_DAYS)


def blocked_news(report: DayReport, standings: Sequence[Standing], month: date, names: Names) -> Iterator[Notice]:
    """Users whose next call did not fit any more, though their spend is below the limit."""
    for standing in standings:
        if standing.user_id in report.stats.blocked_users or standing.blocked:
            told = f"💰 bloqueado, la siguiente llamada no cabe en el presupuesto: {names.user(standing.user_id)}"
            told += standing_line(standing).removeprefix(f"User #{standing.user_id}")
            yield Notice("budget", f"{standing.user_id} {month} blocked", told, quiet_days=MONTH_DAYS)


def observed(app: App, day: date, names: Names) -> Iterator[Notice]:
    """What the database shows: failing providers and keys, models that go, spend and figures that moved."""
    db = app.db
    yield from each_of(app, "ejecuciones", lambda: detectors.broken_runs(db), broken_run_news)
    yield from each_of(app, "proveedores", lambda: detectors.outages(db, day, day), outage_news)
    yield from each_of(app, "API keys", lambda: detectors.refused_keys(db, day), names.of(key_news))
    yield from each_of(app, "modelos", lambda: detectors.going_models(db), model_news)
    yield from each_of(app, "precios", lambda: registry.coming_changes(db, app.budget.today()), price_news)
    yield from each_of(app, "gasto", lambda: detectors.spend_jumps(db, day), lambda jump: spend_news(jump, day, names))
    yield from each_of(app, "cifras", lambda: detectors.moves(db, day, app.errors), move_news)


def each_of(app: App, what: str, look: Callable[[], Iterable[T]], make: Callable[[T], Notice]) -> list[Notice]:
    """The line of each row that one can be made of."""
    rows: list[T] = []
    with app.errors.guard("make_notice", f"Aviso de {what}"):
        rows.extend(look())
    found: list[Notice] = []
    for number, row in enumerate(rows, start=1):
        with app.errors.guard("make_notice", f"Aviso de {what} {number}"):
            found.append(make(row))
    return found


def broken_run_news(row: Row) -> Notice:
    how = "un error" if row["status"] == "crashed" else "su proceso"
    told = f"💥 La ejecución #{row['id']} del {row['day']} terminó antes de acabar, con {how}"
    return Notice("run", f"run {row['id']}", told, quiet_days=MONTH_DAYS, severity="failure")


def outage_news(outage: Outage) -> Notice:
    told = f"🔌 {outage.provider} falló para todos el {outage.day}: {outage.failed} de "
    told += f"{outage.failed + outage.answered} preguntas sin respuesta"
    told += f" ({plain(outage.message)})" if outage.message else ""
    return Notice("outage", outage.provider, told, severity="failure")


def key_news(row: Row, names: Names) -> Notice:
    why = row["message"]
    if why in CLOSED:
        why = closed_text(why, row["provider"], "es")
    whose = f"{names.user(row['user_id'])}, {row['provider']}"
    told = f"🔑 {whose}: API key rechazada o ilegible, {row['tasks']} pregunta(s) sin respuesta"
    return Notice("key", f"{row['user_id']} {row['provider']}", f"{told} ({plain(why)})", severity="failure")


def model_news(row: Row) -> Notice:
    """A current model that goes, once a week until another one answers."""
    name = f"{row['provider']}/{plain(row['model_id'])}"
    if row["retires_at"] is not None:
        why = f"se retira el {row['retires_at']:%Y-%m-%d}"
    else:
        why = "ya no aparece en la lista del proveedor"
    told = f"👋 {name}, el modelo actual, {why}: `python -m llm_monitoring models list`"
    return Notice("model", name, told, quiet_days=7)


def price_news(found: ModelChange) -> Notice:
    """A price that begins soon, or is charged without a decision: once a week until an admin decides."""
    told = price_change_line(found.provider, plain(found.model_id), found.change)
    return Notice("model", f"{found.provider}/{found.model_id} {found.change.valid_from}", told, quiet_days=7)


def spend_news(jump: SpendJump, day: date, names: Names) -> Notice:
    told = f"💸 {names.user(jump.user_id)}: el {day} costó ${jump.usd:.2f}; un día normal, ${jump.usual_usd:.2f}"
    return Notice("spend", f"{jump.user_id}", told)


def move_news(move: Move) -> Notice:
    """A change of the mention rate; said once, until the weeks that are compared no longer hold both sides of it."""
    change, project, words = move.comparison.mention_rate, move.project, load_words("es")
    sign, word = ("📈", "sube") if change.improved else ("📉", "baja")
    gap, low, high = (words.signed(each) for each in (change.difference, change.low, change.high))
    told = (f"{sign} Proyecto #{project.id} ({plain(project.name)}): la tasa de mención {word} del "
            f"{words.percent(change.before)} al {words.percent(change.after)} en 7 días (diferencia "
            f"{gap} puntos, entre {low} y {high}; {change.prompts} prompts){origin(move, words)}"
            f"{models(move.comparison)}")  # fmt: skip
    if change.improved:
        return Notice("rise", f"{project.id}", told, DAYS_TO_SETTLE, "success")
    return Notice("fall", f"{project.id}", told, DAYS_TO_SETTLE)


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
