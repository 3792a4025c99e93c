"""`agency`: the name and logo that shared pages and reports show."""

from __future__ import annotations

from pathlib import Path

import click

from llm_monitoring import projects
from llm_monitoring.access import agencies
from llm_monitoring.access.audit import Actor
from llm_monitoring.cli.base.command import LateGroup, example, json_option
from llm_monitoring.cli.base.output import say, show_json
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.errors import Invalid


@click.group(
    cls=LateGroup, epilog=example("agency set ana@agency.example 'Acme Agency' --logo acme.png", "agency show 1")
)
def agency() -> None:
    """Manage the name and logo on a user's shared pages and reports."""


@agency.command("set", epilog=example("agency set ana@agency.example 'Acme Agency' --logo acme.png"))
@click.argument("user")
@click.argument("name")
@click.option(
    "--logo", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="PNG, JPEG or WebP of at most 100 kB."
)
@pass_session
def set_agency(session: Session, user: str, name: str, logo: Path | None) -> None:
    """Show NAME on USER's shared pages and reports, with the logo if one is given, in place of those before."""
    image = None if logo is None else read_image(logo)
    with session.app() as app:
        found = projects.find_user(app.db, user)
        made = agencies.set_agency(app.db, Actor("command", found["id"]), name, image)
    say(f"Shared pages and reports of user {found['id']} show {made.name}{' with a logo' if made.logo else ''}.")


@agency.command(epilog=example("agency show ana@agency.example", "agency show 1 --json"))
@click.argument("user")
@json_option
@pass_session
def show(session: Session, user: str, *, as_json: bool) -> None:
    """Show what USER's shared pages and reports show."""
    with session.app() as app:
        found = agencies.agency_of(app.db, projects.find_user(app.db, user)["id"])
    if as_json:
        show_json(None if found is None else {"name": found.name, "logo_type": found.logo_type})
    elif found is None:
        say("No name is set.")
    else:
        say(f"{found.name}{f' with a logo ({found.logo_type})' if found.logo else ''}")


@agency.command(epilog=example("agency remove ana@agency.example"))
@click.argument("user")
@pass_session
def remove(session: Session, user: str) -> None:
    """Show no name and no logo of USER any more."""
    with session.app() as app:
        found = projects.find_user(app.db, user)
        agencies.remove_agency(app.db, Actor("command", found["id"]))
    say(f"Shared pages and reports of user {found['id']} show no name any more.")


def read_image(path: Path) -> bytes:
    """A file that is no larger than a logo; raises Invalid."""
    with path.open("rb") as file:
        image = file.read(agencies.MOST_BYTES + 1)
    if len(image) > agencies.MOST_BYTES:
        raise Invalid("logo", f"{path.name} is larger than {agencies.MOST_BYTES // 1000} kB")
    return image
