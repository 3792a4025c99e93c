"""`web`: serves the pages, REST API and MCP until it is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Final

import click

from llm_monitoring.cli.base.command import Failed, example
from llm_monitoring.cli.base.session import Session, pass_session

if TYPE_CHECKING:
    from llm_monitoring.settings.fields import Settings

DEMO_TOKEN_DAYS: Final = 7


@click.command(epilog=example("web", "web --port 8080"))
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: PORT, else 8000]")
@pass_session
def web(session: Session, *, port: int | None) -> None:
    """Serve the pages, the REST API and MCP until SIGTERM or Ctrl-C, which let open requests end.

    It listens on the address LLM_WEB_BIND and on the port PORT, and never migrates: run `migrate` after an update.
    People sign in by the link of `users invite`, programs by a token of `tokens create`. The packages of
    requirements-web.txt must be installed. With --demo it serves the demo's database, prints a token for it, and
    serves what is ordered too, with simulated answers.
    """
    try:
        from llm_monitoring.web.serving import serve
    except ModuleNotFoundError as exc:
        raise Failed(
            f"the web service needs the packages of requirements-web.txt: {exc.name} is not installed"
        ) from exc

    from llm_monitoring.logs import configure
    from llm_monitoring.process.signals import stoppable
    from llm_monitoring.runs.daily import longest_ending

    with session.settings() as settings, stoppable(longest_ending(settings)) as stop:
        configure(settings)
        port = settings.port if port is None else port
        if not session.demo:
            serve(settings, port, stop)
            return
        with demo_orders(settings, stop) as (token, link):
            serve(settings, port, stop, lambda address: show_demo(address, token, link))


@contextmanager
def demo_orders(settings: Settings, stop: Event) -> Iterator[tuple[str, str]]:
    """Serve the demo's orders in a thread; yields a new token with every scope and a sign-in link of its user."""
    from llm_monitoring import projects
    from llm_monitoring.access import sign_ins
    from llm_monitoring.access.audit import Actor
    from llm_monitoring.access.token_changes import issue_token
    from llm_monitoring.access.tokens import SCOPES
    from llm_monitoring.app import open_app
    from llm_monitoring.cli.users import invited
    from llm_monitoring.demo.sample import SAMPLE_EMAIL
    from llm_monitoring.runs.order_service import serving

    with open_app(settings, stop) as app:
        user_id = int(projects.find_user(app.db, SAMPLE_EMAIL)["id"])
        token = issue_token(app.db, Actor("command", user_id), "web demo", SCOPES, None, DEMO_TOKEN_DAYS)[1]
        invited(app.db, SAMPLE_EMAIL)
        link = sign_ins.new_link(app.db, user_id)
        assert link is not None
        with serving(app, stop):
            yield token.reveal(), link.reveal()


def show_demo(address: str, token: str, link: str) -> None:
    """Print a sign-in link for the browser, and address and token as lines to copy into another shell."""
    from llm_monitoring.demo.sample import SAMPLE_EMAIL
    from llm_monitoring.process.wording import COMMAND, PROGRAM, python_command
    from llm_monitoring.web.service import PREFIX

    program = COMMAND if PROGRAM == COMMAND else f"{python_command()} -m llm_monitoring"
    click.echo(f"The demo is served on {address} until Ctrl-C. This link opens its pages, once, within 15 minutes:\n")
    click.echo(f"{address}/sign-in/{link}\n\nAnother one, for another browser or later:\n")
    port = address.rpartition(":")[2]
    click.echo(f"PORT={port} {program} --demo users invite {SAMPLE_EMAIL}\n")
    click.echo("The examples of docs/api.md need these two lines:\n")
    click.echo(f"API={address}{PREFIX}\nTOKEN={token}\n")
