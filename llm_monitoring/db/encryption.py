"""Connection defaults that protect the database's password: TLS and SCRAM for servers on a public network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import psycopg2
from psycopg2.extensions import libpq_version, parse_dsn

from llm_monitoring.settings import libpq_variable

Reach = Literal["here", "private", "public"]

REQUIRE_AUTH_SINCE: Final = 160000  # the first libpq with require_auth
PRIVATE_NETWORKS: Final = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
    )
)
PRIVATE_ENDINGS: Final = (".internal", ".local", ".lan", ".home.arpa", ".svc")


def reach(host: str) -> Reach:
    """Return where a host is: this machine (also by a socket), a private network, or a public one."""
    if not host or host.startswith(("/", "@")):
        return "here"
    name = host.lower().rstrip(".")
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        if name == "localhost" or name.endswith(".localhost"):
            return "here"
        # A name without a dot is of a container's network or of this machine's hosts file.
        return "private" if "." not in name or name.endswith(PRIVATE_ENDINGS) else "public"
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback or address.is_unspecified:
        return "here"
    return "private" if any(address in network for network in PRIVATE_NETWORKS) else "public"


def farthest(parameters: Mapping[str, str]) -> Reach:
    """Return the reach of the most distant of an address's hosts."""
    named = parameters.get("hostaddr") or parameters.get("host") or libpq_variable("PGHOST")
    reaches = {reach(host.strip()) for host in named.split(",")}
    order: tuple[Reach, ...] = ("public", "private", "here")
    return next(each for each in order if each in reaches)


def encryption_defaults(dsn: str) -> dict[str, str]:
    """Return the parameters for a public server that neither the address nor the environment sets.

    Raises psycopg2.ProgrammingError for an address that libpq cannot read.
    """
    parameters = parse_dsn(dsn)
    if "service" in parameters or farthest(parameters) != "public":
        return {}
    return dict(missing(parameters))


def missing(parameters: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if "sslmode" not in parameters and not libpq_variable("PGSSLMODE"):
        yield "sslmode", "require"
    if (
        {"require_auth", "sslcert"}.isdisjoint(parameters)
        and not libpq_variable("PGREQUIREAUTH")
        and libpq_version() >= REQUIRE_AUTH_SINCE
    ):
        yield "require_auth", "scram-sha-256"


def is_required(dsn: str) -> bool:
    """Return whether our side refuses a connection without TLS."""
    try:
        mode = {**parse_dsn(dsn), **encryption_defaults(dsn)}.get("sslmode") or libpq_variable("PGSSLMODE")
    except psycopg2.ProgrammingError:
        return False
    return mode in ("require", "verify-ca", "verify-full")


def advice(error: str) -> str:
    """Return what to do about a refusal that these defaults cause; empty for any other error."""
    if "server does not support SSL" in error:
        return (
            "; TLS is required, by DATABASE_URL or because the server is on no private network: switch it on there, or "
            "put sslmode=disable into DATABASE_URL if the network to it is safe"
        )
    if "authentication method requirement" in error:
        return (
            "; a public server is given the password by SCRAM alone: set password_encryption to scram-sha-256 there "
            "and the password again, or put require_auth=md5 into DATABASE_URL"
        )
    return ""
