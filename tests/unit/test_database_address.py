"""DATABASE_URL: what can be read in two ways is refused, passwords are hidden, open networks get TLS and SCRAM."""

from __future__ import annotations

import pytest
from psycopg2.extensions import parse_dsn

from llm_monitoring import logs
from llm_monitoring.db import connecting
from llm_monitoring.db.encryption import encryption_defaults, is_required, reach
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.settings.database_address import PARAMETERS, database_url
from llm_monitoring.settings.fields import load_settings

ADVICE = "write %40 for @, %2F for /"


@pytest.mark.parametrize(
    "login",
    [
        "u:canary@canary",
        "u:p@canary@canary",
        "u@x:canary",
        "u:canary/canary",
        "u:12/canary",
        "u:canary#canary",
        "u:canary?canary",
        "u:12?canary=3",
        "u:canary%canary",
        "u:canary%",
        "u:canary canary",
        "u:canary\tcanary",
        "u:c@n:a/r y%#?canary",
    ],
)
def test_special_characters_in_a_password(login: str) -> None:
    """Each is refused with how to write it, and nothing of the password is shown."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"DATABASE_URL": f"postgresql://{login}@127.0.0.1:1/d"}, dotenv=False)
    assert ADVICE in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("mode", ["no-verify", "true", "Require", "verify"])
def test_a_tls_mode_of_another_library(mode: str) -> None:
    """The modes that PostgreSQL's library knows are named, before a connection is tried."""
    with pytest.raises(ConfigurationError, match="its sslmode one of disable, allow, prefer, require, verify-ca"):
        load_settings({"DATABASE_URL": f"postgresql://u:canary@h/d?sslmode={mode}"}, dotenv=False)


@pytest.mark.parametrize("query", ["sslmode=", "sslmode=verify%2Dca", "sslmode=require&sslrootcert=system"])
def test_a_tls_mode(query: str) -> None:
    """A mode of libpq is taken as it is written; an empty one is its default."""
    address = f"postgresql://u:canary@h/d?{query}"
    assert address == database_url(address)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("schema=public", "schema"),
        ("pgbouncer=true", "pgbouncer"),
        ("connection_limit=5", "connection_limit"),
        ("sslmode=require&charset=utf8", "charset"),
    ],
)
def test_parameters_of_other_libraries(query: str, name: str) -> None:
    """A parameter that libpq does not have is named."""
    with pytest.raises(ConfigurationError, match=f"`{name}` is none"):
        load_settings({"DATABASE_URL": f"postgresql://u:canary@h/d?{query}"}, dotenv=False)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:p%40ss%2Fw%23%3F%25@h:5432/d",
        "postgres://u@h",
        "postgresql:///d?host=/tmp&user=a@b",
        "postgresql://u:a:b@h1:1,h2:2/d?target_session_attrs=any",
        "postgresql://u:p@[::1]:5432/d",
        "postgresql://",
        "postgresql://u:p@h/d?sslmode=require&application_name=x",
        "postgresql://%2Fvar%2Frun/d",
        "host=h password='a b'",
    ],
)
def test_addresses_that_libpq_reads(text: str) -> None:
    """What can be read in one way is taken as it is, and libpq reads it."""
    assert text == database_url(text)
    assert parse_dsn(text) is not None


def test_parameters_are_the_library_s() -> None:
    """Every parameter that is let through is one that libpq takes, but for those of newer releases."""
    newer = {"max_protocol_version", "min_protocol_version", "scram_client_key", "scram_server_key", "sslkeylogfile"}
    newer |= {name for name in PARAMETERS if name.startswith("oauth")} | {"ssl"}
    for name in PARAMETERS - newer:
        assert name in parse_dsn(f"postgresql:///d?{name}=1")


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("postgresql://u:Str0ng%40Pass@h/d", "Str0ng@Pass Str0ng%40Pass"),
        ("postgresql:///d?user=u&password=Str0ng%2BPass", "Str0ng+Pass Str0ng%2BPass"),
        ("host=h user=u password='Str0ng Pass'", "Str0ng Pass Str0ng Pass"),
        ("host=h password=Str0ng sslpassword=Str0ng2", "Str0ng Str0ng2"),
    ],
)
def test_every_form_of_a_password_is_hidden(address: str, text: str) -> None:
    """In an address, in its parameters and in a keyword string, encoded or not."""
    logs.register_passwords(address)
    assert "*** ***" == logs.redact(text)


