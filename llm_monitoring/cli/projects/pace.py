"""The option for the pace of a project."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from llm_monitoring.domain import PACES, Pace

F = TypeVar("F", bound=Callable[..., Any])

HELP = (
    "prompt: every call at once. punctual: cheaper where LLM_ECONOMY allows it, what is late at the full price. "
    "patient: cheaper, what is late comes with a later start."
)


def pace_option(default: Pace | None) -> Callable[[F], F]:
    """`--pace`; without a default it leaves a project's pace as it is."""
    shown = default is not None
    return click.option("--pace", type=click.Choice(PACES), default=default, show_default=shown, help=HELP)
