"""The notices of what the database shows: failing providers and keys, models that end, spend and rates that move."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Final, TypeVar

from llm_monitoring import registry
from llm_monitoring.app import App
from llm_monitoring.db import Row
from llm_monitoring.domain import usd_text
from llm_monitoring.figures import Comparison
from llm_monitoring.jobs.digest_text import Names, plain
from llm_monitoring.model_review import findings
from llm_monitoring.model_review.findings import PriceDrift
from llm_monitoring.notify import detectors
from llm_monitoring.notify.detectors import BudgetAlert, Move, Outage, SpendJump
from llm_monitoring.notify.outbox import Notice
from llm_monitoring.registry import ModelChange, RegistryEntry
from llm_monitoring.registry.price_lines import price_change_line, price_drift_line
from llm_monitoring.reporting.words import Words, load_words
from llm_monitoring.runs.reason_texts import cause_text
from llm_monitoring.runs.reasons import Cause

T = TypeVar("T")

BLOCKED_AT: Final = Decimal(100)
MONTH_DAYS: Final = 31
WEEK_DAYS: Final = 7
DAYS_TO_SETTLE: Final = 14  # so long the two weeks that are compared hold days of before and after a change
SHOWN_CHANGES: Final = 4


def observed(app: App, day: date, names: Names) -> Iterator[Notice]:
    """Every notice of what the database shows on `day`."""
    db = app.db
    yield from notices_of(app, "ejecuciones", lambda: detectors.broken_runs(db), broken_run_notice)
    yield from notices_of(app, "proveedores", lambda: detectors.outages(db, day, day), outage_notice)
    yield from notices_of(app, "API keys", lambda: detectors.refused_keys(db, day), names.of(key_notice))
    yield from notices_of(app, "modelos", lambda: detectors.retiring_models(db), model_notice)
    yield from notices_of(app, "precios", lambda: registry.coming_changes(db, app.budget.today()), price_notice)
    yield from notices_of(
        app, "precios", lambda: findings.undecided(registry.read_entries(db), app.budget.today()), drift_notice
    )
    yield from notices_of(
        app, "gasto", lambda: detectors.spend_jumps(db, day), lambda jump: spend_notice(jump, day, names)
    )
    yield from notices_of(app, "cifras", lambda: detectors.moves(db, day, app.errors), move_notice)


def notices_of(app: App, subject: str, look: Callable[[], Iterable[T]], make: Callable[[T], Notice]) -> list[Notice]:
    """A notice for each row; a row of which none can be made stays out alone."""
    rows: list[T] = []
    with app.errors.guard("make_notice", f"Aviso de {subject}"):
        rows.extend(look())
    notices: list[Notice] = []
    for number, row in enumerate(rows, start=1):
        with app.errors.guard("make_notice", f"Aviso de {subject} {number}"):
            notices.append(make(row))
    return notices


def alerts_by_month(alerts: Sequence[BudgetAlert]) -> Sequence[BudgetAlert]:
    """An alert a user and month: that of the highest threshold which was reached."""
    return list({(alert.user_id, alert.month): alert for alert in alerts}.values())


def budget_notice(alert: BudgetAlert, month: date, names: Names) -> Notice:
    """The notice of an alert, `month` being the present one: a call may be settled after its month."""
    blocked, ended = alert.threshold >= BLOCKED_AT, alert.month < month.isoformat()
    state = f"ha alcanzado el {alert.threshold.normalize():f} %"
    if blocked:
        state = "agotado" if ended else "agotado, bloqueado hasta fin de mes"
    spent = f"{usd_text(alert.spent_usd)} / {usd_text(alert.budget_usd)}"
    subject = f"{alert.user_id} {alert.month} {'blocked' if blocked else alert.threshold}"
    what = f"presupuesto de {alert.month[:7]}" if ended else "presupuesto"
    return Notice("budget", subject, f"💰 {names.user(alert.user_id)}: {what} {state}: {spent}", MONTH_DAYS)


def broken_run_notice(row: Row) -> Notice:
    cause = "un error" if row["status"] == "crashed" else "su proceso"
    line = f"💥 La ejecución #{row['id']} del {row['day']} terminó antes de acabar, con {cause}"
    return Notice("run", f"run {row['id']}", line, quiet_days=MONTH_DAYS, severity="failure")


def outage_notice(outage: Outage) -> Notice:
    asked = outage.failed + outage.answered
    line = f"🔌 {outage.provider} falló para todos el {outage.day}: {outage.failed} de {asked} preguntas sin respuesta"
    line += f" ({plain(outage.message)})" if outage.message else ""
    return Notice("outage", outage.provider, line, severity="failure")


def key_notice(row: Row, names: Names) -> Notice:
    cause = plain(cause_text(Cause(row["provider"], row["reason"], row["message"]), "es"))
    line = (
        f"🔑 {names.user(row['user_id'])}, {row['provider']}: API key rechazada o ilegible, "
        f"{row['tasks']} pregunta(s) sin respuesta ({cause})"
    )
    return Notice("key", f"{row['user_id']} {row['provider']}", line, severity="failure")


def model_notice(row: Row) -> Notice:
    """A current model that ends, once a week until another one answers."""
    name = f"{row['provider']}/{plain(row['model_id'])}"
    if row["retires_at"] is not None:
        why = f"se retira el {row['retires_at']:%Y-%m-%d}"
    else:
        why = "ya no aparece en la lista del proveedor"
    line = f"👋 {name}, el modelo actual, {why}: `python -m llm_monitoring models list`"
    return Notice("model", name, line, quiet_days=WEEK_DAYS)


def price_notice(model: ModelChange) -> Notice:
    """A price that begins soon, or is charged without a decision: once a week until an admin decides."""
    line = price_change_line(model.provider, plain(model.model_id), model.change)
    return Notice("model", f"{model.provider}/{model.model_id} {model.change.valid_from}", line, quiet_days=WEEK_DAYS)


def drift_notice(found: tuple[RegistryEntry, Sequence[PriceDrift]]) -> Notice:
    """A price that is not the price list's: once a week until an admin decides."""
    entry, drifts = found
    parts, source = [each.part for each in drifts], drifts[0].source
    line = price_drift_line(entry.llm_provider, plain(entry.model_id), parts, plain(source))
    return Notice("model", f"{entry.name} price", line, quiet_days=WEEK_DAYS)


