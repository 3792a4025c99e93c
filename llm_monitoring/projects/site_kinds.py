"""The kinds of the sites that answers cite: declared in the project, set by a user, or listed as well known."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final, Literal, get_args

from publicsuffixlist import PublicSuffixList

from llm_monitoring import analysis
from llm_monitoring.db import Database, Row, load
from llm_monitoring.errors import Invalid, NotFound
from llm_monitoring.projects.definition import Project
from llm_monitoring.projects.sites import site_problem
from llm_monitoring.projects.store import find, hold

SQL = load("site_kinds")

Kind = Literal["own", "rival", "editorial", "reference", "forum", "shop", "institutional", "other"]
Basis = Literal["declared", "set", "listed", "unknown"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SETTABLE: Final[tuple[Kind, ...]] = ("editorial", "reference", "forum", "shop", "institutional", "other")
"""Own and rival sites are those that the project declares: its figures of citations count them."""

MOST_SET: Final = 1000
BRAND: Final = 0


@dataclass(frozen=True, slots=True)
class Site:
    """The site of a host and its kind; `owner` is the entity that declares it, `basis` says what the kind rests on."""

    name: str
    kind: Kind
    basis: Basis
    owner: str | None = None


@dataclass(slots=True)
class SiteKinds:
    """Finds the site and the kind of a host in one project.

    A declared site decides first, then the longest one that a user set, then the longest of the list. The site is what
    someone can register (`elpais.com`, `bbc.co.uk`), or a longer host if that is what decided.
    """

    project: Project
    user_set: Mapping[str, Kind]
    declared: Mapping[str, int] = field(init=False)
    known: dict[str, Site] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.declared = analysis.compile_hosts((self.project.brand, *self.project.competitors))

    def of(self, domain: str) -> Site:
        """The site to which the host of a source belongs."""
        found = self.known.get(domain)
        if found is None:
            found = self.known[domain] = self.classify(analysis.ascii_host(domain).removeprefix("www."))
        return found

    def classify(self, host: str) -> Site:
        entry = analysis.entry_of_host(host, self.declared)
        if entry is not None:
            number = self.declared[entry]
            if number == BRAND:
                return Site(longer(host, entry), "own", "declared", self.project.brand.name)
            return Site(longer(host, entry), "rival", "declared", self.project.competitors[number - 1].name)
        entry = analysis.entry_of_host(host, self.user_set)
        if entry is not None:
            return Site(longer(host, entry), self.user_set[entry], "set")
        entry = analysis.entry_of_host(host, listed_kinds())
        if entry is not None:
            return Site(longer(host, entry), listed_kinds()[entry], "listed")
        return Site(registrable(host), "other", "unknown")


def longer(host: str, entry: str) -> str:
    """What someone can register of a host, or the entry that decides if it is longer."""
    return max(registrable(host), entry, key=len)


def registrable(host: str) -> str:
    """The part of a host that someone can register: `bbc.co.uk`; the host itself if it has none, as an address."""
    if host.replace(".", "").isdigit():
        return host
    return suffixes().privatesuffix(host) or host


@cache
def suffixes() -> PublicSuffixList:
    """The public suffix list, as the package holds it: nothing is fetched."""
    return PublicSuffixList()


@cache
def listed_kinds() -> Mapping[str, Kind]:
    """The kind of each well-known site."""
    text = files("llm_monitoring.projects").joinpath("data", "site_kinds.toml").read_text(encoding="utf-8")
    sites_of = tomllib.loads(text)
    return {site: kind for kind in SETTABLE for site in sites_of.get(kind, ())}


def site_kinds(db: Database, project: Project) -> SiteKinds:
    """The kinds of sites of a project, with those that its user set."""
    return SiteKinds(project, {row["site"]: row["kind"] for row in set_kinds(db, project.id)})


def set_kinds(db: Database, project_id: int) -> list[Row]:
    """The sites of which a user set the kind: `site`, `kind`, `set_at`."""
    return db.all(SQL.kinds, {"project_id": project_id})


def set_kind(db: Database, project_id: int, domain: str, kind: str) -> tuple[str, Kind | None]:
    """Set the kind of a site and of all below it; return its host and the kind that it had from a user before.

    Raises NotFound without such a project, and Invalid for another kind or for what is no site of others. Needs the
    caller's transaction.
    """
    hold(db, project_id)
    project = find(db, project_id)
    if kind not in SETTABLE:
        reason = "it comes from declared sites: add the site to the brand or competitor" if kind in KINDS else "unknown"
        sentence = f"{kind!r} cannot be set ({reason}); the kinds are {', '.join(SETTABLE)}"
        raise Invalid("kind", sentence, code="kind_not_settable")
    site = site_of(project, domain)
    before = kind_set(db, project_id, site)
    row = db.one(SQL.set_kind, {"project_id": project_id, "site": site, "kind": kind, "most": MOST_SET})
    if row is None:
        sentence = f"a project has at most {MOST_SET} sites of which the kind is set"
        raise Invalid("site", sentence, code="site_kinds_too_many", most=MOST_SET)
    return site, before


def unset_kind(db: Database, project_id: int, domain: str) -> tuple[str, Kind]:
    """Return a site to the kind of the list; return its host and the kind that was set. Raises NotFound.

    Needs the caller's transaction.
    """
    hold(db, project_id)
    site = analysis.ascii_host(analysis.normalise_domain(domain))
    before = kind_set(db, project_id, site)
    if before is None:
        raise NotFound("site", site, project_id=project_id)
    db.execute(SQL.unset_kind, {"project_id": project_id, "site": site})
    return site, before


def kind_set(db: Database, project_id: int, site: str) -> Kind | None:
    row = db.one(SQL.kind, {"project_id": project_id, "site": site})
    return None if row is None else row["kind"]


def site_of(project: Project, domain: str) -> str:
    """The host that a user names; raises Invalid if it is none, is all of an ending, or is declared in the project."""
    problem = site_problem(domain)
    if problem:
        raise problem.invalid("site", f"{domain[:80]!r}: ")
    site = analysis.ascii_host(analysis.normalise_domain(domain))
    if suffixes().privatesuffix(site) is None:
        sentence = f"{site} is an ending that many sites share: name one of them"
        raise Invalid("site", sentence, code="site_ending", site=site)
    found = SiteKinds(project, {}).of(site)
    if found.basis == "declared":
        sentence = f"{site} is a declared site of {found.owner}"
        raise Invalid("site", sentence, code="site_declared", site=site, owner=found.owner)
    return site
