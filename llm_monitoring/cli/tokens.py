"""`tokens`: what programs call the web service with."""

from __future__ import annotations

from datetime import datetime

import click

from llm_monitoring import projects
from llm_monitoring.access import audit
from llm_monitoring.access import tokens as store
from llm_monitoring.access.audit import Actor
from llm_monitoring.access.token_changes import issue_token, token_fields
from llm_monitoring.access.tokens import SCOPES, Token
from llm_monitoring.cli.base.command import LateGroup, example, json_option
from llm_monitoring.cli.base.output import Columns, say, show_json, show_rows
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.db import Database, in_transaction


@click.group(
    cls=LateGroup, epilog=example("tokens create ana@agency.example --name sheets --scope figures:read", "tokens list")
)
def tokens() -> None:
    """Access tokens of the web service: what each may do, and on which projects."""


@tokens.command(
    epilog=example(
        "tokens create ana@agency.example --name sheets --scope figures:read --scope projects:read",
        "tokens create 1 --name 'client Acme' --scope figures:read --project 3 --days 90",
    )
)
@click.argument("user")
@click.option("--name", required=True, help="What the token is for, as lists show it.")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="Repeatable.")
@click.option(
    "--project",
    "project_ids",
    multiple=True,
    type=int,
    metavar="ID",
    help="Only this project; repeatable.  [default: all of the user's]",
)
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="Days until it ends.")
@json_option
@pass_session
def create(
    session: Session,
    user: str,
    *,
    name: str,
    scopes: tuple[str, ...],
    project_ids: tuple[int, ...],
    days: int,
    as_json: bool,
) -> None:
    """Create a token of USER and print it, once: only its hash is stored."""
    with session.app() as app:
        owner = projects.find_user(app.db, user)
        actor = Actor("command", owner["id"])
        token, secret = issue_token(app.db, actor, name, scopes, project_ids or None, days)
    text = secret.reveal()
    if as_json:
        show_json({**token_fields(token), "token": text})
        return
    say(f"Token {token.id} ({token.name}) ends on {token.expires_at:%Y-%m-%d}. Keep it now, it is shown once:")
    click.echo(text)


@tokens.command("list", epilog=example("tokens list", "tokens list --user ana@agency.example --json"))
@click.option("--user", help="Only this user's.")
@json_option
@pass_session
def list_tokens(session: Session, *, user: str | None, as_json: bool) -> None:
    """List tokens with their scopes, projects and last use; a token itself cannot be shown again."""
    with session.app() as app:
        user_id = None if user is None else projects.find_user(app.db, user)["id"]
        rows = [token_fields(token) for token in store.tokens_of(app.db, user_id)]
    columns: Columns = {
        "Token": "id",
        "Name": "name",
        "User": "user_id",
        "Begins": "prefix",
        "Scopes": "scopes",
        "Projects": lambda row: row["project_ids"] or "all",
        "Ends (UTC)": lambda row: moment(row["expires_at"]),
        "Last used": lambda row: moment(row["last_used_at"]),
        "Revoked": lambda row: moment(row["revoked_at"]),
    }
    show_rows(rows, columns, as_json=as_json, empty="There are no tokens yet: `tokens create --help`.")


def moment(stored: str | None) -> datetime | None:
    """A time of the fields of a token, which have it as text."""
    return None if stored is None else datetime.fromisoformat(stored)


@tokens.command(epilog=example("tokens revoke 3"))
@click.argument("token", type=int)
@pass_session
def revoke(session: Session, token: int) -> None:
    """End the use of TOKEN at once; it stays in the list."""
    with session.app() as app:

        def work(db: Database) -> Token:
            found, ended = store.revoke(db, token)
            if ended:
                audit.record(db, Actor("command", found.user_id), "token.revoke", object_id=found.id)
            return found

        found = in_transaction(app.db, work)
    say(f"Token {found.id} ({found.name}) of user {found.user_id} is revoked.")
