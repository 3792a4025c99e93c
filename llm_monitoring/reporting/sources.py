"""Which sites the answers of a period cite, by kind and provider, and where competitors are cited alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_monitoring import analysis, projects
from llm_monitoring.db import Database
from llm_monitoring.figures import Observation, Rate
from llm_monitoring.figures.periods import Period, observed_rows
from llm_monitoring.figures.readings import Readings
from llm_monitoring.figures.shares import AnswerShares
from llm_monitoring.projects import Project
from llm_monitoring.projects.site_kinds import KINDS, Kind, Site, SiteKinds, site_kinds
from llm_monitoring.reporting.citations import CitationTally
from llm_monitoring.reporting.report_data import pages_of

Numbers = set[int]
"""Answers, by their place in the period."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many answers cite something: `answers` of `of`, their rate in percent with its 95 % bounds."""

    answers: int
    of: int
    rate: Rate


@dataclass(frozen=True, slots=True)
class KindRow:
    """A kind of site: its sites and pages, and the answers that cite one of them, in all and by provider."""

    kind: Kind
    sites: int
    pages: int
    share: Share
    by_provider: Mapping[str, Share]


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A site: the answers that cite a page of it, in all with their rate and by provider in number.

    Of the answers `searched` list pages of it and mark none of them in their text.
    """

    site: Site
    pages: int
    prompts: int
    searched: int
    share: Share
    by_provider: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class GapSite:
    """A site cited in answers that name a competitor and neither name nor cite the brand; `rivals` in how many each."""

    site: Site
    answers: int
    prompts: int
    rivals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class GapPrompt:
    """A prompt of which answers cite a competitor's site and not the brand's: `gap` of its `answers`."""

    query_id: int
    text: str
    gap: int
    answers: int
    rivals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SourceTotals:
    """A period's answers to prompts that do not name the brand, in all and by provider."""

    answers: int
    with_sources: int
    sites: int
    pages: int
    by_provider: Mapping[str, int]


@dataclass(slots=True)
class CitedSite:
    """One site while it is counted."""

    site: Site
    answers: Numbers = field(default_factory=set)
    marked: Numbers = field(default_factory=set)
    pages: set[str] = field(default_factory=set)


