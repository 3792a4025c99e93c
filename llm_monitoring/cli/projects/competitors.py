"""`competitors`: add, list, import, edit and remove the competitors of a project."""

from __future__ import annotations

import sys
from typing import IO, Any, Final

import click

from llm_monitoring import edits, projects
from llm_monitoring.analysis import Entity
from llm_monitoring.cli.base.command import PROJECT, LateGroup, example, json_option
from llm_monitoring.cli.base.output import Columns, print_table, say, show_rows
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.cli.projects.competitor_files import read_competitors
from llm_monitoring.cli.projects.name_inbox import name_commands
from llm_monitoring.cli.projects.name_options import (
    NO_NEW_NAME,
    REREAD,
    clear_option,
    details,
    name_options,
    old_name_option,
    say_lists,
)
from llm_monitoring.errors import Invalid
from llm_monitoring.process.wording import PROGRAM
from llm_monitoring.projects import Project

SHOWN: Final[Columns] = {
    "Name": "name",
    "Also": "aliases",
    "Sites": "domains",
    "Not": "exclude",
    "Exact case": "case_sensitive",
}


@click.group(cls=LateGroup, epilog=example("competitors list 1", "competitors add 1 Holded --domain holded.com"))
def competitors() -> None:
    """Manage the competitors of a project."""


for command in name_commands:
    competitors.add_command(command)


@competitors.command("list", epilog=example("competitors list 1", "competitors list 1 --json"))
@click.argument("project", type=PROJECT)
@json_option
@pass_session
def list_competitors(session: Session, project: int, *, as_json: bool) -> None:
    """List the competitors of PROJECT."""
    with session.app() as app:
        rows = [projects.write_entity(each) for each in projects.find(app.db, project).competitors]
    show_rows(rows, SHOWN, as_json=as_json, empty=f"Project {project} has no competitors: `competitors add`.")


@competitors.command(
    epilog=example("competitors add 1 Holded --domain holded.com", "competitors add 1 Sage --alias 'Sage 50'")
)
@click.argument("project", type=PROJECT)
@click.argument("name")
@name_options("competitor")
@pass_session
def add(session: Session, /, project: int, name: str, **options: Any) -> None:
    """Add the competitor NAME to PROJECT."""
    new = projects.make_entity(name, **details(options))
    with session.app() as app:
        after = edits.add_competitor(app.db, edits.COMMAND, project, new)
    say(f"Project {project} ({after.name}) has {len(after.competitors)} competitors now. {REREAD.format(project)}")
    say_lists(new.spellings)


@competitors.command(
    epilog=example(
        "competitors edit 1 Sage --alias 'Sage 50' --alias 'Sage Active'", "competitors edit 1 Sage --clear domains"
    )
)
@click.argument("project", type=PROJECT)
@click.argument("name")
@click.option("--name", "new_name", metavar="NAME", help="Another name; the old one stays as an alias.")
@old_name_option
@name_options("competitor")
@clear_option
@pass_session
def edit(
    session: Session, /, project: int, name: str, new_name: str | None, *, drop_old_name: bool, **options: Any
) -> None:
    """Change the competitor NAME of PROJECT.

    What is given replaces what is stored: to add an alias, give all of them.
    """
    given = details(options)
    if not given and new_name is None and not drop_old_name:
        raise Invalid("options", f"say what to change: see `{PROGRAM} competitors edit --help`")
    if drop_old_name and new_name is None:
        raise Invalid("drop_old_name", NO_NEW_NAME)
    with session.app() as app:
        edits.edit_competitor(app.db, edits.COMMAND, project, name, given, new_name, keep_old_name=not drop_old_name)
    say(f"Project {project}: competitor {new_name or name} changed. {REREAD.format(project)}")
    say_lists((new_name or "", *given.get("aliases", ())))


@competitors.command(
    "import", epilog=example("competitors import 1 rivals.csv --dry-run", "competitors import 1 rivals.json")
)
@click.argument("project", type=PROJECT)
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Show what would be stored, and store nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_session
def import_file(session: Session, project: int, file: IO[bytes], *, dry_run: bool, yes: bool) -> None:
    """Add the competitors in FILE to PROJECT, all or none, after a preview.

    FILE is CSV with a column of names and perhaps aliases, domains, exclude and case_sensitive (several entries of a
    field are separated by |), or JSON as `competitors list --json` prints it. One that the project has is skipped.
    """
    found = read_competitors(file)
    with session.app() as app:
        fresh = show_new(projects.find(app.db, project), found)
        asked = not yes and not dry_run and sys.stdin.isatty()
        if dry_run or (asked and not click.confirm("Store the new ones?", default=True)):
            say("Nothing was stored.")
            return
        after = edits.add_new_competitors(app.db, edits.COMMAND, project, fresh)
    say(f"Project {project} ({after.name}) has {len(after.competitors)} competitors now. {REREAD.format(project)}")


def show_new(project: Project, found: list[Entity]) -> list[Entity]:
    """Print the competitors that the project does not have, and return them."""
    fresh = projects.new_competitors(project, found)
    names = [each.name for each in found if each not in fresh]
    skipped = f", {len(names)} skipped: {', '.join(names)}" if names else ""
    say(f"{len(fresh)} new{skipped}")
    print_table([projects.write_entity(each) for each in fresh], SHOWN)
    return fresh


@competitors.command(epilog=example("competitors remove 1 Holded"))
@click.argument("project", type=PROJECT)
@click.argument("name")
@pass_session
def remove(session: Session, project: int, name: str) -> None:
    """Stop counting the competitor NAME in PROJECT; the stored answers stay."""
    with session.app() as app:
        after = edits.remove_competitor(app.db, edits.COMMAND, project, name)
    say(f"Project {project} ({after.name}) has {len(after.competitors)} competitors now. {REREAD.format(project)}")
