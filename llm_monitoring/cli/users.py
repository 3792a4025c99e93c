"""`users`: add, list, edit and remove users, and let them sign in to the web service's pages."""

from __future__ import annotations

import click

from llm_monitoring import edits, projects
from llm_monitoring.access import sign_ins
from llm_monitoring.access.addresses import public_address
from llm_monitoring.access.audit import Actor
from llm_monitoring.cli.base.command import Failed, LateGroup, example, json_option
from llm_monitoring.cli.base.output import say, show_rows, usd
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.db import Database, Row
from llm_monitoring.errors import NotFound
from llm_monitoring.process.wording import counted


@click.group(cls=LateGroup, epilog=example("users add ana@agency.example", "users list"))
def users() -> None:
    """Manage users: each has projects, API keys and a monthly budget."""


@users.command(epilog=example("users add ana@agency.example"))
@click.argument("email")
@pass_session
def add(session: Session, email: str) -> None:
    """Create a user with the address EMAIL."""
    with session.app() as app:
        say(f"User {edits.add_user(app.db, edits.COMMAND, email)} added: {email.strip()}")


@users.command(epilog=example("users invite ana@agency.example", "users invite 3"))
@click.argument("user")
@pass_session
def invite(session: Session, user: str) -> None:
    """Let USER sign in to the pages and print a link that does it once, within 15 minutes.

    An e-mail address that no user has becomes a new user. One who was disabled may sign in again. Once invited, a user
    asks for further links at /sign-in, if LLM_NOTIFY_URLS holds a mail server. LLM_WEB_HOST says what links begin with.
    """
    with session.app() as app:
        address = public_address(app.settings)
        if address is None:
            raise Failed("a link needs the service's address: set LLM_WEB_HOST to the name that it is reached by")
        user_id, email, is_new = invited(app.db, user)
        link = sign_ins.new_link(app.db, user_id)
    assert link is not None
    if is_new:
        say(f"User {user_id} is new: no one had the address {email}. If it is misspelled: `users remove {user_id}`.")
    say(f"{email} signs in with this link, once, within {sign_ins.LINK_MINUTES} minutes:")
    click.echo(f"{address}/sign-in/{link.reveal()}")


def invited(db: Database, user: str) -> tuple[int, str, bool]:
    """Invite a user, who is created if USER is an address that no one has; return number, address, and whether so."""
    is_new = False
    try:
        found = projects.find_user(db, user)
    except NotFound:
        if "@" not in user:
            raise
        is_new = True
        found = {"id": edits.add_user(db, edits.COMMAND, user), "email": user.strip()}
    actor = Actor("command", found["id"])
    sign_ins.enable(db, actor)
    sign_ins.invite(db, actor)
    return found["id"], found["email"], is_new


@users.command(epilog=example("users disable ana@agency.example"))
@click.argument("user")
@pass_session
def disable(session: Session, user: str) -> None:
    """End USER's sessions and stop USER from signing in; tokens, projects and keys stay. `users invite` undoes it."""
    with session.app() as app:
        found = projects.find_user(app.db, user)
        ended = sign_ins.disable(app.db, Actor("command", found["id"]))
    say(f"User {found['id']} ({found['email']}) cannot sign in any more; {counted(ended, 'session')} ended.")


@users.command("list", epilog=example("users list --json"))
@json_option
@pass_session
def list_users(session: Session, *, as_json: bool) -> None:
    """List every user with number and address."""
    with session.app() as app:
        rows = projects.list_users(app.db)
    show_rows(rows, {"User": "id", "E-mail": "email"}, as_json=as_json, empty="There are no users yet: `users add`.")


@users.command(epilog=example("users edit ana@agency.example ana@new.example"))
@click.argument("user")
@click.argument("email")
@pass_session
def edit(session: Session, user: str, email: str) -> None:
    """Give USER the address EMAIL; projects, keys and budget stay."""
    with session.app() as app:
        found = projects.find_user(app.db, user)
        edits.change_address(app.db, edits.COMMAND, found["id"], email)
    say(f"User {found['id']}: {found['email']} is {email.strip()} now.")


@users.command(epilog=example("users remove ana@agency.example", "users remove 3 --yes"))
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_session
def remove(session: Session, user: str, *, yes: bool) -> None:
    """Delete USER with every project, prompt, answer and key.

    What the calls have cost stays in the ledger. To stop asking only, pause the projects.
    """
    with session.app() as app:
        found = projects.find_user(app.db, user)
        say(loss(found, projects.user_holdings(app.db, found["id"])))
        if not yes and not click.confirm("Delete it all for good?"):
            say("Nothing was deleted.")
            return
        edits.remove_user(app.db, edits.COMMAND, found["id"])
    say(f"User {found['id']} ({found['email']}) is deleted.")


def loss(user: Row, holdings: Row) -> str:
    return (
        f"User {user['id']} ({user['email']}) goes with all keys and {holdings['projects']} projects: "
        f"{holdings['prompts']} prompts, {holdings['answers']} answers. The ledger keeps {holdings['calls']} calls and "
        f"their {usd(holdings['charged_usd'])} USD."
    )
