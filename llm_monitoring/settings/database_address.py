"""Checks DATABASE_URL: it is refused if libpq could read another password, user or host from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, unquote_plus

SCHEME: Final = re.compile(r"(?:postgres|postgresql)://", re.IGNORECASE)
DRIVER: Final = re.compile(r"(?:postgres|postgresql)(\+\w{1,20})://", re.IGNORECASE)
KEYWORDS: Final = re.compile(r"\w+\s*=")
FORM: Final = "postgresql://user:password@host:port/database"
ENCODE: Final = (
    f"{FORM}; in user and password write %40 for @, %2F for /, %3A for :, %23 for #, %3F for ?, %25 for %, "
    "%20 for a space"
)
BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
SPACE: Final = re.compile(r"[\s\x00-\x1f\x7f]")
PARAMETER: Final = re.compile(r"([a-z_]{2,40})=[^=]*")
KEYWORD_PASSWORD: Final = re.compile(r"(?:^|\s)(?:ssl)?password\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)+))")
PUBLIC_WORD: Final = re.compile(r"[^A-Za-z0-9]+")

PARAMETERS: Final = frozenset(
    """
    application_name channel_binding client_encoding connect_timeout dbname fallback_application_name gssdelegation
    gssencmode gsslib host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname
    load_balance_hosts options passfile password port replication require_auth requirepeer service ssl
    sslcert sslcertmode sslcompression sslcrl sslcrldir sslkey sslmode sslnegotiation sslpassword sslrootcert sslsni
    ssl_max_protocol_version ssl_min_protocol_version target_session_attrs tcp_user_timeout user
    max_protocol_version min_protocol_version scram_client_key scram_server_key sslkeylogfile oauth_issuer
    oauth_client_id oauth_client_secret oauth_scope
    """.split()
)
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def database_url(text: str) -> str:
    """Return a libpq address or keyword string; raises ValueError, which never contains part of a password."""
    if SCHEME.match(text):
        check_address(text[text.index("://") + 3 :])
        return text
    if KEYWORDS.match(text):
        return text
    driver = DRIVER.match(text)
    raise ValueError(f"{FORM}, without {driver[1]}" if driver else FORM)


def check_address(rest: str) -> None:
    """Raise ValueError if the part after `://` is ambiguous."""
    authority, mark, tail = split_authority(rest)
    path, question, query = tail.partition("?") if mark == "/" else ("", mark, tail)
    login, at, hosts = authority.rpartition("@")
    doubtful = (
        authority.count("@") > 1
        or bool(SPACE.search(rest))
        or not is_encoded(rest)
        or "#" in rest
        or "@" in path
        or (not at and "@" in query and not parameters_are_plain(query))
        or "/" in login
        or not hosts_are_plain(hosts)
    )
    if doubtful:
        raise ValueError(ENCODE)
    if question:
        check_parameters(query)


def is_encoded(rest: str) -> bool:
    """Return whether each `%` begins the code of a character."""
    if BAD_ESCAPE.search(rest) or "%00" in rest:
        return False
    try:
        return bool(unquote(rest, errors="strict")) or not rest
    except UnicodeDecodeError:
        return False


def split_authority(rest: str) -> tuple[str, str, str]:
    """Return the part before the first `/`, `?` or `#`, that mark, and the part after it."""
    mark = re.search(r"[/?#]", rest)
    return (rest[: mark.start()], mark[0], rest[mark.end() :]) if mark else (rest, "", "")


def hosts_are_plain(hosts: str) -> bool:
    """Return whether each host is a name or an address with an optional port."""
    return all(re.fullmatch(r"(\[[0-9A-Fa-f:.%\w]*\]|[^\[\]:]*)(:[0-9]*)?", host) for host in hosts.split(","))


def parameters_are_plain(query: str) -> bool:
    return all(PARAMETER.fullmatch(part) for part in query.split("&"))


def check_parameters(query: str) -> None:
    """Raise ValueError for what libpq does not have: another library's `schema`, or a TLS mode such as `no-verify`."""
    for part in filter(None, query.split("&")):
        parameter = PARAMETER.fullmatch(part)
        if parameter is None or (parameter[1] not in PARAMETERS and "@" in query):
            raise ValueError(ENCODE)
        if parameter[1] not in PARAMETERS:
            schema = "; write options=-csearch_path%3DNAME for a schema" if parameter[1] == "schema" else ""
            raise ValueError(
                f"{FORM} with parameters that PostgreSQL's library knows, and `{parameter[1]}` is none{schema}"
            )
        if parameter[1] == "sslmode" and unquote(part.partition("=")[2]) not in (*SSL_MODES, ""):
            raise ValueError(f"{FORM}, and its sslmode one of {', '.join(SSL_MODES)}; `require` checks no certificate")


def passwords(text: str) -> Iterator[str]:
    """Yield every form of the passwords in an address or keyword string, so that they can be hidden."""
    if not SCHEME.match(text):
        for quoted, bare in KEYWORD_PASSWORD.findall(text):
            yield re.sub(r"\\(.)", r"\1", quoted or bare)
        return
    authority, _, tail = split_authority(text[text.index("://") + 3 :])
    login = authority.rpartition("@")[0]
    written = [login.partition(":")[2]]
    written += re.findall(r"(?:^|[?&])(?:ssl)?password=([^&]*)", f"?{tail.partition('?')[2] or tail}")
    for password in filter(None, written):
        yield from dict.fromkeys((password, unquote(password), unquote_plus(password)))


def public_words(text: str) -> frozenset[str]:
    """Return the words of an address outside its passwords; a password that is one of them is not hidden."""
    if SCHEME.match(text):
        rest = text[text.index("://") + 3 :]
        authority, _, tail = split_authority(rest)
        login, _, hosts = authority.rpartition("@")
        text = " ".join((login.partition(":")[0], hosts, tail.partition("?")[0]))
    else:
        text = KEYWORD_PASSWORD.sub(" ", text)
    return frozenset(PUBLIC_WORD.split(text))
