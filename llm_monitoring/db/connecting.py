"""What a connection needs, and what to do about one that the server, or the network, refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

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
    (r'database ".*" does not exist', "create it with `createdb`, or correct its name at the end of DATABASE_URL"),
    (r'role ".*" does not exist|password authentication failed', "correct user and password in DATABASE_URL"),
    (r"no password supplied", "put the password into DATABASE_URL"),
    (r"no pg_hba\.conf entry", "the server's pg_hba.conf has to let this user in from here"),
    (r"too many|connection slots", "raise max_connections or the role's limit, or lower LLM_MAX_WORKERS"),
    (r"refused|No such file|timeout|No route to host", "is the server running at host and port of DATABASE_URL?"),
)


# Refused connections that a retry cannot help; they are known by their message, because libpq gives no SQLSTATE.
HOPELESS: Final = re.compile(
    r"password authentication failed|no pg_hba\.conf entry|(database|role) \"[^\"]*\" does not exist|"
    r"server does not support SSL|no password supplied|authentication method requirement"
)
SHORTAGE: Final = re.compile(r"too many (clients|connections)|remaining connection slots")


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


def require_unicode(connection: psycopg2.extensions.connection) -> None:
    """Raise ConfigurationError for a database that cannot store every text: a paid answer would be refused there."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in (None, "UTF8"):
        name = connection.info.dbname
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
