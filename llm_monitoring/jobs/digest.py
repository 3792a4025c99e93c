"""The digest of a daily run: what is worth reporting, in the operator's words, sent once a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from llm_monitoring.app import App
from llm_monitoring.db.locks import Holder
from llm_monitoring.errors import MonitoringError
from llm_monitoring.jobs import digest_lines as lines
from llm_monitoring.jobs.digest_lines import Names, plain
from llm_monitoring.ledger.balancing import Adjustment
from llm_monitoring.notify import delivery, detectors, outbox
from llm_monitoring.notify.delivery import Failure, FailureCode, Message, Result
from llm_monitoring.notify.outbox import Notice, PendingNotices
from llm_monitoring.runs.reason_texts import stop_text
from llm_monitoring.runs.reasons import StopReason
from llm_monitoring.runs.report import DayReport

log = logging.getLogger(__name__)

REST: Final = "… y {n} más: `python -m llm_monitoring runs list`"
FAILURES: Final[dict[FailureCode, str]] = {
    "unknown_address": "no es una dirección que Apprise conozca",
    "status": "el servicio respondió {seen}",
    "timeout": "no respondió a tiempo",
    "name_not_found": "su nombre no existe en el DNS",
    "refused": "rechazó la conexión",
    "certificate": "su certificado TLS no es válido",
    "not_delivered": "no se pudo entregar",
    "process_ended": "el proceso que envía terminó con {seen}",
}


def finished(app: App, day: date, report: DayReport, code: int, reports: Sequence[Path] = ()) -> None:
    """Tell what is new after a run, and call the heartbeat where the run was good; what fails here is only logged.

    `reports` go with it where LLM_NOTIFY_ATTACH_REPORTS says so.
    """

    def news() -> Iterator[Notice]:
        names = Names.read(app.db)
        yield from lines.run_news(report, day)
        yield from lines.row_news(app.errors.found, day)
        yield from lines.unfinished_news(report, day)
        yield from lines.stale_news(app, report.projects)
        yield from lines.doubt_news(report, day, names)
        yield from map(lines.adjustment_news, report.adjustments)
        yield from lines.blocked_news(report, app.budget.standings(start_month=False), app.budget.month(), names)

    good = code == 0 and report.stats.stopped is None
    attached = tuple(reports) if app.settings.notify_attach_reports else ()
    tell(app, day, news, good=good, attached=attached)


def aborted(app: App, day: date, reason: StopReason, adjustments: Sequence[Adjustment] = ()) -> int:
    """Report that a run could not ask anything; return the job's exit code."""
    line = f"❌ La ejecución del {day} no pudo preguntar nada: {stop_text(reason, 'es')}"
    notices = [Notice("run", reason, line, 7, "failure"), *map(lines.adjustment_news, adjustments)]
    tell(app, day, lambda: notices, good=False)
    return 1


def locked_out(app: App, day: date, holder: Holder | None) -> int:
    """Tell that no run can start because a session keeps the lock for days; return the job's exit code."""
    told = f"❌ La ejecución del {day} no pudo empezar: otra sesión retiene el bloqueo más de un día ({holder})"
    tell(app, day, lambda: [Notice("run", f"locked out {day}", plain(told), severity="failure")], good=False)
    return 1


def tell(
    app: App, day: date, news: Callable[[], Iterable[Notice]], *, good: bool, attached: tuple[Path, ...] = ()
) -> None:
    """Put what is new into the outbox, send each target what it lacks, and call the heartbeat of a good run."""
    try:
        parcels = collect(app, day, news)
        letters = [letter(parcel, day, attached) for parcel in parcels]
        heartbeat = app.settings.heartbeat_url if good else None
        beats = [Message(heartbeat)] if heartbeat else []
        results = delivery.send([*letters, *beats], app.settings.notify_timeout_seconds)
        for parcel, result in zip(parcels, results, strict=False):
            settle(app, parcel, result)
        failure = results[-1].failure if beats else None
        if failure is not None:
            say(logging.WARNING, "heartbeat.failed", f"⚠️ LLM_HEARTBEAT_URL: {failure_text(failure)}",
                reason=failure.code, seen=failure.seen)  # fmt: skip
    except (MonitoringError, OSError) as exc:
        say(logging.WARNING, "notify.failed", f"⚠️ No se pudo preparar el resumen para el operador: {exc}")


def collect(app: App, day: date, news: Callable[[], Iterable[Notice]]) -> list[PendingNotices]:
    """What each target lacks, today's news included; nothing is looked at where nobody is told."""
    targets = outbox.targets(app.settings)
    if not targets:
        return []
    alerts = detectors.budget_alerts(app.db)
    names = Names.read(app.db)
    raised = [
        *lines.each_of(app, "presupuesto", lambda: lines.alerts_by_month(alerts), names.of(lines.budget_news)),
        *news(),
        *lines.observed(app, day, names),
    ]
    outbox.put(app.db, day, raised, alerts)
    return outbox.parcels(app.db, targets)


def settle(app: App, parcel: PendingNotices, result: Result) -> None:
    """Mark what arrived; what did not stays in the outbox."""
    name, count = parcel.target.name, len(parcel.lines)
    if result.lines:
        outbox.delivered(app.db, parcel, result.lines, outbox.targets(app.settings))
    if result.failure is None:
        told = f"📨 Resumen enviado a {name}: {count} aviso(s)"
        say(logging.INFO, "notify.delivered", told, target=name, lines=count)
    else:
        why = failure_text(result.failure)
        told = f"⚠️ Resumen no entregado a {name}: {why}; se intentará en la próxima ejecución"
        say(logging.WARNING, "notify.undelivered", told, target=name, lines=count - result.lines,
            reason=result.failure.code, seen=result.failure.seen)  # fmt: skip


def say(level: int, event: str, sentence: str, **fields: Any) -> None:
    log.log(level, sentence, extra={"event": event, **fields})


def letter(parcel: PendingNotices, day: date, attached: tuple[Path, ...] = ()) -> Message:
    """The lines as plain text; what the target's limit leaves no room for is counted."""
    title = f"LLM Monitoring, {day}: {len(parcel.lines)} aviso(s)"
    return Message(parcel.target.url, title, parcel.lines, attached, parcel.severity, REST)


def failure_text(failure: Failure) -> str:
    """Why a message did not arrive, with what was seen."""
    return FAILURES[failure.code].format(seen=failure.seen)
