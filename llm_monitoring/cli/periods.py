"""Days and periods as they are typed."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import click

from llm_monitoring.errors import BadInput


class Day(click.ParamType[date, Any]):
    """A day, as YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError as exc:
            raise BadInput(f"{value!r} is no day: write YYYY-MM-DD") from exc


DAY: Final = Day()


def check_order(first: date | None, last: date | None, options: str = "--from and --to") -> None:
    """Raise BadInput where a period ends before it starts."""
    if first is not None and last is not None and last < first:
        raise BadInput(f"{options}: {last} is before {first}")