def spend_notice(jump: SpendJump, day: date, names: Names) -> Notice:
    line = (
        f"💸 {names.user(jump.user_id)}: el {day} costó {usd_text(jump.usd)}; un día normal, {usd_text(jump.usual_usd)}"
    )
    return Notice("spend", f"{jump.user_id}", line)


def move_notice(move: Move) -> Notice:
    """A change of the mention rate; sent once, until the weeks that are compared no longer hold both sides of it."""
    change, project, words = move.comparison.mention_rate, move.project, load_words("es")
    sign, verb = ("📈", "sube") if change.improved else ("📉", "baja")
    gap, low, high = (words.signed(figure) for figure in (change.difference, change.low, change.high))
    line = (
        f"{sign} Proyecto #{project.id} ({plain(project.name)}): la tasa de mención {verb} del "
        f"{words.percent(change.before)} al {words.percent(change.after)} en 7 días (diferencia "
        f"{gap} puntos, entre {low} y {high}; {change.prompts} prompts){origin(move, words)}"
        f"{model_changes(move.comparison)}"
    )
    if change.improved:
        return Notice("rise", f"{project.id}", line, DAYS_TO_SETTLE, "success")
    return Notice("fall", f"{project.id}", line, DAYS_TO_SETTLE)


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


def model_changes(comparison: Comparison) -> str:
    """Changes of models in the two weeks, which may be all that is behind a change."""
    changes = [
        f"{change.provider}: {plain(change.before)} → {plain(change.after)} el {change.day}"
        for change in comparison.model_changes
    ]
    return f"; cambió el modelo, {', '.join(changes[:SHOWN_CHANGES])}" if changes else ""