class SourceTally:
    """Counts the sites of answers, one answer at a time, so that a period's sources are never all in memory."""

    def __init__(self, kinds: SiteKinds) -> None:
        self.kinds = kinds
        self.observed: list[Observation] = []
        self.sites: dict[str, CitedSite] = {}
        self.with_sources = 0
        self.brand_cited: Numbers = set()
        self.rivals_cited: dict[int, frozenset[str]] = {}
        self.counted = AnswerShares(())

    def add(self, row: Mapping[str, Any], observed: Observation) -> None:
        """Count the sites of one answer; answers to prompts that name the brand count nowhere."""
        if observed.branded:
            return
        number = len(self.observed)
        self.observed.append(observed)
        self.with_sources += bool(row["sources"])
        rivals = set()
        for source in row["sources"] or ():
            site = self.kinds.of(source["domain"])
            cited = self.sites.setdefault(site.name, CitedSite(site))
            cited.answers.add(number)
            cited.pages.add(analysis.page_key(source["url"]))
            if source.get("cited") is not False:
                cited.marked.add(number)
            if site.kind == "own":
                self.brand_cited.add(number)
            elif site.kind == "rival" and site.owner is not None:
                rivals.add(site.owner)
        if rivals:
            self.rivals_cited[number] = frozenset(rivals)

    def totals(self) -> SourceTotals:
        return SourceTotals(
            answers=len(self.observed),
            with_sources=self.with_sources,
            sites=len(self.sites),
            pages=sum(len(each.pages) for each in self.sites.values()),
            by_provider=dict(sorted(Counter(o.provider for o in self.observed).items())),
        )

    def kind_rows(self) -> list[KindRow]:
        """Each kind that is cited, the most cited first."""
        rows = []
        for kind in KINDS:
            some = [each for each in self.sites.values() if each.site.kind == kind]
            if some:
                citing = set().union(*(each.answers for each in some))
                pages = sum(len(each.pages) for each in some)
                rows.append(KindRow(kind, len(some), pages, self.share(citing), self.shares(citing)))
        return sorted(rows, key=lambda row: -row.share.answers)

    def site_rows(self, kind: Kind | None = None, after: int = 0, most: int = 50) -> list[SiteRow]:
        """The most cited sites, of one kind or of all, `most` of them from number `after` on."""
        some = [each for each in self.sites.values() if kind in (None, each.site.kind)]
        ordered = sorted(some, key=lambda each: (-len(each.answers), -self.prompts(each.answers), each.site.name))
        return [self.site_row(each) for each in ordered[after : after + most]]

    def site_row(self, cited: CitedSite) -> SiteRow:
        return SiteRow(
            site=cited.site,
            pages=len(cited.pages),
            prompts=self.prompts(cited.answers),
            searched=len(cited.answers - cited.marked),
            share=self.share(cited.answers),
            by_provider=dict(sorted(Counter(self.observed[number].provider for number in cited.answers).items())),
        )

    def gap_sites(self, after: int = 0, most: int = 50) -> list[GapSite]:
        """The sites of others where a competitor is named and the brand is not, the most cited first."""
        open_answers = {
            number
            for number, o in enumerate(self.observed)
            if o.competitors and not o.brand_mentioned and number not in self.brand_cited
        }
        found = [
            self.gap_site(each.site, each.answers & open_answers)
            for each in self.sites.values()
            if each.site.kind not in ("own", "rival") and each.answers & open_answers
        ]
        ordered = sorted(found, key=lambda each: (-each.answers, -each.prompts, each.site.name))
        return ordered[after : after + most]

    def gap_site(self, site: Site, numbers: Numbers) -> GapSite:
        named = Counter(name for number in numbers for name in self.observed[number].competitors)
        return GapSite(site, len(numbers), self.prompts(numbers), dict(ordered_counts(named)))

    def gap_prompts(self, texts: Mapping[int, str]) -> list[GapPrompt]:
        """The prompts of which answers cite a competitor's site and not the brand's, the most such answers first."""
        gaps: dict[int, list[int]] = {}
        for number in self.rivals_cited.keys() - self.brand_cited:
            gaps.setdefault(self.observed[number].query_id, []).append(number)
        asked = Counter(o.query_id for o in self.observed)
        found = [
            GapPrompt(
                query_id,
                texts.get(query_id, ""),
                len(numbers),
                asked[query_id],
                dict(ordered_counts(Counter(name for number in numbers for name in self.rivals_cited[number]))),
            )
            for query_id, numbers in gaps.items()
        ]
        return sorted(found, key=lambda each: (-each.gap, each.query_id))

    def prompts(self, numbers: Iterable[int]) -> int:
        return len({self.observed[number].query_id for number in numbers})

    def share(self, citing: Collection[int], provider: str | None = None) -> Share:
        """The share of answers, of one provider or of all, that are among `citing`."""
        if len(self.counted.observed) != len(self.observed):
            self.counted = AnswerShares(tuple(self.observed))
        return Share(*self.counted.share(citing, provider))

    def shares(self, citing: Collection[int]) -> dict[str, Share]:
        providers = sorted({o.provider for o in self.observed})
        return {provider: self.share(citing, provider) for provider in providers}


def ordered_counts(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def read_sources(
    db: Database,
    project: Project,
    period: Period,
    provider: str | None = None,
    tag: str | None = None,
    *,
    pages: CitationTally | None = None,
) -> SourceTally:
    """The sites that the answers of a period cite, at one provider or at all, as present names read them.

    With a `tag` only answers to the prompts that have it count. The cited pages are counted in `pages` if it is given.
    """
    params = {"project_id": project.id, "first": period.first, "last": period.last, "tag": tag}
    readings, tally = Readings(db, project), SourceTally(site_kinds(db, project))
    for rows in pages_of(db, params):
        own = [row for row in rows if provider in (None, row["llm_provider"])]
        for row, observed in observed_rows(readings, own):
            tally.add(row, observed)
            if pages is not None:
                pages.add(row)
    return tally


def prompt_texts(db: Database, project_id: int) -> dict[int, str]:
    """The text of each prompt of a project."""
    return {row["id"]: row["query_text"] for row in projects.list_prompts(db, project_id)}