@pytest.mark.parametrize(
    ("host", "where"),
    [
        ("", "here"),
        ("/var/run/postgresql", "here"),
        ("@abstract", "here"),
        ("localhost", "here"),
        ("127.8.8.8", "here"),
        ("::1", "here"),
        ("10.1.2.3", "private"),
        ("172.31.0.1", "private"),
        ("172.32.0.1", "public"),
        ("192.168.1.1", "private"),
        ("fd12::1", "private"),
        ("postgres.railway.internal", "private"),
        ("db", "private"),
        ("203.0.113.5", "public"),
        ("8.8.8.8", "public"),
        ("100.64.0.1", "public"),
        ("2001:db8::1", "public"),
        ("db.example.com", "public"),
        ("internal.example.com", "public"),
        ("railway.internal.example.com", "public"),
        ("::ffff:10.0.0.1", "private"),
        ("LOCALHOST.", "here"),
    ],
)
def test_where_a_host_is(host: str, where: str) -> None:
    """This machine and private networks are distinguished from public addresses."""
    assert where == reach(host)


REQUIRED = {"sslmode": "require", "require_auth": "scram-sha-256"}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://u:p@db.example.com/d", REQUIRED),
        ("host=203.0.113.5 user=u", REQUIRED),
        ("postgresql://u:p@10.0.0.1,db.example.com/d", REQUIRED),
        ("postgresql://u:p@db.example.com/d?sslmode=disable", {"require_auth": "scram-sha-256"}),
        ("postgresql://u:p@db.example.com/d?require_auth=md5", {"sslmode": "require"}),
        ("postgresql://u:p@db.example.com/d?hostaddr=10.0.0.1", {}),
        ("postgresql://u:p@postgres.railway.internal/d", {}),
        ("postgresql://u:p@127.0.0.1/d", {}),
        ("postgresql:///d", {}),
    ],
)
def test_encryption_by_default(address: str, expected: dict[str, str]) -> None:
    """A public server is given a password over TLS and by SCRAM alone; what the address says wins."""
    assert expected == encryption_defaults(address)
    assert is_required(address) == (expected.get("sslmode") == "require")


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """libpq's own variables are explicit as well."""
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGREQUIREAUTH", "none")
    assert {} == encryption_defaults("postgresql://u@db.example.com/d")
    assert is_required("postgresql://u@db.example.com/d")


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg", "asyncpg"])
def test_the_driver_of_another_library_is_left_out(driver: str) -> None:
    """An address as SQLAlchemy writes it is refused with what to leave out, and shows no password."""
    with pytest.raises(ConfigurationError, match=rf", without \+{driver}$") as caught:
        load_settings({"DATABASE_URL": f"postgresql+{driver}://u:canary@h/d"}, dotenv=False)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "what"),
    [
        ('connection to server at "127.0.0.1", port 1 failed: Connection refused', "is the server running"),
        ('could not translate host name "db.example" to address: Name or service not known', "correct the host"),
        ('could not translate host name "postgres.railway.internal" to address: x', "put DATABASE_PUBLIC_URL into"),
        ('server at "h", port 5432 failed: FATAL:  database "shop" does not exist', "`createdb`"),
        ('server at "h", port 5432 failed: FATAL:  role "ana" does not exist', "correct user and password"),
        ('FATAL:  password authentication failed for user "ana"', "correct user and password"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "ana"', "pg_hba.conf has to let this user in"),
        ("server does not support SSL, but SSL was required", "TLS is required"),
        ("FATAL:  the database system is starting up", ""),
    ],
)
def test_a_refused_connection_says_what_to_do_next(error: str, what: str) -> None:
    """By its cause; for a cause that ends by itself, nothing."""
    said = connecting.advice(error)
    assert what in said
    assert bool(what) == bool(said)


def test_a_value_that_the_driver_does_not_know() -> None:
    """The parameter is named; of every other complaint of the driver nothing is repeated, as it quotes the address."""
    assert "DATABASE_URL has a value of sslmode that PostgreSQL does not know" == str(
        connecting.unreadable('invalid sslmode value: "canary"')
    )
    assert "canary" not in str(connecting.unreadable('invalid dsn: invalid URI query parameter: "canary"'))
