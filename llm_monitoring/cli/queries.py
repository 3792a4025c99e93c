"""`queries`: the prompts that a project asks every day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Final

import click

from llm_monitoring import projects
from llm_monitoring.cli.command import PROJECT, Number, example, json_option
from llm_monitoring.cli.generate import generate
from llm_monitoring.cli.output import Columns, say, show_rows
from llm_monitoring.cli.session import Session, pass_session
from llm_monitoring.cli.sheets import Sheet, at, lines, read_sheet, records
from llm_monitoring.errors import BadInput

QUERY: Final = Number("prompt", "queries list PROJECT")
COLUMNS: Final = ("query", "language", "type")
LIKELY_TITLES: Final = frozenset({*COLUMNS, "queries", "prompt", "prompts", "text", "question", "category"})


@click.group(epilog=example('queries add 1 "What is the best CRM for a small team?"', "queries import 1 prompts.csv"))
def queries() -> None:
    """Add, pause and list a project's prompts. They go out as they are written: the brand is never added to them."""


queries.add_command(generate)


@queries.command(epilog=example('queries add 1 "What is the best CRM?" "Which CRMs are free?" --language en'))
@click.argument("project", type=PROJECT)
@click.argument("text", nargs=-1, required=True)
@click.option("--language", help="Language of the answers, such as es or en; the project's by default.")
@click.option("--type", "query_type", default="general", show_default=True, help="A label of your own.")
@pass_session
def add(session: Session, project: int, text: tuple[str, ...], language: str | None, query_type: str) -> None:
    """Add each TEXT as a prompt of PROJECT.

    A prompt that the project has already is left as it is. With any that cannot be stored, none is.
    """
    new = [projects.NewQuery(each, language, query_type) for each in text]
    with session.tools() as tools:
        added, known = projects.add_all_queries(tools.db, project, new)
    tell(project, added, known)


@queries.command("import", epilog=example("queries import 1 prompts.csv", "queries import 1 - < prompts.txt"))
@click.argument("project", type=PROJECT)
@click.argument("file", type=click.File("rb"))
@pass_session
def import_file(session: Session, project: int, file: IO[bytes]) -> None:
    """Add the prompts in FILE to PROJECT, all or none.

    FILE is CSV in UTF-8 whose first line is the header query, or query,language,type (commas, semicolons or tabs, as
    Excel's “CSV UTF-8”), or has no header and one prompt a line. “-” is standard input.
    """
    new = read_queries(read_sheet(file))
    with session.tools() as tools:
        added, known = projects.add_all_queries(tools.db, project, new)
    tell(project, added, known)


def read_queries(sheet: Sheet) -> list[projects.NewQuery]:
    """The prompts of a sheet, each checked; raises BadInput that names the line."""
    titles = set(sheet.header())
    if "query" not in titles and titles & LIKELY_TITLES and titles <= LIKELY_TITLES | {""}:
        raise BadInput(f"{sheet.where(1)}: this looks like a header without the column `query`: name it so")
    if "query" in titles:
        found = ((line, query(fields)) for line, fields in records(sheet, COLUMNS))
    else:
        found = ((line, projects.NewQuery(text)) for line, text in lines(sheet))
    checked = []
    for line, each in found:
        with at(sheet, line):
            projects.check_query(each)
        checked.append(each)
    if not checked:
        raise BadInput(f"{sheet.name} has no prompts")
    return checked


def query(fields: Mapping[str, str]) -> projects.NewQuery:
    """A prompt from the columns of its row; an empty one means the default."""
    return projects.NewQuery(fields["query"], fields.get("language") or None, fields.get("type") or "general")


def tell(project: int, added: int, known: int) -> None:
    say(f"Project {project}: new prompts: {added}, known already: {known}.")


@queries.command("list", epilog=example("queries list 1", "queries list 1 --json"))
@click.argument("project", type=PROJECT)
@json_option
@pass_session
def list_queries(session: Session, project: int, *, as_json: bool) -> None:
    """List the prompts of PROJECT."""
    with session.tools() as tools:
        rows = projects.queries(tools.db, project)
    columns: Columns = {
        "Query": "id", "Prompt": "query_text", "Language": "language", "Type": "query_type", "Active": "is_active",
    }  # fmt: skip
    empty = f"Project {project} has no prompts yet: `queries add {project} TEXT` or `queries import {project} FILE`."
    show_rows(rows, columns, as_json=as_json, empty=empty)


@queries.command(epilog=example("queries pause 1 7", "queries pause 1 7 8 9"))
@click.argument("project", type=PROJECT)
@click.argument("query", nargs=-1, required=True, type=QUERY)
@pass_session
def pause(session: Session, project: int, query: tuple[int, ...]) -> None:
    """Stop asking each QUERY of PROJECT; its answers stay."""
    switch(session, project, query, is_active=False)


@queries.command(epilog=example("queries resume 1 7"))
@click.argument("project", type=PROJECT)
@click.argument("query", nargs=-1, required=True, type=QUERY)
@pass_session
def resume(session: Session, project: int, query: tuple[int, ...]) -> None:
    """Ask each QUERY of PROJECT again from the next run on."""
    switch(session, project, query, is_active=True)


def switch(session: Session, project: int, query: tuple[int, ...], *, is_active: bool) -> None:
    with session.tools() as tools:
        projects.set_queries_active(tools.db, project, query, is_active)
    say(f"Project {project}: {len(set(query))} prompts {'active' if is_active else 'paused'}.")
