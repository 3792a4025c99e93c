"""`orders`: asks what was ordered through the web service."""

from __future__ import annotations

import click

from llm_monitoring.cli.base.command import example
from llm_monitoring.cli.base.output import say
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.process.wording import counted


@click.command(epilog=example("orders", "orders --once"))
@click.option("--once", is_flag=True, help="Serve what waits now and end, instead of waiting for more.")
@pass_session
def orders(session: Session, *, once: bool) -> None:
    """Serve analyses that were ordered through the web service, each as a run of its project.

    It works under the lock of the daily run: while a run is at work orders wait for it, and a daily run serves them
    all. A stop (SIGTERM, Ctrl-C) lets the calls that are out end; what is left waits for the next process.
    """
    from llm_monitoring.app import open_app
    from llm_monitoring.logs import configure
    from llm_monitoring.process.signals import stoppable
    from llm_monitoring.runs.daily import longest_ending
    from llm_monitoring.runs.order_service import serve

    with session.settings() as settings:
        configure(settings)
        with stoppable(longest_ending(settings)) as stop, open_app(settings, stop) as app:
            served = serve(app, stop, once=once)
    say(f"{counted(served, 'order')} served.")
