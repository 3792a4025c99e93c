"""The terminal and the signals of a job: a progress bar where somebody watches, and a clean stop."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from llm_monitoring import logs
from llm_monitoring.runner import Tally
from llm_monitoring.stopping import stoppable

__all__ = ["Bar", "progress", "stoppable"]


class Bar(Protocol):
    """What shows how far a run is."""

    def start(self, total: int) -> None: ...

    def advance(self, tally: Tally) -> None: ...


class Silent:
    """No bar: nobody watches."""

    def start(self, total: int) -> None: ...

    def advance(self, tally: Tally) -> None: ...


class TerminalBar:
    """A bar of the tasks that are done, below the log lines."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task: TaskID | None = None

    def start(self, total: int) -> None:
        if total:
            self.task = self.progress.add_task("Prompts", total=total)

    def advance(self, tally: Tally) -> None:
        if self.task is not None:
            self.progress.update(self.task, completed=tally.answered + tally.failed)


@contextmanager
def progress() -> Iterator[Bar]:
    """A progress bar on a terminal, nothing elsewhere."""
    if not sys.stdout.isatty():
        yield Silent()
        return
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ExitStack() as stack:
        shown = stack.enter_context(Progress(*columns, console=console, transient=True))
        stack.enter_context(logs.through(console))
        yield TerminalBar(shown)
