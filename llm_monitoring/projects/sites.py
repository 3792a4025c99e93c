"""Checks the host of a site, and recognises what people write instead: pages, patterns, lists, mail addresses."""

from __future__ import annotations

import re
from typing import Final

import idna

from llm_monitoring.projects.value_problems import ValueProblem, value_problem

SCHEME: Final = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
BETWEEN: Final = re.compile(r"[\s,;|]+")
LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
ENDING: Final = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{2,59}")
NEVER_PUBLIC: Final = frozenset({"localhost", "local", "invalid", "internal", "lan", "localdomain", "onion", "arpa"})
LONGEST_HOST: Final = 253


def site_problem(text: str) -> ValueProblem | None:
    """Why citations of a text cannot be counted as of a host, and what to write; None if they can."""
    parts = [part for part in BETWEEN.split(text.strip()) if part]
    if len(parts) > 1:
        hosts = list(map(plain_host, parts[:5]))
        sentence = f"one entry has several sites: give each by itself, {' and '.join(hosts)}"
        return value_problem("site_several", sentence, hosts=", ".join(hosts))
    bare = SCHEME.sub("", text.strip())
    host = plain_host(text)
    if not is_host(host):
        return value_problem("site_no_host", "this is no host that can exist: write one such as acme.com")
    if "*" in bare or bare.startswith("."):
        return value_problem("site_subdomains", f"write {host}: its subdomains count as well", host=host)
    if "@" in bare:
        return value_problem("site_login", f"this is a mail address or holds a login: write {host}", host=host)
    authority, mark, rest = split(bare)
    if rest.strip("/") or mark in ("?", "#"):
        sentence = f"a site is a whole host, and a page or folder of it cannot be counted alone: write {host}"
        return value_problem("site_page", sentence, host=host)
    if ":" in authority:
        return value_problem("site_port", f"a port says nothing about a citation: write {host}", host=host)
    return None


def split(bare: str) -> tuple[str, str, str]:
    """The text before the first `/`, `?` or `#`, that mark, and the text after it."""
    found = re.search(r"[/?#]", bare)
    return (bare[: found.start()], found[0], bare[found.end() :]) if found else (bare, "", "")


def plain_host(text: str) -> str:
    """The host in a text."""
    authority = split(SCHEME.sub("", text.strip()))[0]
    return authority.rpartition("@")[2].partition(":")[0].lower().lstrip("*.").rstrip(".")


def is_host(host: str) -> bool:
    """Whether a public host of this name can exist: labels of letters, digits and inner hyphens, and an ending."""
    try:
        name = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return False
    labels = name.split(".")
    return (
        1 < len(labels)
        and len(name) <= LONGEST_HOST
        and all(LABEL.fullmatch(label) for label in labels)
        and bool(ENDING.fullmatch(labels[-1]))
        and labels[-1] not in NEVER_PUBLIC
    )
