"""`export`: stored rows of projects as a file or a stream."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_monitoring.cli.base.command import PROJECT, PROVIDER, example, json_option
from llm_monitoring.cli.base.output import say, show_json
from llm_monitoring.cli.base.periods import DAY, check_order, chosen_project
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.errors import Invalid, NotReady
from llm_monitoring.process.progress import bar
from llm_monitoring.process.wording import PROGRAM, counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from llm_monitoring.db import Database
    from llm_monitoring.projects import Project
    from llm_monitoring.reporting.export_files import Form, Format
    from llm_monitoring.reporting.exports import Export


@click.command(
    epilog=example(
        "export results --project 1 --out answers.csv",
        "export results --user ana@agency.example --long --from 2026-11-01 --format xlsx --out names.xlsx",
        'export snapshots --project 1 --project 2 --delimiter ";" --bom --out days.csv',
        "export results --project 1 --provider google --not-mentioned",
    )
)
@click.argument("kind", type=click.Choice(["results", "snapshots", "citations"]))
@click.option("--project", "numbers", type=PROJECT, multiple=True, help="Which project; repeatable.")
@click.option("--user", "who", metavar="USER", help="All projects of a user.")
@click.option("--format", "chosen", type=click.Choice(["csv", "jsonl", "xlsx"]), show_default="csv; jsonl with --json")
@click.option("--from", "first", type=DAY, help="First day; the earliest by default.")
@click.option("--to", "last", type=DAY, help="Last day; the latest by default.")
@click.option(
    "--provider", "providers", multiple=True, type=PROVIDER, metavar="NAME", help="Only this one; repeatable."
)
@click.option("--mentioned/--not-mentioned", default=None, help="Only answers that name the brand, or that do not.")
@click.option("--long", "long", is_flag=True, help="A row for the brand and for each competitor, for pivot tables.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to; standard output by default.")
@click.option(
    "--delimiter",
    type=click.Choice([",", ";", "tab"]),
    help='What separates CSV fields; ";" also writes decimal commas.  [default: ,]',
)
@click.option("--bom", is_flag=True, help="Begin CSV with a byte order mark, so that Excel reads it as UTF-8.")
@json_option
@pass_session
def export(session: Session, /, *, as_json: bool, **options: Any) -> None:
    """Write answers (results), daily figures (snapshots) or cited pages (citations), a row at a time, day by day.

    Every row names its project and brand, so that the rows of many projects go into one sheet.

    Text never becomes a formula: in CSV what a spreadsheet would run gets an apostrophe before it, also in the middle
    of a text, as a spreadsheet may expect another separator. In a spreadsheet it is stored as text. In JSON lines
    amounts are exact text.

    With --json what is printed is JSON: the rows, one a line, or with --out what was written where.
    """
    check_order(options["first"], options["last"])
    form = form_of(options, as_json=as_json)
    out: Path | None = options["out"]
    with session.app() as app:
        from llm_monitoring.reporting import exports
        from llm_monitoring.reporting.export_files import write_export

        projects = chosen_projects(app.db, options["numbers"], options["who"])
        chosen = {name: options[name] for name in ("first", "last", "providers", "mentioned", "long")}
        wanted = exports.Export(projects, options["kind"], **chosen)
        exports.check(wanted)
        with bar("Exporting", exports.size(app.db, wanted)) as on_row:
            if out is None:
                count = to_stream(app.db, wanted, form, on_row)
            else:
                count = write_export(app.db, wanted, form, out, on_row)
    if out and as_json:
        show_json({"path": str(out), "format": form.format, "rows": count})
    elif out:
        say(f"{out}: {counted(count, 'row')}.")


def chosen_projects(db: Database, numbers: Sequence[int], who: str | None) -> tuple[Project, ...]:
    """The projects of the options, with all of a user; raises Invalid or NotReady if there are none."""
    from llm_monitoring import projects

    chosen = list(numbers)
    if who is not None:
        owner = projects.find_user(db, who)
        chosen += [row["id"] for row in projects.overview(db) if row["user_id"] == owner["id"]]
        if not chosen:
            raise NotReady(
                "user",
                owner["id"],
                f"user {owner['id']} ({owner['email']}) has no projects: see `{PROGRAM} projects list`",
            )
    if not chosen:
        chosen = [chosen_project(db, None, None)]  # raises Invalid, which lists the projects
    return tuple(projects.find(db, number) for number in dict.fromkeys(chosen))


def form_of(options: Mapping[str, Any], *, as_json: bool) -> Form:
    """The form from its options; raises Invalid for options that contradict each other."""
    from llm_monitoring.reporting.export_files import Form

    kind: Format = options["chosen"] or ("jsonl" if as_json else "csv")
    out, bom, delimiter = options["out"], options["bom"], options["delimiter"]
    if kind == "xlsx" and out is None:
        raise Invalid("out", "a spreadsheet is no stream: say where to write it with --out FILE.xlsx")
    if as_json and kind == "csv" and out is None:
        raise Invalid(
            "format", "--json prints JSON lines: leave out --format csv, or say where to write the CSV with --out"
        )
    if bom and kind != "csv":
        raise Invalid("bom", "--bom is for --format csv")
    if delimiter and kind != "csv":
        raise Invalid("delimiter", "--delimiter is for --format csv")
    return Form(kind, bom, "\t" if delimiter == "tab" else delimiter or ",")


def to_stream(db: Database, wanted: Export, form: Form, on_row: Callable[[int], None]) -> int:
    """Write to standard output; a terminal gets control characters spelled out."""
    from llm_monitoring.logs import visible
    from llm_monitoring.reporting.export_files import stream_export
    from llm_monitoring.reporting.sheets import unchanged

    show = visible if sys.stdout.isatty() else unchanged
    return stream_export(db, wanted, form, sys.stdout.buffer, on_row, show)
