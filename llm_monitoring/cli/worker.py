"""`worker`: one more machine for a daily run that is spread over several."""

from __future__ import annotations

import click

from llm_monitoring.cli.base.command import example
from llm_monitoring.cli.base.session import Session, pass_session


@click.command(epilog=example("worker", "worker --once"))
@click.option("--once", is_flag=True, help="End when nothing is left to take, instead of waiting for the next run.")
@pass_session
def worker(session: Session, *, once: bool) -> None:
    """Ask a part of each daily run, which LLM_DISTRIBUTE=true on the cron leaves to processes such as this one.

    Start as many as wanted, on any machine that reaches the same database, with the same keys and settings. A stop
    (SIGTERM, Ctrl-C) lets the calls that are out end and leaves the rest to others; a killed worker's part is taken
    over by itself.
    """
    from llm_monitoring.app import open_app
    from llm_monitoring.distributed.worker import Worker
    from llm_monitoring.logs.setup import configure
    from llm_monitoring.process.signals import stoppable
    from llm_monitoring.runs.daily import longest_ending

    with session.settings() as settings:
        configure(settings)
        with stoppable(longest_ending(settings)) as stop, open_app(settings, stop) as app:
            Worker(app, stop).serve(once=once)
