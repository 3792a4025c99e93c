"""`report`: write the report of a project as one HTML or Markdown file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from llm_monitoring import projects
from llm_monitoring.cli.base.command import example, json_option
from llm_monitoring.cli.base.output import say, show_json
from llm_monitoring.cli.base.periods import Asked, chosen_project, period_options, periods_of, project_options
from llm_monitoring.cli.base.session import Session, pass_session


@click.command(
    epilog=example(
        "report 1",
        "report 1 --days 90 --out quipu.html",
        "report 1 --format md",
        "report 1 --from 2026-11-01 --to 2026-11-30 --previous",
        "report 1 --from 2026-11-01 --to 2026-11-30 --compare-from 2026-09-01 --compare-to 2026-09-30",
    )
)
@project_options
@period_options
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it; PROJECT-DAY.html or .md in this directory by default.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "md"]),
    default="html",
    show_default=True,
    help="A page, or Markdown.",
)
@json_option
@pass_session
def report(
    session: Session,
    /,
    number: int | None,
    project: int | None,
    out: Path | None,
    form: Literal["html", "md"],
    *,
    as_json: bool,
    **asked: Any,
) -> None:
    """Write the report of PROJECT: one HTML file that loads nothing, in the project's language, to open, send or print.

    With --format md it has the same figures as Markdown, for a document or for another model, without the charts.

    Every figure comes with its interval and the number of answers that it rests on; what was not measured is said.
    Changes compare the halves of the period unless another one is given to compare with.
    """
    from llm_monitoring.app import schedule_day
    from llm_monitoring.reporting import files, report_data, words

    with session.app() as app:
        chosen, today = chosen_project(app.db, number, project), schedule_day(app.settings)
        language = projects.find(app.db, chosen).language
        typed = Asked(**asked)
        period, compared = periods_of(typed, report_data.last_days(app.db, chosen, 1, today).last)
        wanted = report_data.ReportRequest(chosen, period, compared, chosen=bool(typed.first or typed.last))
        written = files.ReportWriter(app.db, app.keys, app.budget, today).write(wanted, out, form)
    spoken = words.load_words(language).language
    if as_json:
        show_json(
            {
                "path": str(written.path),
                "bytes": written.size_bytes,
                "answers": written.answers,
                "language": spoken,
                "from": written.period.first,
                "to": written.period.last,
            }
        )
        return
    say(f"{written.path} ({written.size_bytes / 1000:.0f} kB): {written.period}, answers: {written.answers}.")
    if spoken != words.code_of(language):
        say(
            f"The project's language is {language}, for which there are no texts yet: the report is in English. "
            f"Known: {', '.join(words.LANGUAGES)}."
        )
