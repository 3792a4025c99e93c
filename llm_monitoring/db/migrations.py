"""Applies the numbered migrations of `db/sql/migrations` in order, each once."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import psycopg2
from psycopg2 import errors

from llm_monitoring.db.database import Connection, Database, Locked, Row, Transaction, connect, primary, translated
from llm_monitoring.db.failures import is_lost
from llm_monitoring.db.locks import Holder, advisory_holder, table_holder
from llm_monitoring.db.queries import load
from llm_monitoring.errors import ConfigurationError

log = logging.getLogger(__name__)

WAIT_SECONDS: Final = 600.0
LOOK_SECONDS: Final = 0.1
NAME: Final = re.compile(r"(\d{4})_[a-z0-9]+(?:_[a-z0-9]+)+\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its name without `.sql`, its text."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrate(db: Database, folder: Traversable | None = None, wait_seconds: float = WAIT_SECONDS) -> list[str]:
    """Apply the missing migrations and return their names; waits while another session migrates or uses the tables.

    Raises ConfigurationError if the files and the record of applied migrations disagree, if a file fails, or if
    another session holds the tables for more than `wait_seconds`.
    """
    migrations = read(folder or shipped())
    if not missing(migrations, applied(db)):
        return []

    def attempt() -> list[str]:
        with closing(connect(db.dsn, db.lock_seconds)) as connection:
            return apply_missing(connection, migrations, Patience(time.monotonic() + wait_seconds))

    return db.persist(attempt)


@dataclass(slots=True)
class Patience:
    """Until when a migration waits for other sessions, and whether the wait was reported."""

    deadline: float
    reported: bool = False

    def wait(self, what: str, holder: Holder | None) -> None:
        """Wait a moment and report once for which session; raises ConfigurationError after the deadline."""
        who = holder or "?"
        if time.monotonic() >= self.deadline:
            raise ConfigurationError(f"migrations wait for {what} ({who}): end that session or wait, then try again")
        if not self.reported:
            facts = {"event": "migration.waiting", "holder": str(who)}
            log.warning("⏳ Se espera a otra migración o sesión que usa las tablas (%s)", who, extra=facts)
            self.reported = True
        time.sleep(LOOK_SECONDS)


def pending(db: Database, folder: Traversable | None = None) -> list[str]:
    """Return the names of the migrations that `migrate` would apply; changes nothing."""
    return [migration.name for migration in missing(read(folder or shipped()), applied(db))]


def applied(session: Database | Transaction) -> list[Row]:
    """Return the record of applied migrations, oldest first; empty if there is none yet."""
    record = session.one(load("migrate").has_record)
    return session.all(load("migrate").applied) if record and record["found"] else []


def shipped() -> Traversable:
    return files("llm_monitoring.db").joinpath("sql", "migrations")


def read(folder: Traversable) -> list[Migration]:
    """Return the migrations of a folder in order; raises ConfigurationError on a bad name or a gap."""
    entries = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda e: e.name)
    migrations = [parse(entry) for entry in entries]
    for expected, migration in enumerate(migrations, start=1):
        if migration.version != expected:
            raise ConfigurationError(f"migration {migration.name} should have number {expected:04}")
    return migrations


def parse(entry: Traversable) -> Migration:
    match = NAME.fullmatch(entry.name)
    if match is None:
        raise ConfigurationError(f"migration {entry.name} is not named NNNN_verb_noun.sql")
    return Migration(int(match[1]), entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8"))


def apply_missing(connection: Connection, migrations: Sequence[Migration], patience: Patience) -> list[str]:
    session = Transaction(connection)
    while (lock := session.one(load("migrate").try_lock)) is not None and not lock["taken"]:
        patience.wait("another migration", advisory_holder(session, lock["key"]))
    record = session.one(load("migrate").has_record)
    if not (record and record["found"]):  # checked first: even IF NOT EXISTS needs the right to create tables
        refuse_hidden_tables(session)
        session.execute(load("migrate").create_record)
    todo = missing(migrations, applied(session))
    for migration in todo:
        apply_patiently(connection, migration, patience)
    return [migration.name for migration in todo]


def refuse_hidden_tables(session: Transaction) -> None:
    """Raise ConfigurationError if new, empty tables would hide those of the host for every later statement."""
    row = session.one(load("migrate").hidden_tables)
    if row is not None:
        found, created = row["found"], row["created"]
        raise ConfigurationError(
            f"the tables are in schema {found}, and the search path would create new ones in {created}: put {found} "
            f"first in search_path (`ALTER DATABASE … SET search_path = {found}, public`), or set it to {created} "
            "alone for an installation of its own"
        )


def missing(migrations: Sequence[Migration], applied: Sequence[Row]) -> Sequence[Migration]:
    """Return the migrations not applied; raises ConfigurationError if the applied ones are not the first files."""
    for position, row in enumerate(applied):
        if position >= len(migrations):
            raise ConfigurationError(
                f"the database has migration {row['name']}, which this version does not know: a newer one made it, so "
                "update this installation to that one"
            )
        migration = migrations[position]
        if row["version"] != migration.version:
            raise ConfigurationError(f"migration {migration.name} was never applied, but {row['name']} was")
        if row["checksum"] != migration.checksum:
            raise ConfigurationError(f"migration {migration.name} was changed after it was applied")
    return migrations[len(applied) :]


def apply_patiently(connection: Connection, migration: Migration, patience: Patience) -> None:
    """Apply one migration when no other session holds its tables; others can use them while it waits."""
    while True:
        try:
            apply(connection, migration)
            return
        except Locked:
            patience.wait("a session that uses the tables", table_holder(Transaction(connection), "user_llm_api_keys"))


def apply(connection: Connection, migration: Migration) -> None:
    facts = {"version": migration.version, "name": migration.name, "checksum": migration.checksum}
    with translated(connection), connection, connection.cursor() as cursor:
        try:
            cursor.execute(migration.text)
        except (
            psycopg2.ProgrammingError,
            psycopg2.IntegrityError,
            psycopg2.DataError,
            psycopg2.InternalError,
            psycopg2.NotSupportedError,
        ) as exc:
            if is_lost(connection, exc):
                raise
            code = "owner_needed" if isinstance(exc, errors.InsufficientPrivilege) else ""
            raise ConfigurationError(f"migration {migration.name} failed: {reason(exc)}", code=code) from exc
        cursor.execute(load("migrate").record, facts)


def reason(error: psycopg2.Error) -> str:
    """Return why a migration failed, and what to do if objects of the host application prevent it."""
    message = primary(error)
    if isinstance(error, (errors.FeatureNotSupported, errors.DependentObjectsStillExist)):
        objects = "; ".join((error.diag.message_detail or "").splitlines())  # names of objects, no rows
        return f"{message} ({objects}): drop what depends on it, migrate, and create it again"
    return message
