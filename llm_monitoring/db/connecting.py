"""What a connection needs, and what to do about one that the server, or the network, refuses."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Timer
from typing import Final

import psycopg2
import psycopg2.extensions

from llm_monitoring.db.encryption import advice as encryption_advice
from llm_monitoring.db.failures import DatabaseUnavailable, Interrupted, NoMoreConnections
from llm_monitoring.errors import ConfigurationError

CAUSES: Final = (
    (
        r"translate host name .*\.railway\.internal",
        "that name exists inside Railway alone: elsewhere put DATABASE_PUBLIC_URL into DATABASE_URL",
    ),
    (r"translate host name", "correct the host in DATABASE_URL"),
    (
        r'database ".*" does not exist|no such database',
        "create it with `createdb`, or correct its name at the end of DATABASE_URL",
    ),
    (r'role ".*" does not exist|(password|SASL) authentication failed', "correct user and password in DATABASE_URL"),
    (r"no password supplied", "put the password into DATABASE_URL"),
    (r"no pg_hba\.conf entry", "the server's pg_hba.conf has to let this user in from here"),
    (r"definition of service", "correct PGSERVICE or `service` in DATABASE_URL, or leave it out"),
    (r"could not parse network address", "correct PGHOSTADDR or `hostaddr` in DATABASE_URL, or leave it out"),
    (
        r"root certificate file|private key file|certificate verify failed|does not match host name",
        "correct sslmode and the files of sslrootcert, sslcert and sslkey (or PGSSLMODE, PGSSLROOTCERT …)",
    ),
    (r"unsupported startup parameter", "the pooler takes no such parameter: leave it out of DATABASE_URL"),
    (
        r"query_wait_timeout|no session of the server|max(_\w+)?_client|max clients reached",
        "raise the pooler's limits (PgBouncer: default_pool_size, max_client_conn), or lower LLM_MAX_WORKERS",
    ),
    (r"too many|connection slots", "raise max_connections or the role's limit, or lower LLM_MAX_WORKERS"),
    (r"refused|No such file|timeout|No route to host", "is the server running at host and port of DATABASE_URL?"),
)


# Refused connections that a retry cannot help; they are known by their message, because libpq gives no SQLSTATE.
HOPELESS: Final = re.compile(
    r"(password|SASL) authentication failed|no pg_hba\.conf entry|(database|role) \"[^\"]*\" does not exist|"
    r"server does not support SSL|no password supplied|authentication method requirement|"
    r"no such database|unsupported startup parameter|definition of service|could not parse network address|"
    r"root certificate file|private key file|certificate verify failed|does not match host name"
)
# The last three are poolers' own: PgBouncer's limits and queue, and Supavisor's.
SHORTAGE: Final = re.compile(
    r"too many (clients|connections)|remaining connection slots|"
    r"\(max_\w*client_conn\w*\)|query_wait_timeout|max clients reached"
)
OLDEST_SERVER: Final = 130000  # the first with gen_random_uuid()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The server, database and role of a connection."""

    host: str
    port: int
    database: str
    role: str
    encrypted: bool

    def __str__(self) -> str:
        place = f"the socket in {self.host}" if self.host.startswith("/") or not self.host else self.host
        return f"{place}, port {self.port}, database {self.database}, role {self.role}"


def refusal(error: str) -> type[DatabaseUnavailable]:
    """The class of a refused connection: whether trying again, or on a connection that is open, can help."""
    if HOPELESS.search(error):
        return DatabaseUnavailable
    return NoMoreConnections if SHORTAGE.search(error) else Interrupted


def advice(error: str) -> str:
    """What to do next about a driver's error, after a semicolon; empty if nothing is known that helps."""
    said = encryption_advice(error)
    if said:
        return said
    return next((f"; {what}" for pattern, what in CAUSES if re.search(pattern, error)), "")


@contextmanager
def answered_within(connection: psycopg2.extensions.connection, seconds: float) -> Iterator[None]:
    """Raise NoMoreConnections if the block's first statement has no answer in time.

    A pooler accepts a connection at once and lets its first statement wait for a session of the server: two minutes
    at PgBouncer. The driver cannot limit that wait, so the connection is cut.
    """
    late = Event()

    def cut() -> None:
        late.set()
        with suppress(OSError, psycopg2.InterfaceError), socket.socket(fileno=os.dup(connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)

    timer = Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Interrupted as exc:
        if not late.is_set():
            raise
        message = f"no session of the server within {seconds:g} s"
        raise NoMoreConnections(f"cannot connect to the database: {message}{advice(message)}") from exc
    finally:
        timer.cancel()


def require_usable(connection: psycopg2.extensions.connection) -> None:
    """Raise ConfigurationError for a server that is too old, or a database that cannot store every text."""
    info = connection.info
    version, encoding, name = info.server_version, info.parameter_status("server_encoding"), info.dbname
    if version < OLDEST_SERVER:
        connection.close()
        raise ConfigurationError(
            f"the server is PostgreSQL {version // 10000}, and this program needs {OLDEST_SERVER // 10000} or newer"
        )
    if encoding not in (None, "UTF8"):  # a paid answer would be refused there
        connection.close()
        raise ConfigurationError(
            f"database {name} has the encoding {encoding}, which cannot hold every answer", code="database_encoding"
        )


def unreadable(error: str = "") -> ConfigurationError:
    """An address that libpq does not take: its message quotes the address, so that only its own words are repeated."""
    option = re.match(r"invalid ([a-z_]+) value: ", error)
    if option:
        return ConfigurationError(f"DATABASE_URL has a value of {option[1]} that PostgreSQL does not know")
    return ConfigurationError("DATABASE_URL is not a PostgreSQL connection string")
