"""`migrate`: create or update the tables of the database."""

from __future__ import annotations

from importlib.resources import files

import click

from llm_monitoring import app, db
from llm_monitoring.cli.base.command import example
from llm_monitoring.cli.base.output import say
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.db import require_sessions
from llm_monitoring.ledger import Budget
from llm_monitoring.process.wording import counted


@click.command(epilog=example("migrate", "migrate --print-grants"))
@click.option("--print-grants", is_flag=True, help="Print the SQL of the least-privilege roles; touches no database.")
@pass_session
def migrate(session: Session, *, print_grants: bool) -> None:
    """Create or update the tables of the database and keep every row.

    Every job and command does so by itself; this one reports what it did. It also makes
    LLM_DEFAULT_MONTHLY_BUDGET_USD the limit that the database gives new accounts and, with LLM_DISTRIBUTE=true, makes
    the queue's tables.

    --print-grants prints a script that makes three roles: llm_monitoring_runner can do a daily run and can touch
    neither prices nor keys nor limits; llm_monitoring_admin can do what these commands and the weekly check do;
    llm_monitoring_web is the web service's, and sees only the rows of the user who calls. Run it as the owner of the
    tables after every update, once with the right CREATEROLE.
    """
    if print_grants:
        for name in ("grants.sql", "web_grants.sql"):
            click.echo(files("llm_monitoring.db").joinpath(name).read_text("utf-8"), nl=False)
        return
    with session.settings() as settings:
        url = app.database_url(settings)
        with db.Database(url, size=1, retry_seconds=0) as database:
            require_sessions(database)
            applied = db.migrate(database)
            Budget(database, settings.default_monthly_budget_usd).set_default_limit()
            if settings.distribute:
                from llm_monitoring.distributed.queue import ChunkQueue

                ChunkQueue(database).create_tables()
    for name in applied:
        say(f"applied {name}")
    say(f"The database is up to date ({counted(len(applied), 'migration')} applied).")
