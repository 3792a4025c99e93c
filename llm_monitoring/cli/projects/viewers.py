"""`projects viewers`: the users who see a project in the web service besides its owner."""

from __future__ import annotations

import click

from llm_monitoring import projects
from llm_monitoring.access import people, roles
from llm_monitoring.access.audit import Actor
from llm_monitoring.cli.base.command import PROJECT, LateGroup, example, json_option
from llm_monitoring.cli.base.output import say, show_rows
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.db import Database
from llm_monitoring.errors import NotReady


@click.group(cls=LateGroup, epilog=example("projects viewers add 1 client@acme.example", "projects viewers list 1"))
def viewers() -> None:
    """Manage who sees a project in the web service besides its owner: figures and answers, and changes nothing."""


@viewers.command(epilog=example("projects viewers add 1 client@acme.example"))
@click.argument("project", type=PROJECT)
@click.argument("user")
@pass_session
def add(session: Session, project: int, user: str) -> None:
    """Let USER see PROJECT, on the pages and with tokens of that user."""
    with session.app() as app:
        found = projects.find_user(app.db, user)
        is_new = people.add_viewer(app.db, owner_of(app.db, project), project, found["id"])
    say(f"User {found['id']} ({found['email']}) sees project {project}{'' if is_new else ', as before'}.")


@viewers.command(epilog=example("projects viewers remove 1 client@acme.example"))
@click.argument("project", type=PROJECT)
@click.argument("user")
@pass_session
def remove(session: Session, project: int, user: str) -> None:
    """End USER's view of PROJECT at once."""
    with session.app() as app:
        found = projects.find_user(app.db, user)
        people.remove_viewer(app.db, owner_of(app.db, project), project, found["id"])
    say(f"User {found['id']} ({found['email']}) sees project {project} no more.")


@viewers.command("list", epilog=example("projects viewers list 1"))
@click.argument("project", type=PROJECT)
@json_option
@pass_session
def list_viewers(session: Session, project: int, *, as_json: bool) -> None:
    """List the viewers of PROJECT."""
    with session.app() as app:
        projects.find(app.db, project)
        rows = roles.viewers(app.db, project)
    columns = {"User": "user_id", "E-mail": "email", "Since": "created_at"}
    show_rows(rows, columns, as_json=as_json, empty=f"No one but its owner sees project {project}.")


def owner_of(db: Database, project: int) -> Actor:
    """This command on behalf of the project's owner; raises NotReady for a project of no one."""
    owner = projects.find(db, project).user_id
    if owner is None:
        raise NotReady("project", project, f"project {project} has no owner, who would share it")
    return Actor("command", owner)
