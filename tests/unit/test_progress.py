"""The progress bar of jobs and commands."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from llm_monitoring.process.progress import ProgressBar, bar, progress_bar


def test_a_terminal_shows_how_many_are_done() -> None:
    """The bar has its title and counts what is done of all."""
    stream = io.StringIO()
    with progress_bar(Console(file=stream, force_terminal=True, width=80)) as shown:
        shown.start("Prompts", 4)
        shown.advance()
        shown.update(3)
    assert "Prompts" in stream.getvalue()
    assert "3/4" in stream.getvalue()


def test_without_a_terminal_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that writes to a pipe shows no bar."""
    with bar("Prompts", 4) as advance:
        advance(2)
    assert ("", "") == capsys.readouterr()


def test_a_bar_without_a_console_takes_every_call() -> None:
    """A job without a terminal reports its progress to a bar that shows nothing."""
    shown = ProgressBar()
    shown.start("Prompts", 4)
    shown.advance()
    shown.update(3, 5)
    assert shown.task is None
