"""What is done about a connection that the server, or a pooler in front of it, refuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from llm_monitoring.db.connecting import advice, refusal, require_usable
from llm_monitoring.db.failures import DatabaseUnavailable, Interrupted, NoMoreConnections
from llm_monitoring.errors import ConfigurationError


@pytest.mark.parametrize(
    ("said", "kind", "cure"),
    [
        ("FATAL:  no such database: other", DatabaseUnavailable, "correct its name"),
        ("FATAL:  SASL authentication failed", DatabaseUnavailable, "correct user and password"),
        ("FATAL:  unsupported startup parameter: options", DatabaseUnavailable, "leave it out of DATABASE_URL"),
        ('definition of service "x" not found', DatabaseUnavailable, "PGSERVICE"),
        ('could not parse network address "x": Name or service not known', DatabaseUnavailable, "PGHOSTADDR"),
        ('root certificate file "/x" does not exist', DatabaseUnavailable, "sslrootcert"),
        ('private key file "/x" has group or world access', DatabaseUnavailable, "sslkey"),
        ("SSL error: certificate verify failed", DatabaseUnavailable, "sslrootcert"),
        ('server certificate for "a" does not match host name "b"', DatabaseUnavailable, "sslmode"),
        ("FATAL:  no more connections allowed (max_client_conn)", NoMoreConnections, "max_client_conn"),
        ("FATAL:  client connections exceeded (max_user_client_connections)", NoMoreConnections, "max_client_conn"),
        ("FATAL:  query_wait_timeout", NoMoreConnections, "default_pool_size"),
        ("FATAL:  MaxClientsInSessionMode: max clients reached", NoMoreConnections, "the pooler's limits"),
        ("FATAL:  sorry, too many clients already", NoMoreConnections, "raise max_connections"),
        ("FATAL:  server login has been failing, try again later", Interrupted, ""),
        ("timeout expired", Interrupted, "is the server running"),
    ],
)
def test_what_a_refusal_means(said: str, kind: type[DatabaseUnavailable], cure: str) -> None:
    """What a retry cannot help ends at once; a limit is no outage; each says what to do."""
    assert kind is refusal(said)
    assert cure in advice(said)


@pytest.mark.parametrize(
    ("version", "encoding", "said"),
    [
        (120022, "UTF8", "PostgreSQL 12.*needs 13 or newer"),
        (90624, "UTF8", "PostgreSQL 9"),
        (130023, "LATIN1", "LATIN"),
    ],
)
def test_a_server_that_will_not_do(version: int, encoding: str, said: str) -> None:
    """It is refused at the first connection, before a migration fails half-way."""
    closed: list[bool] = []
    info = SimpleNamespace(server_version=version, dbname="d", parameter_status=lambda name: encoding)
    connection: Any = SimpleNamespace(info=info, close=lambda: closed.append(True))
    with pytest.raises(ConfigurationError, match=said):
        require_usable(connection)
    assert [True] == closed
