"""`report`: a project's period as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from llm_monitoring.cli.command import PROJECT, example, json_option
from llm_monitoring.cli.output import say, show_json
from llm_monitoring.cli.session import Session, pass_session


@click.command(epilog=example("report --project 1", "report --project 1 --days 90 --out quipu.html"))
@click.option("--project", "project", type=PROJECT, required=True, help="Which project.")
@click.option(
    "--days", type=click.IntRange(1, 400), default=30, show_default=True, help="How many, up to the last measured one."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it; PROJECT-DAY.html in this directory by default.",
)
@json_option
@pass_session
def report(session: Session, /, project: int, days: int, out: Path | None, *, as_json: bool) -> None:
    """Write a project's report: one HTML file that loads nothing, in the project's language, to open, send or print.

    Every figure comes with its interval and the number of answers that it rests on; what was not measured is said.
    """
    from llm_monitoring.app import schedule_day
    from llm_monitoring.reporting import files

    with session.tools() as tools:
        shelf = files.Shelf(tools.db, tools.keys, tools.budget, schedule_day(tools.settings))
        written = shelf.write(project, days, out)
    if as_json:
        show_json({"path": str(written.path), "bytes": written.size_bytes, "answers": written.answers})
    else:
        say(f"{written.path} ({written.size_bytes / 1000:.0f} kB): {written.answers} answers of {days} days.")
