"""`competitors candidates`, `dismiss` and `restore`: names that answers list and that no one tracks."""

from __future__ import annotations

from datetime import date
from typing import Final

import click

from llm_monitoring import edits, projects
from llm_monitoring.cli.base.command import PROJECT, example, json_option
from llm_monitoring.cli.base.output import Columns, say, show_json, show_rows
from llm_monitoring.cli.base.periods import DAY, check_order
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.projects import NameCandidate

SHOWN: Final[Columns] = {
    "Name": "name",
    "Also": "spellings",
    "Answers": "answers",
    "Prompts": "prompts",
    "Providers": "providers",
    "Example": lambda row: row["examples"][0]["answer_id"],
}


@click.command(epilog=example("competitors candidates 1", "competitors candidates 1 --from 2026-11-01 --json"))
@click.argument("project", type=PROJECT)
@click.option("--from", "first", type=DAY, help="First day; the latest answers by default.")
@click.option("--to", "last", type=DAY, help="Last day; the latest by default.")
@json_option
@pass_session
def candidates(session: Session, project: int, first: date | None, last: date | None, *, as_json: bool) -> None:
    """List names that answers of PROJECT list next to tracked ones, and that are not tracked.

    Add one with `competitors add`, or dismiss it.
    """
    check_order(first, last)
    with session.app() as app:
        found = projects.name_inbox(app.db, project, first, last)
    rows = [fields(each) for each in found.candidates]
    if as_json:
        show_json({"answers": found.answers, "data": rows, "dismissed": [row["name"] for row in found.dismissed]})
        return
    show_rows(rows, SHOWN, as_json=False, empty=f"The latest {found.answers} answers list no new name.")
    if rows:
        name = rows[0]["name"]
        say(f"Track one: `competitors add {project} {name!r}`. Dismiss one: `competitors dismiss {project} {name!r}`.")


def fields(found: NameCandidate) -> dict[str, object]:
    return {
        "name": found.name,
        "spellings": list(found.spellings),
        "answers": found.answers,
        "prompts": found.prompts,
        "providers": list(found.providers),
        "examples": [
            {"answer_id": each.answer_id, "provider": each.provider, "day": each.day} for each in found.examples
        ],
    }


@click.command(epilog=example('competitors dismiss 1 "Excel"'))
@click.argument("project", type=PROJECT)
@click.argument("name")
@pass_session
def dismiss(session: Session, project: int, name: str) -> None:
    """Do not offer NAME as a competitor of PROJECT any more."""
    with session.app() as app:
        edits.dismiss_name(app.db, edits.COMMAND, project, name)
    say(f"Project {project}: {name!r} is dismissed. `competitors restore` offers it again.")


@click.command(epilog=example('competitors restore 1 "Excel"'))
@click.argument("project", type=PROJECT)
@click.argument("name")
@pass_session
def restore(session: Session, project: int, name: str) -> None:
    """Offer a dismissed NAME as a competitor of PROJECT again."""
    with session.app() as app:
        edits.restore_name(app.db, edits.COMMAND, project, name)
    say(f"Project {project}: {name!r} is offered again.")


name_commands: Final = (candidates, dismiss, restore)
