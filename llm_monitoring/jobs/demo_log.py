"""What the demo adds to the daily job: thirty days of history before it, and what to try after it."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from threading import Event
from typing import Final

from llm_monitoring import projects
from llm_monitoring.app import App
from llm_monitoring.jobs import terminal
from llm_monitoring.jobs.event_log import EventLog
from llm_monitoring.process import location
from llm_monitoring.runs.records import RunLock
from llm_monitoring.runs.stats import RunStats

EVENTS: Final = EventLog("llm_monitoring.daily")


def write_history(app: App, lock: RunLock, stop: Event) -> None:
    """Write the days that the demo's last thirty lack, and log what they hold."""
    from llm_monitoring.demo import history
    from llm_monitoring.demo.session import bill_file

    with terminal.progress() as bar:
        watch = history.HistoryProgress(
            stop,
            lambda days: bar.start(days, "Historial, días"),
            lambda done: bar.advance(RunStats(answered=done)),
        )
        written = history.write(app, lock, first_project(app), bill_file(app.settings), watch)
    if written.days:
        line = (
            f"🗓️ Historial simulado: {written.days} día(s), {written.answers} respuestas, "
            f"${written.cost_usd:.4f} simulados; {history.CHANGED} cambió de modelo hace una semana"
        )
        EVENTS.info("demo.history", line, days=written.days, answers=written.answers, cost_usd=str(written.cost_usd))


def next_steps(app: App) -> None:
    """Log the commands that show what the demo holds, in a form that works when it is copied."""
    from llm_monitoring.demo import history

    EVENTS.info("demo.try", "👉 Pruebe ahora:")
    for command in history.commands(python(), first_project(app)):
        EVENTS.info("demo.next", f"   {command}", command=command)


def first_project(app: App) -> int:
    """The number of the project that has a history."""
    from llm_monitoring.demo.sample import INVOICING

    return min(int(row["id"]) for row in projects.overview(app.db) if row["name"] == INVOICING.name)


def python() -> str:
    """Return how this interpreter is called from the present directory, with the way to the checkout before it."""
    program, here, checkout = Path(sys.executable), Path.cwd(), location.checkout()
    if checkout is not None and here != checkout:
        return f"cd {shlex.quote(str(checkout))} && {shlex.quote(str(program))}"
    inside = program.is_relative_to(here)
    return shlex.quote(os.path.relpath(program, here) if inside else str(program))
