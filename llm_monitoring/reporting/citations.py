"""Which pages the answers cite, which entity owns them, and where competitors are cited and the brand is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from llm_monitoring import analysis
from llm_monitoring.analysis import Entity
from llm_monitoring.reporting.showing import UNSHOWABLE

Owner = Literal["brand", "rival", "other"]

LONGEST_URL: Final = 500
BRAND: Final = 0


@dataclass(frozen=True, slots=True)
class Page:
    """A source: in how many answers to how many prompts, by which providers; `rival` names its owner.

    Of the answers `searched` list it among their sources and do not mark it in their text.
    """

    url: str
    title: str
    domain: str
    owner: Owner
    rival: str | None
    answers: int
    searched: int
    prompts: int
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CitationView:
    """What the answers of a period cite. `gaps` are pages of answers that name a competitor and not the brand.

    Without a declared site nothing can be said of the brand's pages, or of the rivals'; only with all of them are pages
    of no owner a third party's.
    """

    with_sources: int
    answers: int
    pages: tuple[Page, ...]
    distinct_pages: int
    rivals_only: int
    rival_pages: tuple[Page, ...]
    gaps: tuple[Page, ...]
    brand_has_site: bool
    rivals_have_sites: bool
    all_have_sites: bool

    @property
    def searched(self) -> bool:
        """Whether a page that is shown was only searched in some answer."""
        return any(page.searched for page in (*self.pages, *self.rival_pages, *self.gaps))


@dataclass(slots=True)
class Cited:
    """One page while it is counted."""

    url: str
    title: str
    domain: str
    answers: int = 0
    searched: int = 0
    prompts: set[int] = field(default_factory=set)
    providers: Counter[str] = field(default_factory=Counter)

    def count(self, row: Mapping[str, Any], title: str, *, cited: bool) -> None:
        self.answers += 1
        self.searched += not cited
        self.prompts.add(row["query_id"])
        self.providers[row["llm_provider"]] += 1
        self.title = self.title or title


CitedPages = dict[str, Cited]


class CitationTally:
    """Counts cited pages over answers, one at a time, so that a period's sources are never all in memory."""

    def __init__(self, brand: Entity, competitors: Sequence[Entity]) -> None:
        self.entities = (brand, *competitors)
        self.hosts = analysis.compile_hosts(self.entities)
        self.answers = self.with_sources = self.rivals_only = 0
        self.all: CitedPages = {}
        self.without_brand: CitedPages = {}
        self.of_rivals: CitedPages = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Count the sources of one answer; answers to prompts that name the brand count nowhere."""
        if row["branded"]:
            return
        self.answers += 1
        self.with_sources += bool(row["sources"])
        rival_cited = bool(row["competitors_cited"]) and not row["brand_cited"]
        rival_named = bool(row["competitors_mentioned"]) and not row["brand_mentioned"]
        self.rivals_only += rival_cited
        for source in row["sources"]:
            owner = self.owner(source["domain"])
            groups = [self.all]
            if owner is None and rival_named and not row["brand_cited"]:
                groups.append(self.without_brand)
            if rival_cited and owner not in (None, BRAND):
                groups.append(self.of_rivals)
            for cited_pages in groups:
                put(cited_pages, source, row)

    def owner(self, domain: str) -> int | None:
        return analysis.owner_of_source(domain, self.hosts)

    def view(self, most: int = 15) -> CitationView:
        """The most cited pages of each kind."""
        return CitationView(
            with_sources=self.with_sources,
            answers=self.answers,
            pages=self.top(self.all, most),
            distinct_pages=len(self.all),
            rivals_only=self.rivals_only,
            rival_pages=self.top(self.of_rivals, most),
            gaps=self.top(self.without_brand, most),
            brand_has_site=bool(self.entities[BRAND].domains),
            rivals_have_sites=any(entity.domains for entity in self.entities[1:]),
            all_have_sites=all(entity.domains for entity in self.entities),
        )

    def top(self, cited_pages: CitedPages, most: int) -> tuple[Page, ...]:
        ordered = sorted(cited_pages.values(), key=lambda page: (-page.answers, -len(page.prompts), page.url))
        return tuple(self.page(each) for each in ordered[:most])

    def page(self, cited: Cited) -> Page:
        owner = self.owner(cited.domain)
        kind: Owner = "other" if owner is None else "brand" if owner == BRAND else "rival"
        rival = self.entities[owner].name if owner not in (None, BRAND) and owner is not None else None
        providers = tuple(name for name, _ in cited.providers.most_common())
        return Page(
            cited.url,
            cited.title,
            cited.domain,
            kind,
            rival,
            cited.answers,
            cited.searched,
            len(cited.prompts),
            providers,
        )


def put(cited_pages: CitedPages, source: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    title = source.get("title") or ""
    page = cited_pages.setdefault(analysis.page_key(source["url"]), Cited(source["url"], title, source["domain"]))
    page.count(row, title, cited=source.get("cited") is not False)


def safe_href(url: str) -> str | None:
    """`url` if a reader may be sent there: http or https with a host, no credentials, not too long; else None."""
    if len(url) > LONGEST_URL or any(ord(char) <= 32 for char in url) or UNSHOWABLE.search(url):
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and host and "@" not in parts.netloc else None


def address_shown(url: str) -> str:
    """An address without its scheme, and without the credentials that some carry."""
    rest = url.partition("://")[2]
    host, slash, path = rest.partition("/")
    return host.rpartition("@")[2] + slash + path
