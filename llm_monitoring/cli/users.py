"""`users`: those whose projects are monitored and whose budgets pay for it."""

from __future__ import annotations

import click

from llm_monitoring import projects
from llm_monitoring.cli.command import example, json_option
from llm_monitoring.cli.output import say, show_rows
from llm_monitoring.cli.session import Session, pass_session


@click.group(epilog=example("users add ana@agency.example", "users list"))
def users() -> None:
    """Add and list users: each has own projects, API keys and a monthly budget."""


@users.command(epilog=example("users add ana@agency.example"))
@click.argument("email")
@pass_session
def add(session: Session, email: str) -> None:
    """Create a user with the address EMAIL."""
    with session.tools() as tools:
        say(f"User {projects.add_user(tools.db, email)} added: {email}")


@users.command("list", epilog=example("users list --json"))
@json_option
@pass_session
def list_users(session: Session, *, as_json: bool) -> None:
    """List every user with number and address."""
    with session.tools() as tools:
        rows = projects.users(tools.db)
    show_rows(rows, {"User": "id", "E-mail": "email"}, as_json=as_json, empty="There are no users yet: `users add`.")
