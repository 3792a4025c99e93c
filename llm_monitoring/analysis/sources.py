"""What an answer cites: one source a page, the provider's first, then the links of the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypedDict
from urllib.parse import urlsplit

from llm_monitoring.analysis.blocks import Link
from llm_monitoring.analysis.domains import owner_of_host
from llm_monitoring.analysis.folding import fold

TRACKING = frozenset({"gclid", "fbclid", "srsltid"})
ANY_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class Source(TypedDict):
    """A page that the answer cites; `kind` is `provider` or `inline`."""

    url: str
    domain: str
    title: str | None
    kind: str


def find_sources(citations: Iterable[object], links: Iterable[Link]) -> tuple[Source, ...]:
    """The pages cited, each once, in order of appearance, provider before inline."""
    found: dict[str, Source] = {}
    for citation in citations:
        url, title = read_citation(citation)
        add_source(found, with_scheme(url), title, "provider")
    for link in links:
        add_source(found, link.url, link.title, "inline")
    return tuple(found.values())


def read_citation(citation: object) -> tuple[str, str | None]:
    """The address and title of a citation, a mapping or an object; an empty address where it has none."""
    if isinstance(citation, Mapping):
        url, title = citation.get("url"), citation.get("title")
    else:
        url, title = getattr(citation, "url", None), getattr(citation, "title", None)
    return (url.strip() if isinstance(url, str) else ""), (title if isinstance(title, str) else None)


def with_scheme(url: str) -> str:
    """A provider's address, which may lack its scheme."""
    return (
        url
        if not url or "://" in url or (ANY_SCHEME.match(url) and "." not in url.split(":", maxsplit=1)[0])
        else f"https://{url}"
    )


def add_source(found: dict[str, Source], url: str, title: str | None, kind: str) -> None:
    """Add a page unless it is there already or is no web page."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return
    if parts.scheme.lower() not in {"http", "https"} or not host:
        return
    domain = host.removeprefix("www.")
    port = parts.netloc.rpartition("@")[2].partition(":")[2]
    query = without_tracking(parts.query)
    tail = f"?{query}" if query else ""
    key = f"{domain}:{port}{parts.path.rstrip('/')}{tail}"
    cleaned = url.partition("#")[0]
    if query != parts.query or not query:
        cleaned = cleaned.partition("?")[0] + tail
    found.setdefault(key, {"url": cleaned, "domain": domain, "title": title or None, "kind": kind})


def without_tracking(query: str) -> str:
    """A query without its tracking parameters, the others as they were."""
    return "&".join(pair for pair in query.split("&") if not is_tracking(pair.partition("=")[0].lower()))


def is_tracking(name: str) -> bool:
    """Whether a parameter only follows the reader around."""
    return name.startswith("utm_") or name in TRACKING


def cited_pages(sources: Iterable[Source], declared: Mapping[str, int]) -> dict[int, int]:
    """How many of the pages belong to each entity, by its number."""
    pages: dict[int, int] = {}
    for source in sources:
        owner = owner_of_host(fold(source["domain"]).text, declared)
        if owner is not None:
            pages[owner] = pages.get(owner, 0) + 1
    return pages
