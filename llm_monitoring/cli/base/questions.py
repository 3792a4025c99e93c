"""Questions in a terminal, repeated until the answer can be used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from llm_monitoring import logs
from llm_monitoring.cli.base.output import say
from llm_monitoring.errors import BadInput

T = TypeVar("T")


def heading(title: str, explanation: str) -> None:
    say("")
    click.secho(f"── {title}", bold=True)
    say(explanation)


def ask(question: str, default: str | None = None) -> str:
    """An answer without surrounding space; an empty one only if the default is empty."""
    shown = None if default is None else logs.visible(default)
    answer: str = click.prompt(question, default=shown, show_default=bool(shown))
    return answer.strip()


def ask_list(question: str) -> tuple[str, ...]:
    """Entries separated by commas, or by semicolons; none for an empty answer."""
    given = ask(f"{question}, separated by commas", "").replace(";", ",")
    return tuple(entry.strip() for entry in given.split(",") if entry.strip())


def choose(question: str, options: Sequence[str], default: int = 0) -> int:
    """The position of one of the options."""
    for number, option in enumerate(options, start=1):
        say(f"  {number}. {option}")
    numbers = click.IntRange(1, len(options))
    numbers.name = "number"  # as an error calls it
    chosen: int = click.prompt(question, type=numbers, default=default + 1)
    return chosen - 1


def retried(step: Callable[[], T]) -> T:
    """The result of `step`, repeated until it accepts the answers."""
    while True:
        try:
            return step()
        except BadInput as exc:
            say(f"That cannot be used: {exc}")
