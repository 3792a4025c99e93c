"""`doctor`: whether this installation can run, and how to fix what keeps it from running."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final

import click

from llm_monitoring.cli.base.command import example, json_option
from llm_monitoring.cli.base.output import print_lines, say, show_json, text
from llm_monitoring.cli.base.session import Session
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.health.check_result import CheckResult
from llm_monitoring.health.examination import examine, examine_without_settings

MARKS: Final = {"green": "✔", "yellow": "!", "red": "✘"}


@click.command(epilog=example("doctor", "doctor --offline", "doctor --json"))
@click.option("--offline", is_flag=True, help="Ask no provider whether the keys work.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, offline: bool, as_json: bool) -> None:
    """Check this installation and show how to fix what is wrong.

    Database, migrations, clock, master key, API keys (by listing models, which is free), models, prices, budgets,
    runs, the web service's access, notifications, time zone, disk, the folder of reports and Railway's settings.
    Changes nothing. Exits with 1 if something is red.
    """
    session = ctx.ensure_object(Session)
    with ExitStack() as stack:
        try:
            settings = stack.enter_context(session.settings())
        except ConfigurationError as exc:
            results = examine_without_settings(exc)
        else:
            results = examine(settings, offline=offline, demo=session.demo)
    if as_json:
        show_json([result_fields(each) for each in results])
    else:
        print_results(results)
    ctx.exit(1 if any(each.colour == "red" for each in results) else 0)


def result_fields(result: CheckResult) -> dict[str, Any]:
    """A result for programs; `mend` is the older name of `fix`, which scripts read."""
    return {"subject": result.subject, "colour": result.colour, "message": result.message, "mend": result.fix}


def print_results(results: Sequence[CheckResult]) -> None:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in results:
        table.add_row(text(MARKS[each.colour], each.colour), text(each.subject, "bold"), text(each.message))
        if each.fix:
            table.add_row("", "", text(f"→ {each.fix}"))
    print_lines(table)
    count = {colour: sum(each.colour == colour for each in results) for colour in MARKS}
    say(f"{count['green']} green, {count['yellow']} yellow, {count['red']} red.")
