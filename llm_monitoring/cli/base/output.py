"""Prints all output: tables for people, JSON for programs, neither with control characters."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from llm_monitoring import logs
from llm_monitoring.db.decoding import Undecodable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

Fields = Mapping[str, Any]
Columns = Mapping[str, str | Callable[[Any], object]]

GAP: Final = 2
LONGEST_WORD: Final = 40
UNLIMITED_WIDTH: Final = 100_000  # a file or a pipe has lines of any length


def say(text: str) -> None:
    """Print one sentence, without secrets."""
    click.echo(wrapped(shown(text)))


def wrapped(text: str) -> str:
    """`text` wrapped between words on a terminal; a pipe gets one line."""
    if not sys.stdout.isatty():
        return text
    width = max(20, shutil.get_terminal_size().columns)
    return textwrap.fill(
        text, width, break_long_words=False, break_on_hyphens=False, drop_whitespace=True, replace_whitespace=False
    )


def shown(text: str) -> str:
    """`text` without secrets, control characters spelled out."""
    return logs.visible(logs.redact(text))


def show_rows(rows: Iterable[Fields], columns: Columns, *, as_json: bool, empty: str) -> None:
    """Print rows as a JSON array with all their fields, or as a table; `empty` is printed instead of an empty table.

    `columns` maps a title to the field that it shows, or to a function of the row.
    """
    found = list(rows)
    if as_json:
        show_json(found)
    elif not found:
        say(empty)
    else:
        print_table(found, columns)


def show_fields(fields: Fields, titles: Columns) -> None:
    """Print one row as lines of title and value."""
    print_pairs((title, cell(value_of(fields, source))) for title, source in titles.items())


def show_json(value: Any) -> None:
    """Print `value` as JSON: amounts exact as text, times in ISO 8601, control characters escaped."""
    ascii_only = (sys.stdout.encoding or "").lower() not in ("utf-8", "utf8")
    document = json.dumps(redacted(value), indent=2, ensure_ascii=ascii_only, default=json_value)
    click.echo("\n".join(logs.UNSAFE.sub(json_escape, line) for line in document.split("\n")))


def redacted(value: Any) -> Any:
    """`value` with the secrets in all its texts masked."""
    if isinstance(value, str):
        return logs.redact(value)
    if isinstance(value, Mapping):
        return {name: redacted(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted(item) for item in value]
    return value


def json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def json_value(value: Any) -> Any:
    """The JSON form of a value; raises TypeError for other types, such as secrets."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Undecodable):
        return logs.redact(value.text)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def print_table(rows: Sequence[Fields], columns: Columns) -> None:
    """Print a table if its numbers, days and identifiers fit whole into the terminal; else each row as lines."""
    values = [[value_of(row, source) for source in columns.values()] for row in rows]
    shown = [[logs.visible(cell(value)) for value in line] for line in values]
    titles = [logs.visible(title) for title in columns]
    widths = [least_width(title, [line[place] for line in values]) for place, title in enumerate(titles)]
    room = terminal().width - GAP * (len(widths) - 1)
    if sum(widths) <= room:
        numeric = [is_numeric([line[place] for line in values]) for place in range(len(titles))]
        print_lines(grid(titles, shown, column_widths(widths, whole_widths(titles, shown), room), numeric))
    else:
        print_stacked(titles, shown)


def least_width(title: str, values: Iterable[object]) -> int:
    """The width that a column needs to break no number, time or word, except very long words."""
    from rich.cells import cell_len

    words = title.split()
    for value in values:
        shown = logs.visible(cell(value))
        words += shown.split() if isinstance(value, (str, list, tuple)) else [shown]
    return min(LONGEST_WORD, max(map(cell_len, words), default=1))


def whole_widths(titles: Sequence[str], shown: Sequence[Sequence[str]]) -> list[int]:
    """The width that each column needs to break no cell."""
    from rich.cells import cell_len

    return [max(map(cell_len, column)) for column in zip(titles, *shown, strict=True)]


def column_widths(least: Sequence[int], whole: Sequence[int], room: int) -> list[int]:
    """Share `room` between columns: each has its least width, and no more than its whole one.

    The library would make columns narrower than their least width, and crop what it shows.
    """
    widths = list(least)
    spare = room - sum(least)
    waiting = sorted(range(len(least)), key=lambda place: whole[place] - least[place])
    for number, place in enumerate(waiting):
        more = min(max(0, whole[place] - least[place]), spare // (len(waiting) - number))
        widths[place] += more
        spare -= more
    return widths


def grid(
    titles: Sequence[str], shown: Sequence[Sequence[str]], widths: Sequence[int], numeric: Sequence[bool]
) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for title, width, number in zip(titles, widths, numeric, strict=True):
        table.add_column(text(title), justify="right" if number else "left", overflow="fold", width=width)
    for line in shown:
        table.add_row(*map(text, line))
    return table


def print_stacked(titles: Sequence[str], shown: Sequence[Sequence[str]]) -> None:
    """Print each row as lines of title and value, empty ones left out."""
    for number, line in enumerate(shown):
        if number:
            say("")
        print_pairs((title, value) for title, value in zip(titles, line, strict=True) if value)


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for title, value in pairs:
        table.add_row(text(title, "bold"), text(value))
    print_lines(table)


def print_line(parts: Iterable[tuple[str, str]]) -> None:
    """Print one line of parts, each with its style."""
    from rich.text import Text

    line = Text.assemble(*((logs.visible(part), style) for part, style in parts))
    console = terminal()
    with console.capture() as captured:
        console.print(line)
    click.echo(captured.get().rstrip("\n"))


def print_lines(table: Table) -> None:
    console = terminal()
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def value_of(row: Fields, source: str | Callable[[Any], object]) -> object:
    """A value of a row; a computed one of a row that Python cannot hold whole is what it cannot hold."""
    if isinstance(source, str):
        return row[source]
    try:
        return source(row)
    except (TypeError, AttributeError):
        unreadable = next((value for value in row.values() if isinstance(value, Undecodable)), None)
        if unreadable is None:
            raise
        return unreadable


def is_numeric(column: Iterable[object]) -> bool:
    given = [value for value in column if value is not None]
    return bool(given) and all(isinstance(value, (int, Decimal)) and not isinstance(value, bool) for value in given)


def cell(value: object) -> str:
    """A value as people read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, (list, tuple)):
        return ", ".join(map(cell, value))
    return str(value)


def usd(amount: Decimal) -> Decimal:
    """An amount for a table: four decimals, as the job's log lines have it."""
    return amount.quantize(Decimal("0.0001"))


def text(value: str, style: str = "") -> Text:
    """`value` without markup, emoji codes and secrets, control characters spelled out."""
    from rich.text import Text

    return Text(shown(value), style)


def terminal(*, stderr: bool = False) -> Console:
    """A console for a stream; only a terminal wraps lines, and one with NO_COLOR gets no escape at all."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else UNLIMITED_WIDTH
    console = Console(file=stream, highlight=False, width=width)
    return Console(file=stream, highlight=False, width=width, color_system=None) if console.no_color else console
