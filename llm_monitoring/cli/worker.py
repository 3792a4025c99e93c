"""`worker`: asks chunks of a daily run on another machine."""

from __future__ import annotations

import click

from llm_monitoring.cli.base.command import example
from llm_monitoring.cli.base.session import Session, pass_session


@click.command(epilog=example("worker", "worker --once"))
@click.option("--once", is_flag=True, help="End when nothing is left to take, instead of waiting for the next run.")
@pass_session
def worker(session: Session, *, once: bool) -> None:
    """Ask chunks of each daily run, if LLM_DISTRIBUTE=true is set for the cron.

    Start any number of workers, on any machine that reaches the same database, with the same keys and settings. A stop
    (SIGTERM, Ctrl-C) lets the calls in flight end and leaves the rest to other workers; the chunk of a killed worker is
    given to another one.
    """
    from llm_monitoring.app import open_app
    from llm_monitoring.distributed.worker import Worker
    from llm_monitoring.logs import configure
    from llm_monitoring.process.signals import stoppable
    from llm_monitoring.runs.daily import longest_ending

    with session.settings() as settings:
        configure(settings)
        with stoppable(longest_ending(settings)) as stop, open_app(settings, stop) as app:
            Worker(app, stop).serve(once=once)
