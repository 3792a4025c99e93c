"""What to do about a connection that the server, or the network, refuses."""

from __future__ import annotations

import re
from typing import Final

from llm_monitoring.db.encryption import advice as encryption_advice

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
