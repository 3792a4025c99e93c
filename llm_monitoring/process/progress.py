"""The progress bar of jobs and commands: shown on a terminal, silent elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


class ProgressBar:
    """A progress bar. Without `progress` it shows nothing."""

    def __init__(self, progress: Progress | None = None) -> None:
        self.progress = progress
        self.task: TaskID | None = None

    def start(self, title: str, total: int | None) -> None:
        """Show the bar; without a total it only shows activity."""
        if self.progress is not None:
            self.task = self.progress.add_task(title, total=total)

    def update(self, completed: int, total: int | None = None) -> None:
        """Set the number of things done and, if given, the total."""
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, completed=completed, total=total)

    def advance(self, done: int = 1) -> None:
        """Add to the number of things done."""
        if self.progress is not None and self.task is not None:
            self.progress.advance(self.task, done)


@contextmanager
def progress_bar(console: Console) -> Iterator[ProgressBar]:
    """Yield a bar on the console, which shows it if it is a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield ProgressBar(progress)


@contextmanager
def command_bar(title: str, total: int | None) -> Iterator[ProgressBar]:
    """Yield the bar of a command, on standard error."""
    if not sys.stderr.isatty():
        yield ProgressBar()
        return
    from rich.console import Console

    with progress_bar(Console(file=sys.stderr, highlight=False)) as shown:
        shown.start(title, total)
        yield shown


@contextmanager
def bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield the bar of a command as a function that takes the number of things done since its last call."""
    with command_bar(title, total) as shown:
        yield shown.advance
