"""What a connection needs, and what to do about one that the server, or the network, refuses."""

from __future__ import annotations

import re
from typing import Final

import psycopg2.extensions

from llm_monitoring.db.encryption import advice as encryption_advice
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
    (r"refused|No such file|timeout|No route to host", "is the server running at host and port of DATABASE_URL?"),
)


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


def unreadable() -> ConfigurationError:
    # The driver's message is left out, because it quotes the text with the password.
    return ConfigurationError("DATABASE_URL is not a PostgreSQL connection string")
