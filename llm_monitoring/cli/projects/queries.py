"""`queries`: add, import, list, pause, edit and remove the prompts of a project."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Any, Final

import click

from llm_monitoring import edits, projects
from llm_monitoring.cli.base.command import PROJECT, LateGroup, Number, example, json_option
from llm_monitoring.cli.base.output import Columns, say, show_rows
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.cli.projects.prompt_preview import show_preview
from llm_monitoring.db import Database
from llm_monitoring.errors import Invalid
from llm_monitoring.process.progress import bar
from llm_monitoring.projects.files.csv_files import read_sheet
from llm_monitoring.projects.files.prompt_files import PromptFile, read_prompts

if TYPE_CHECKING:
    from llm_monitoring.app import App

QUERY: Final = Number("prompt", "queries list PROJECT")


LATE: Final = {"generate": ("projects.generate", "Propose prompts for PROJECT, and store them after you agree.")}


@click.group(
    cls=LateGroup,
    late=LATE,
    epilog=example('queries add 1 "What is the best CRM for a small team?"', "queries import 1 prompts.csv"),
)
def queries() -> None:
    """Manage the prompts of a project.

    They are sent as they are written: the brand is never added to them.
    """


@queries.command(epilog=example('queries add 1 "What is the best CRM?" "Which CRMs are free?" --language en'))
@click.argument("project", type=PROJECT)
@click.argument("text", nargs=-1, required=True)
@click.option("--language", help="Language of the answers, such as es or en; the project's by default.")
@click.option("--type", "query_type", default="general", show_default=True, help="Your own label.")
@pass_session
def add(session: Session, project: int, text: tuple[str, ...], language: str | None, query_type: str) -> None:
    """Add each TEXT as a prompt of PROJECT.

    A prompt that the project has already is left as it is. With any that cannot be stored, none is.
    """
    new = [projects.NewPrompt(each, language, query_type) for each in text]
    with session.app() as app:
        added, known = edits.add_prompts(app.db, edits.COMMAND, project, new)
    tell(project, added, known)


@queries.command(
    "import",
    epilog=example(
        "queries import 1 prompts.csv --dry-run",
        "queries import 1 kw.csv --column 2",
        "queries import 1 - < prompts.txt",
    ),
)
@click.argument("project", type=PROJECT)
@click.argument("file", type=click.File("rb"))
@click.option("--column", "choice", metavar="NAME|NUMBER", help="Which column holds the prompts.")
@click.option("--lines", "one_a_line", is_flag=True, help="Each line is a prompt as it is, commas included.")
@click.option("--dry-run", is_flag=True, help="Show what would be stored, and store nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_session
def import_file(session: Session, /, project: int, file: IO[bytes], **options: Any) -> None:
    """Add the prompts in FILE to PROJECT, all or none, after a preview.

    FILE has one prompt a line, or is CSV (commas, semicolons or tabs) with a header: a column of prompts (query,
    prompt, keyword, pregunta, frage, question, domanda, pergunta …) and perhaps language, type, tags (several are
    divided by |) and active (false: stored and paused); others are left out. UTF-8, UTF-16 and Windows-1252 are read.
    “-” is standard input. A prompt that the project has, in any case of letters and with any mark at its end, is
    skipped.
    """
    read = read_prompts(read_sheet(file), options["choice"], one_a_line=options["one_a_line"])
    new = [each for _, each in read.prompts]
    with session.app() as app:
        known = projects.match_known(app.db, project, new)
        show_preview(read, known)
        if options["dry_run"]:
            say("Nothing was stored.")
            return
        if not options["yes"] and not agreed(read):
            say("Nothing was stored.")
            return
        with bar("Prompts", sum(same is None for _, same in known)) as on_added:
            added, skipped = edits.add_prompts(app.db, edits.COMMAND, project, new, on_added)
    tell(project, added, skipped)


def agreed(read: PromptFile) -> bool:
    """Whether to store the prompts: the answer of a person or, without a terminal, whether nothing was guessed."""
    if sys.stdin.isatty():
        return click.confirm("Store the new ones? Each is asked and paid every day.", default=True)
    if read.doubtful:
        raise Invalid("file", "the encoding was guessed: look at the prompts above, then add --yes")
    return True


def tell(project: int, added: int, known: int) -> None:
    say(f"Project {project}: new prompts: {added}, known already: {known}.")


@queries.command("list", epilog=example("queries list 1", "queries list 1 --tag precios --json"))
@click.argument("project", type=PROJECT)
@click.option("--tag", help="Only prompts with this tag.")
@json_option
@pass_session
def list_queries(session: Session, project: int, tag: str | None, *, as_json: bool) -> None:
    """List the prompts of PROJECT."""
    wanted = None if tag is None else projects.clean_tag(tag)
    with session.app() as app:
        rows = [row for row in projects.list_prompts(app.db, project) if wanted is None or wanted in row["tags"]]
    columns: Columns = {
        "Query": "id",
        "Prompt": "query_text",
        "Language": "language",
        "Type": "query_type",
        "Tags": "tags",
        "Active": "is_active",
    }
    empty = f"Project {project} has no prompts yet: `queries add {project} TEXT` or `queries import {project} FILE`."
    if wanted is not None:
        empty = f"Project {project} has no prompt with the tag {wanted!r}: `queries tag {project} QUERY --add TAG`."
    show_rows(rows, columns, as_json=as_json, empty=empty)


@queries.command(epilog=example("queries export 1 > prompts.csv"))
@click.argument("project", type=PROJECT)
@pass_session
def export(session: Session, project: int) -> None:
    """Print the prompts of PROJECT as CSV with language, type, tags and active, as `queries import` reads it."""
    from llm_monitoring.reporting.prompt_sheet import prompt_sheet

    with session.app() as app:
        sheet = prompt_sheet(projects.list_prompts(app.db, project))
    click.echo(sheet.decode(), nl=False)


@queries.command(
    epilog=example("queries tag 1 7 8 --add precios", "queries tag 1 7 --add pymes --remove precios", "queries tag 1")
)
@click.argument("project", type=PROJECT)
@click.argument("query", nargs=-1, type=QUERY)
@click.option("--add", "added", multiple=True, metavar="TAG", help="A tag to give them; repeatable.")
@click.option("--remove", "removed", multiple=True, metavar="TAG", help="A tag to take away; repeatable.")
@pass_session
def tag(
    session: Session, project: int, query: tuple[int, ...], added: tuple[str, ...], removed: tuple[str, ...]
) -> None:
    """Add tags to each QUERY of PROJECT, or take them away; without a QUERY, list the tags.

    Tags are your own groups of prompts, by which `metrics`, `answers list` and the API filter. Letters of any case are
    the same tag. With any prompt that cannot be tagged, none is.
    """
    if bool(query) != bool(added or removed):
        raise Invalid("options", "say which prompts and which tags: QUERY with --add or --remove")
    with session.app() as app:
        if query:
            change(app, project, query, lambda db: projects.tag_prompts(db, project, query, added, removed))
        rows = projects.tags_of(app.db, project)
    show_rows(rows, {"Tag": "tag", "Prompts": "prompts"}, as_json=False, empty=f"Project {project} has no tags.")


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
    with session.app() as app:
        change(app, project, query, lambda db: projects.set_prompts_active(db, project, query, is_active))
    say(f"Project {project}: {counted(len(set(query)))} {'active' if is_active else 'paused'}.")


@queries.command(epilog=example("queries remove 1 7", "queries remove 1 7 8 9 --yes"))
@click.argument("project", type=PROJECT)
@click.argument("query", nargs=-1, required=True, type=QUERY)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_session
def remove(session: Session, project: int, query: tuple[int, ...], *, yes: bool) -> None:
    """Delete each QUERY of PROJECT that was never asked.

    One that was asked has answers and figures: pause it instead. With any that cannot be deleted, none is.
    """
    with session.app() as app:
        chosen = projects.removable_prompts(app.db, project, query)
        for row in chosen:
            say(f"Prompt {row['id']}: {row['query_text']}")
        if not yes and not click.confirm(f"Delete {counted(len(chosen))} for good?"):
            say("Nothing was deleted.")
            return
        edits.remove_prompts(app.db, edits.COMMAND, project, query)
    say(f"Project {project}: {counted(len(chosen))} deleted.")


@queries.command(epilog=example('queries edit 1 7 --text "What is the best CRM?"', "queries edit 1 7 --language en"))
@click.argument("project", type=PROJECT)
@click.argument("query", type=QUERY)
@click.option("--text", help="Other words; only for a prompt that was never asked.")
@click.option("--language", help="Language of the answers, such as es or en.")
@click.option("--type", "query_type", help="Your own label.")
@pass_session
def edit(
    session: Session, project: int, query: int, text: str | None, language: str | None, query_type: str | None
) -> None:
    """Change QUERY of PROJECT.

    The words of a prompt that was asked do not change, or its figures would mix two prompts: pause it and add another.
    """
    if text is None and language is None and query_type is None:
        raise Invalid("options", "say what to change: --text, --language or --type")
    with session.app() as app:
        change(app, project, [query], lambda db: projects.edit_prompt(db, project, query, text, language, query_type))
    say(f"Project {project}: prompt {query} changed.")


def change(app: App, project: int, prompt_ids: Sequence[int], work: Callable[[Database], object]) -> None:
    edits.change_prompts(app.db, edits.COMMAND, project, prompt_ids, work)


def counted(prompts: int) -> str:
    return "1 prompt" if prompts == 1 else f"{prompts} prompts"
