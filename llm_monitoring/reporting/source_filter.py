"""Which answers a figure of sources counts: those that cite a site or a kind, or where competitors stand alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llm_monitoring import analysis
from llm_monitoring.db import Row
from llm_monitoring.projects.site_kinds import Kind, Site, SiteKinds

Where = Literal["sourced", "competitors_only", "brand_missing"]


@dataclass(frozen=True, slots=True)
class SourceFilter:
    """Answers to prompts that do not name the brand. None leaves a condition out; `page` is an address.

    `sourced` ones have sources; `competitors_only` ones cite a site of a competitor and none of the brand;
    `brand_missing` ones name a competitor, and neither name nor cite the brand.
    """

    kinds: SiteKinds
    site: str | None = None
    kind: Kind | None = None
    where: Where | None = None
    page: str | None = None

    def fits(self, row: Row) -> bool:
        """Whether a figure of these sources counts an answer as it is read now."""
        if row["branded"]:
            return False
        cited = [self.kinds.of(source["domain"]) for source in row["sources"] or ()]
        wanted = [each for each in cited if self.site in (None, each.name) and self.kind in (None, each.kind)]
        if (self.site is not None or self.kind is not None) and not wanted:
            return False
        return self.has_page(row) and self.is_there(row, cited)

    def has_page(self, row: Row) -> bool:
        """Whether one of the sources is the page, in whichever spelling of its address."""
        if self.page is None:
            return True
        wanted = analysis.page_key(self.page)
        return any(analysis.page_key(source["url"]) == wanted for source in row["sources"] or ())

    def is_there(self, row: Row, cited: list[Site]) -> bool:
        kinds = {each.kind for each in cited}
        match self.where:
            case "competitors_only":
                return "rival" in kinds and "own" not in kinds
            case "brand_missing":
                return bool(row["competitors_mentioned"]) and not row["brand_mentioned"] and "own" not in kinds
            case "sourced":
                return bool(cited)
        return True
