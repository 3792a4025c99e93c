"""What an answer cites: one source a page, the provider's first, then the links of the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict
from urllib.parse import SplitResult, quote, urlsplit

from llm_monitoring.analysis.text.blocks import Link
from llm_monitoring.analysis.text.domains import owner_of_host
from llm_monitoring.analysis.text.hosts import ascii_host, site_named

TRACKING = frozenset({"gclid", "fbclid", "srsltid"})
ANY_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Google's grounding links: the page that they lead to is known by what stands next to the link.
REDIRECTS = frozenset({"vertexaisearch.cloud.google.com"})
DEFAULT_PORTS = {"http": "80", "https": "443"}
ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
NO_CODE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# What means something else in a path or a query when it is encoded.
PATH_SIGNS = "/?#%"
QUERY_SIGNS = "&=+;#%"
PLAIN = "!$&'()*+,-./:;=?@_~"
AS_IS = re.compile(f"[A-Za-z0-9{re.escape(PLAIN)}]*")


class Source(TypedDict):
    """A page that the answer cites; `kind` is `provider` or `inline`.

    `cited` says whether the text marks the page; None if the provider does not tell cited pages from searched ones.
    """

    url: str
    domain: str
    title: str | None
    kind: str
    cited: bool | None


@dataclass(frozen=True, slots=True)
class Citation:
    """A citation as a provider returned it: a mapping or an object, each field of which may be missing."""

    url: str
    title: str | None
    site: str | None
    cited: bool | None


def find_sources(citations: Iterable[object], links: Iterable[Link]) -> tuple[Source, ...]:
    """The pages cited, each once, in order of appearance, provider before inline."""
    found: dict[str, Source] = {}
    for citation in map(read_citation, citations):
        add_source(found, citation, "provider")
    told_apart = any(source["cited"] is not None for source in found.values())
    for link in links:
        add_source(found, Citation(linked_address(link.url), link.title, None, True if told_apart else None), "inline")
    return tuple(found.values())


def read_citation(citation: object) -> Citation:
    """A citation of any form; an empty address if it has none."""
    names = ("url", "title", "domain", "cited")
    if isinstance(citation, Mapping):
        url, title, site, cited = (citation.get(name) for name in names)
    else:
        url, title, site, cited = (getattr(citation, name, None) for name in names)
    return Citation(
        with_scheme(url.strip()) if isinstance(url, str) else "",
        title if isinstance(title, str) else None,
        site if isinstance(site, str) else None,
        cited if isinstance(cited, bool) else None,
    )


def linked_address(url: str) -> str:
    """The target of a link; models leave out the scheme of one that opens with `www.` or `//`."""
    return with_scheme(url) if url[:4].lower() == "www." or url.startswith("//") else url


def with_scheme(url: str) -> str:
    """A provider's address, which may lack its scheme."""
    if url.startswith("//"):
        return f"https:{url}"
    return (
        url
        if not url or "://" in url or (ANY_SCHEME.match(url) and "." not in url.split(":", maxsplit=1)[0])
        else f"https://{url}"
    )


def add_source(found: dict[str, Source], citation: Citation, kind: str) -> None:
    """Add a page unless it is there already or is no web page."""
    parts = web_address(citation.url)
    if parts is None:
        return
    known = found.setdefault(
        key_of(parts),
        {
            "url": without_tracking(citation.url, parts),
            "domain": domain_of(parts, citation),
            "title": citation.title or None,
            "kind": kind,
            "cited": citation.cited,
        },
    )
    if citation.cited is not None:
        known["cited"] = known["cited"] or citation.cited


def web_address(url: str) -> SplitResult | None:
    """The parts of an address of the web; None if it is something else."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return None
    return parts if parts.scheme.lower() in DEFAULT_PORTS and host else None


def domain_of(parts: SplitResult, citation: Citation) -> str:
    """The site of a page; behind a redirect the one that is named next to the link."""
    host = (parts.hostname or "").rstrip(".").removeprefix("www.")
    if host in REDIRECTS:
        return site_named(citation.site) or site_named(citation.title) or host
    return host


@lru_cache(maxsize=20_000)
def page_key(url: str) -> str:
    """What all addresses of one page share: scheme, `www.`, a slash at the end and spelling make no difference."""
    parts = web_address(url)
    return key_of(parts) if parts is not None else url


def key_of(parts: SplitResult) -> str:
    """The same of an address in parts."""
    host = ascii_host(parts.hostname or "").removeprefix("www.")
    port = parts.netloc.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    if port == DEFAULT_PORTS[parts.scheme.lower()]:
        port = ""
    pairs = [same_spelling(pair, QUERY_SIGNS) for pair in kept_pairs(parts.query)]
    tail = "?" + "&".join(pairs) if any(pairs) else ""
    return f"{host}:{port}{same_spelling(parts.path, PATH_SIGNS).rstrip('/')}{tail}"


def same_spelling(text: str, signs: str) -> str:
    """A part of an address with every character encoded or plain in one way; encoded `signs` stay encoded."""
    if AS_IS.fullmatch(text):
        return text

    def plain(code: re.Match[str]) -> str:
        char = chr(int(code[1], 16))
        return char if char.isascii() and (char.isalnum() or char in PLAIN) and char not in signs else code[0].upper()

    return ENCODED.sub(plain, quote(NO_CODE.sub("%25", text), safe=PLAIN + "%", errors="replace"))


def kept_pairs(query: str) -> list[str]:
    """The parameters of a query that don't only follow the reader around."""
    return [pair for pair in query.split("&") if not is_tracking(same_spelling(pair.partition("=")[0], "").lower())]


def is_tracking(name: str) -> bool:
    """Whether a parameter only follows the reader around."""
    return name.startswith("utm_") or name in TRACKING


def without_tracking(url: str, parts: SplitResult) -> str:
    """An address without its fragment and its tracking parameters, the rest as it was written."""
    cleaned = url.partition("#")[0]
    query = "&".join(kept_pairs(parts.query))
    if query == parts.query and query:
        return cleaned
    return cleaned.partition("?")[0] + (f"?{query}" if query else "")


def cited_pages(sources: Iterable[Source], hosts: Mapping[str, int]) -> dict[int, int]:
    """How many of the pages belong to each entity, by its number; `hosts` are the declared ones."""
    pages: dict[int, int] = {}
    for source in sources:
        owner = owner_of_source(source["domain"], hosts)
        if owner is not None:
            pages[owner] = pages.get(owner, 0) + 1
    return pages


def owner_of_source(domain: str, hosts: Mapping[str, int]) -> int | None:
    """The entity to which the site of a source belongs, by its number: none if only a redirect is known of it."""
    return None if domain in REDIRECTS else owner_of_host(ascii_host(domain), hosts)
