"""`export`: a project's stored rows as a file or a stream."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llm_monitoring.cli.command import PROJECT, example, json_option
from llm_monitoring.cli.output import say, show_json
from llm_monitoring.cli.periods import DAY, check_order
from llm_monitoring.cli.progress import bar
from llm_monitoring.cli.session import Session, pass_session
from llm_monitoring.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llm_monitoring.reporting.exports import Export, Record


@click.command(
    epilog=example(
        "export results --project 1 --out answers.csv",
        "export citations --project 1 --format xlsx --from 2026-11-01 --out cited.xlsx",
        "export snapshots --project 1 --format jsonl",
    )
)
@click.argument("kind", type=click.Choice(["results", "snapshots", "citations"]))
@click.option("--project", "project", type=PROJECT, required=True, help="Which project.")
@click.option("--format", "chosen", type=click.Choice(["csv", "jsonl", "xlsx"]), show_default="csv; jsonl with --json")
@click.option("--from", "first", type=DAY, help="First day; the earliest by default.")
@click.option("--to", "last", type=DAY, help="Last day; the latest by default.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to; standard output by default.")
@click.option("--bom", is_flag=True, help="Begin CSV with a byte order mark, so that Excel reads it as UTF-8.")
@json_option
@pass_session
def export(
    session: Session, /, kind: str, project: int, chosen: str | None, first: date | None, last: date | None,
    out: Path | None, *, bom: bool, as_json: bool,
) -> None:  # fmt: skip
    """Write a project's answers (results), daily figures (snapshots) or cited pages (citations), a row at a time.

    Text never becomes a formula: in CSV one that a spreadsheet would run gets an apostrophe before it, in a
    spreadsheet it is stored as text. In JSON lines amounts are exact text.

    With --json what is printed is JSON: the rows, one a line, or with --out what was written where.
    """
    check_order(first, last)
    form = chosen or ("jsonl" if as_json else "csv")
    check_form(form, out, bom=bom, as_json=as_json)
    with session.tools() as tools:
        from llm_monitoring.reporting import exports

        order = exports.plan(tools.db, project, kind, first, last)  # type: ignore[arg-type]
        with bar("Exporting", exports.size(tools.db, order)) as advance:
            found = exports.records(tools.db, order, advance)
            count = to_file(order, found, form, out, bom=bom) if out else to_stream(order, found, form, bom=bom)
    if out and as_json:
        show_json({"path": str(out), "format": form, "rows": count})
    elif out:
        say(f"{out}: {count} rows.")


def check_form(form: str, out: Path | None, *, bom: bool, as_json: bool) -> None:
    """Raise BadInput for what does not go together."""
    if form == "xlsx" and out is None:
        raise BadInput("a spreadsheet is no stream: say where to write it with --out FILE.xlsx")
    if as_json and form == "csv" and out is None:
        raise BadInput("--json prints JSON lines: leave out --format csv, or say where to write the CSV with --out")
    if bom and form != "csv":
        raise BadInput("--bom is for --format csv")


def to_stream(order: Export, records: Iterable[Record], form: str, *, bom: bool) -> int:
    """Write to standard output; a terminal gets control characters spelled out."""
    from llm_monitoring.logs import visible
    from llm_monitoring.reporting import sheets

    stream = sys.stdout.buffer
    show = visible if sys.stdout.isatty() else sheets.unchanged
    if form == "jsonl":
        return sheets.write_jsonl(stream, order.fields, records)
    return sheets.write_csv(stream, order.fields, records, bom=bom, show=show)


def to_file(order: Export, records: Iterable[Record], form: str, path: Path, *, bom: bool) -> int:
    from llm_monitoring.reporting import sheets

    with replaced(path) as draft:
        if form == "xlsx":
            return sheets.write_xlsx(draft, order.fields, records, order.kind)
        with draft.open("wb") as file:
            if form == "jsonl":
                return sheets.write_jsonl(file, order.fields, records)
            return sheets.write_csv(file, order.fields, records, bom=bom)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A draft beside `path` that takes its place when it is whole, and is gone when it is not."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(path)
    except OSError as exc:
        raise BadInput(f"{path} cannot be written: {exc.strerror or exc}") from exc
    finally:
        with suppress(OSError):
            draft.unlink()
