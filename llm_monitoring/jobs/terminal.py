"""The terminal and the signals of a job: a progress bar on a terminal, a clean stop, and an abrupt one."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from types import FrameType
from typing import Final, NoReturn

from llm_monitoring import logs
from llm_monitoring.jobs.event_log import EventLog
from llm_monitoring.process import signals
from llm_monitoring.process.progress import ProgressBar, progress_bar
from llm_monitoring.runs.stats import RunStats

__all__ = ["RunBar", "progress", "stoppable"]

EVENTS: Final = EventLog("llm_monitoring.jobs")

SAME_WISH_SECONDS: Final = 1.0
"""One Ctrl-C may come twice: from the terminal, and from the program that started us and passes it on."""

TITLE: Final = "Prompts"
SHOW_CURSOR: Final = b"\x1b[?25h\r\n"


class RunBar:
    """The progress bar of a run: the prompts that are answered or failed."""

    def __init__(self, shown: ProgressBar) -> None:
        self.shown = shown

    def start(self, total: int, title: str = TITLE) -> None:
        if total:
            self.shown.start(title, total)

    def advance(self, stats: RunStats) -> None:
        self.shown.update(stats.answered + stats.failed)


@contextmanager
def progress() -> Iterator[RunBar]:
    """A progress bar below the log lines on a terminal, nothing elsewhere."""
    if not sys.stdout.isatty():
        yield RunBar(ProgressBar())
        return
    from rich.console import Console

    console = Console()
    with progress_bar(console) as shown, logs.log_through(console):
        yield RunBar(shown)


@contextmanager
def stoppable(grace_seconds: float) -> Iterator[Event]:
    """An event that the first SIGTERM or Ctrl-C sets, for a clean stop; a second one ends the process at once."""
    with signals.stoppable(grace_seconds) as stop:
        asked: list[float] = []

        def on_signal(number: int, frame: FrameType | None) -> None:
            asked.append(time.monotonic())
            if asked[-1] - asked[0] > SAME_WISH_SECONDS:
                end_at_once(number)
            if len(asked) == 1:
                stop.set()
                stop_asked()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        yield stop


def stop_asked() -> None:
    line = (
        "⏹️ Parada pedida: se espera a las llamadas en curso y se guardan. Una segunda señal (otro Ctrl-C) termina al "
        "instante: las respuestas en camino se pierden, el dinero queda a salvo y el próximo inicio cuadra el gasto"
    )
    EVENTS.warn("run.stop_asked", line)


def end_at_once(number: int) -> NoReturn:
    """Leave as a shell reports a death by the signal; says nothing, as a blocked output may be why one is in a hurry.

    Only the cursor, which the progress bar hides, is given back, where the terminal takes it without waiting.
    """
    with suppress(OSError):
        terminal = os.open(os.ttyname(sys.stdout.fileno()), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        os.write(terminal, SHOW_CURSOR)
    os._exit(128 + number)
