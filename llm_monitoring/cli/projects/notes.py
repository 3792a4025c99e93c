"""`notes`: what was done for a project on a day, as trends show it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date

import click

from llm_monitoring import projects
from llm_monitoring.access import audit
from llm_monitoring.access.audit import Actor
from llm_monitoring.cli.base.command import PROJECT, LateGroup, example, json_option
from llm_monitoring.cli.base.output import Columns, say, show_rows
from llm_monitoring.cli.base.periods import DAY
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.db import Database, in_transaction
from llm_monitoring.projects import notes as store
from llm_monitoring.projects.notes import Note


@click.group(cls=LateGroup, epilog=example("notes add 1 'New pricing page' --day 2026-11-20", "notes list 1"))
def notes() -> None:
    """Notes of your own work on a project's time line."""


@notes.command(epilog=example("notes add 1 'New pricing page'", "notes add 1 'Press release' --day 2026-11-20"))
@click.argument("project", type=PROJECT)
@click.argument("text")
@click.option("--day", type=DAY, help="The day of the work; today by default.")
@pass_session
def add(session: Session, project: int, text: str, *, day: date | None) -> None:
    """Note TEXT on a day of PROJECT: trends show it as a mark."""
    from llm_monitoring.app import schedule_day

    with session.app() as app:
        when = day or schedule_day(app.settings)

        def work(db: Database) -> Note:
            added = store.add_note(db, project, when, text, ("command", None))
            record(db, project, "note.add", added)
            return added

        added = in_transaction(app.db, work)
    say(f"Note {added.id} of {added.day} is on the time line of project {project}.")


@notes.command("list", epilog=example("notes list 1", "notes list 1 --from 2026-11-01 --json"))
@click.argument("project", type=PROJECT)
@click.option("--from", "first", type=DAY, help="First day.")
@click.option("--to", "last", type=DAY, help="Last day.")
@json_option
@pass_session
def list_notes(session: Session, project: int, *, first: date | None, last: date | None, as_json: bool) -> None:
    """List the notes of PROJECT, the latest day first."""
    with session.app() as app:
        projects.find(app.db, project)
        rows = [asdict(note) for note in store.notes(app.db, project, first, last)]
    columns: Columns = {
        "Note": "id",
        "Day": "day",
        "Text": "text",
        "Author": lambda row: row["author"] or row["author_kind"],
    }
    show_rows(rows, columns, as_json=as_json, empty="There are no notes yet: `notes add --help`.")


@notes.command(epilog=example("notes remove 1 7"))
@click.argument("project", type=PROJECT)
@click.argument("note", type=int)
@pass_session
def remove(session: Session, project: int, note: int) -> None:
    """Remove NOTE from the time line of PROJECT."""
    with session.app() as app:

        def work(db: Database) -> None:
            record(db, project, "note.remove", store.remove_note(db, project, note))

        in_transaction(app.db, work)
    say(f"Note {note} of project {project} is removed.")


def record(db: Database, project: int, action: str, note: Note) -> None:
    owner = projects.find(db, project).user_id
    if owner is None:
        return
    fields = {"day": note.day.isoformat(), "text": note.text}
    before, after = (None, fields) if action == "note.add" else (fields, None)
    audit.record(db, Actor("command", owner), action, project_id=project, object_id=note.id, before=before, after=after)
