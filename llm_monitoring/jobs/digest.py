"""The digest of a daily run: its notices in the operator's words, each sent once to each target."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from llm_monitoring.app import App
from llm_monitoring.db import Holder
from llm_monitoring.errors import MonitoringError
from llm_monitoring.jobs import observed_notices, run_notices
from llm_monitoring.jobs.digest_text import Names, plain
from llm_monitoring.ledger import Adjustment, read_pacings
from llm_monitoring.notify import delivery, detectors, outbox
from llm_monitoring.notify.delivery import Failure, FailureCode, Message, Result
from llm_monitoring.notify.outbox import Notice, PendingNotices
from llm_monitoring.runs.forecast import forecasts
from llm_monitoring.runs.reason_texts import stop_text
from llm_monitoring.runs.reasons import StopReason
from llm_monitoring.runs.report import DayReport

log = logging.getLogger(__name__)

QUIET_DAYS: Final = 7
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
    """Send the notices of a run, and call the heartbeat if the run was good; what fails here is only logged.

    `reports` are attached if LLM_NOTIFY_ATTACH_REPORTS is set.
    """

    def notices() -> Iterator[Notice]:
        names = Names.read(app.db)
        yield from run_notices.run_notices(report, day)
        yield from run_notices.row_notices(app.errors.found, day)
        yield from run_notices.unfinished_notices(report, day)
        yield from run_notices.out_notices(report, day)
        yield from run_notices.stale_notices(app, report.projects)
        yield from run_notices.money_notices(report, day, names)
        yield from map(run_notices.adjustment_notice, report.adjustments)
        standings = app.budget.standings(start_month=False)
        month = app.budget.month()
        yield from run_notices.blocked_notices(report, standings, month, names)
        yield from run_notices.pacing_notices(report, names)
        paced = {user_id for user_id, pacing in read_pacings(app.db).items() if pacing.is_on}
        unpaced = [standing for standing in standings if standing.user_id not in paced]
        yield from run_notices.forecast_notices(forecasts(app, unpaced), standings, month, names)

    good = code == 0 and report.stats.stopped is None
    attached = tuple(reports) if app.settings.notify_attach_reports else ()
    send(app, day, notices, good=good, attached=attached)


def aborted(app: App, day: date, reason: StopReason, adjustments: Sequence[Adjustment] = ()) -> int:
    """Report that a run could not ask anything; return the job's exit code."""
    line = f"❌ La ejecución del {day} no pudo preguntar nada: {stop_text(reason, 'es')}"
    notices = [
        Notice("run", reason, line, QUIET_DAYS, "failure"),
        *map(run_notices.adjustment_notice, adjustments),
    ]
    send(app, day, lambda: notices, good=False)
    return 1


def locked_out(app: App, day: date, holder: Holder | None) -> int:
    """Report that no run can start because a session keeps the lock for days; return the job's exit code."""
    line = f"❌ La ejecución del {day} no pudo empezar: otra sesión retiene el bloqueo más de un día ({holder})"
    notice = Notice("run", f"locked out {day}", plain(line), severity="failure")
    send(app, day, lambda: [notice], good=False)
    return 1


def send(
    app: App, day: date, notices: Callable[[], Iterable[Notice]], *, good: bool, attached: tuple[Path, ...] = ()
) -> None:
    """Put the notices into the outbox, send each target what it lacks, and call the heartbeat of a good run."""
    try:
        pending = collect(app, day, notices)
        messages = [message(part, day, attached) for part in pending]
        heartbeat = app.settings.heartbeat_url if good else None
        beats = [Message(heartbeat)] if heartbeat else []
        results = delivery.send([*messages, *beats], app.settings.notify_timeout_seconds)
        for part, result in zip(pending, results, strict=False):
            record(app, part, result)
        failure = results[-1].failure if beats else None
        if failure is not None:
            line = f"⚠️ LLM_HEARTBEAT_URL: {failure_text(failure)}"
            write_log(logging.WARNING, "heartbeat.failed", line, reason=failure.code, seen=failure.seen)
    except (MonitoringError, OSError) as exc:
        line = f"⚠️ No se pudo preparar el resumen para el operador: {exc}"
        write_log(logging.WARNING, "notify.failed", line)


def collect(app: App, day: date, notices: Callable[[], Iterable[Notice]]) -> list[PendingNotices]:
    """What each target lacks, today's notices included; without targets nothing is looked at."""
    targets = outbox.targets(app.settings)
    if not targets:
        return []
    alerts = detectors.budget_alerts(app.db)
    names, month = Names.read(app.db), app.budget.month()
    raised = [
        *observed_notices.notices_of(
            app,
            "presupuesto",
            lambda: observed_notices.alerts_by_month(alerts),
            lambda alert: observed_notices.budget_notice(alert, month, names),
        ),
        *notices(),
        *observed_notices.observed(app, day, names),
    ]
    outbox.put(app.db, day, raised, alerts)
    return outbox.pending(app.db, targets)


def record(app: App, part: PendingNotices, result: Result) -> None:
    """Mark what arrived; what did not stays in the outbox."""
    name, count = part.target.name, len(part.lines)
    if result.lines:
        outbox.mark_delivered(app.db, part, result.lines, outbox.targets(app.settings))
    if result.failure is None:
        line = f"📨 Resumen enviado a {name}: {count} aviso(s)"
        write_log(logging.INFO, "notify.delivered", line, target=name, lines=count)
    else:
        failure = result.failure
        line = f"⚠️ Resumen no entregado a {name}: {failure_text(failure)}; se intentará en la próxima ejecución"
        facts = {"target": name, "lines": count - result.lines, "reason": failure.code, "seen": failure.seen}
        write_log(logging.WARNING, "notify.undelivered", line, **facts)


def write_log(level: int, event: str, line: str, **fields: Any) -> None:
    log.log(level, line, extra={"event": event, **fields})


def message(part: PendingNotices, day: date, attached: tuple[Path, ...] = ()) -> Message:
    """The lines as plain text; those beyond the target's limit are counted."""
    title = f"LLM Monitoring, {day}: {len(part.lines)} aviso(s)"
    return Message(part.target.url, title, part.lines, attached, part.severity, REST)


def failure_text(failure: Failure) -> str:
    """Why a message did not arrive, with what was seen."""
    return FAILURES[failure.code].format(seen=failure.seen)
