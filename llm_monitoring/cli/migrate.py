"""`migrate`: the database's tables."""

from __future__ import annotations

import click

from llm_monitoring import app, db
from llm_monitoring.cli.command import example
from llm_monitoring.cli.output import say
from llm_monitoring.cli.session import Session, pass_session


@click.command(epilog=example("migrate"))
@pass_session
def migrate(session: Session) -> None:
    """Create or update the tables of the database, keeping every row.

    Every job and command does so by itself; this one says what it did.
    """
    with session.settings() as settings:
        url = app.database_url(settings)
        with db.Database(url, size=1, retry_seconds=0) as database:
            applied = db.migrate(database)
    for name in applied:
        say(f"applied {name}")
    say(f"The database is up to date ({len(applied)} migrations applied).")
