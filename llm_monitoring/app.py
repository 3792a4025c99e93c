"""The composition root: opens settings, database, key cipher and ledger, and closes everything."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, DivisionByZero, InvalidOperation, Overflow, localcontext
from threading import Event
from typing import Final

from llm_monitoring.db import RETRY_SECONDS, Database, RowErrors, migrate, require_sessions
from llm_monitoring.keys import KeyCipher, KeyStore
from llm_monitoring.ledger import Budget
from llm_monitoring.settings import Settings, load_settings

log = logging.getLogger(__name__)

SPARE_CONNECTIONS = 2  # the coordinator and a command, next to the workers
STATEMENT_SECONDS = 300.0  # far above the longest of a large installation, and below a trigger that never ends
WRONG_CLOCK: Final = timedelta(hours=1)  # from here on the day of this machine is not believed
# Of amounts and figures, whatever precision a host application has set for its thread.
NUMBERS: Final = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
MOST_CONNECTIONS = 20  # a statement takes milliseconds of a call that takes seconds; PostgreSQL allows 100 in all


@contextmanager
def open_app(settings: Settings | None = None, stop: Event | None = None, *, waits: bool = True) -> Iterator[App]:
    """Everything that a job or command works with, on a migrated database; `stop` shortens the wait for one away.

    A database that does not answer at the start is waited for; without `waits` it is an error at once, as a person
    should not wait for it.
    """
    settings = settings or load_settings()
    read_cipher(settings)  # a wrong master key is reported before the database is touched
    url, size = database_url(settings), connections(settings)
    first = RETRY_SECONDS if waits else 0
    with (
        localcontext(NUMBERS),
        Database(url, size=size, retry_seconds=first, statement_seconds=STATEMENT_SECONDS, stop=stop) as db,
    ):
        db.retry_seconds = RETRY_SECONDS
        require_sessions(db)
        db.prepares = True
        migrate(db)
        yield assemble(db, settings)


def assemble(db: Database, settings: Settings) -> App:
    """The stores on an open database; raises ConfigurationError for a wrong master key."""
    return App(
        db=db,
        budget=Budget(
            db, settings.default_monthly_budget_usd, operator_budget_usd=settings.operator_monthly_budget_usd
        ),
        keys=KeyStore(
            db,
            read_cipher(settings),
            settings.api_keys,
            default_budget_usd=settings.default_monthly_budget_usd,
            operator_keys_for=settings.operator_keys_for,
        ),
        settings=settings,
    )


def read_cipher(settings: Settings) -> KeyCipher | None:
    """The cipher of LLM_KEYS_ENCRYPTION_KEY; None if it is not set."""
    return KeyCipher(settings.keys_encryption_key.reveal()) if settings.keys_encryption_key else None


def connections(settings: Settings) -> int:
    return min(settings.max_workers, MOST_CONNECTIONS) + SPARE_CONNECTIONS


def database_url(settings: Settings) -> str:
    """DATABASE_URL, or an embedded server on this machine; raises ConfigurationError on Railway without it."""
    if not settings.may_embed_database:
        return settings.require_database_url()
    from llm_monitoring.db import embedded
    from llm_monitoring.db.data_directory import own_data_directory

    data = own_data_directory(settings.data_dir)
    fields = {"event": "database.embedded", "directory": str(data)}
    log.info("📁 Sin DATABASE_URL: los datos están en %s", data, extra=fields)
    return embedded.start(data)


def schedule_day(settings: Settings) -> date:
    """The day that a run now belongs to, in LLM_TIMEZONE."""
    return datetime.now(settings.timezone).date()


@dataclass(frozen=True, slots=True)
class App:
    """What a run works with."""

    db: Database
    budget: Budget
    keys: KeyStore
    settings: Settings
    errors: RowErrors = field(default_factory=RowErrors)


def asking_day(app: App) -> date:
    """The day that a run now asks and pays, in LLM_TIMEZONE.

    It is this machine's day, as its clock starts the run, unless that clock is far from the database's: then it is the
    database's day, which no other machine of the installation doubts.
    """
    ours, shared = datetime.now(UTC), app.budget.clock()
    days = [moment.astimezone(app.settings.timezone).date() for moment in (ours, shared)]
    if days[0] == days[1] or abs(ours - shared) < WRONG_CLOCK:
        return days[0]
    fields = {"event": "clock.wrong", "machine": ours.isoformat(), "database": shared.isoformat()}
    message = "🕰️ El reloj de esta máquina (%s) no es el de la base de datos (%s): se pregunta el día %s"
    log.warning(message, f"{ours:%Y-%m-%d %H:%M}", f"{shared.astimezone(UTC):%Y-%m-%d %H:%M}", days[1], extra=fields)
    return days[1]
