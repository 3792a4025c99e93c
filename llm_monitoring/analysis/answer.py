"""The analysis of one answer: what `measurement.md` sections 1 to 5 define, computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from llm_monitoring.analysis.entity import Entity
from llm_monitoring.analysis.mentions.absence import absent_matches
from llm_monitoring.analysis.mentions.matching import Match, find_matches
from llm_monitoring.analysis.mentions.vocabulary import compile_vocabulary
from llm_monitoring.analysis.rankings.find import find_rankings
from llm_monitoring.analysis.rankings.items import Ranking
from llm_monitoring.analysis.rankings.subjects import Named
from llm_monitoring.analysis.rankings.unheld import unheld_names
from llm_monitoring.analysis.result import Analysis, Mention
from llm_monitoring.analysis.sources import cited_pages, find_sources
from llm_monitoring.analysis.text.blocks import Document
from llm_monitoring.analysis.text.markdown import read_markdown
from llm_monitoring.analysis.text.marked_names import marked_names

BRAND = 0
CONTEXT_COUNT = 5
CONTEXT_REACH = 150
PROMPTS_KEPT = 5_000


class Matcher:
    """A project's brand and competitors, compiled once; threads may share it."""

    def __init__(self, brand: Entity, competitors: Iterable[Entity] = ()) -> None:
        self.entities: tuple[Entity, ...] = (brand, *competitors)
        self.vocabulary = compile_vocabulary(self.entities)
        self.marked = marked_names(self.entities)
        self.prompts: dict[bytes, bool] = {}

    def analyse(self, text: str | None, citations: Iterable[object] = (), language: str | None = None) -> Analysis:
        """Every figure of one answer.

        `citations` are mappings or objects with `url` and `title`, and `domain` and `cited` if the provider gives them.
        `language` is the ISO 639-1 code of the prompt's language; without one no rule that names languages applies.
        """
        document = self.read(text, language)
        named = self.named(document)
        kept = [one.match for one in named if not one.absent]
        counts = Counter(match.owner for match in kept)
        sources = find_sources(citations, document.links)
        pages = cited_pages(sources, self.vocabulary.hosts)
        held = places_held(find_rankings(document, named) if kept else [])
        place = held.get(BRAND, Place())
        return Analysis(
            brand_mentioned=counts[BRAND] > 0,
            mention_count=counts[BRAND],
            mention_contexts=contexts(document.text, kept),
            competitors_mentioned=self.by_name(counts),
            mention_order=order_of_brand(kept),
            position_in_list=place.position,
            total_items_in_list=place.total,
            ranking_kind=place.kind,
            appears_in_numbered_list=place.kind == "numbered",
            competitor_positions=self.positions(held),
            sources=sources,
            brand_cited=pages.get(BRAND, 0) > 0,
            competitors_cited=self.by_name(pages),
            visible_text=document.text,
        )

    def mentions(self, text: str | None, language: str | None = None) -> tuple[Mention, ...]:
        """The mentions of all entities, with their places in the visible text; `language` as in `analyse`."""
        return self.mentions_in(self.read(text, language))

    def mentions_in(self, document: Document) -> tuple[Mention, ...]:
        """The mentions of an answer that `read` has read already."""
        return tuple(
            Mention(self.entities[item.match.owner].name, item.match.start, item.match.end)
            for item in self.named(document)
            if not item.absent
        )

    def names_brand(self, prompt: str | None, language: str | None = None) -> bool:
        """Whether a prompt names the brand itself; each prompt is read once, as it comes again with every answer."""
        key = prompt_digest(prompt or "", language)
        known = self.prompts.get(key)
        if known is not None:
            return known
        found = find_matches(self.vocabulary, self.read(prompt, language))
        if len(self.prompts) >= PROMPTS_KEPT:
            self.prompts.clear()
        return self.prompts.setdefault(key, any(match.owner == BRAND for match in found.matches))

    def untracked_names(self, text: str | None, language: str | None = None) -> tuple[str, ...]:
        """The names that rankings of an answer list next to tracked ones, each once, as they are written."""
        document = self.read(text, language)
        return tuple(dict.fromkeys(unheld_names(find_rankings(document, self.named(document)))))

    def read(self, text: str | None, language: str | None = None) -> Document:
        """An answer's visible text, blocks and links; places of mentions are places in this text."""
        return read_markdown(text or "", language, self.marked)

    def named(self, document: Document) -> list[Named]:
        """Every occurrence of a tracked name, marked if the model denies knowing it."""
        found = find_matches(self.vocabulary, document)
        absent = absent_matches(found, document.text)
        return [Named(match, match in absent) for match in found.matches]

    def positions(self, held: dict[int, Place]) -> dict[str, int]:
        """The positions of the competitors that hold one, each in the first ranking in which it does."""
        found: dict[str, int] = {}
        for owner, entity in enumerate(self.entities[1:], 1):
            place = held.get(owner)
            if place is not None and place.position is not None:
                found.setdefault(entity.name, place.position)
        return found

    def by_name(self, counts: dict[int, int]) -> dict[str, int]:
        """Counts by competitor's name, in the order of the competitors, none of zero."""
        totals: dict[str, int] = {}
        for owner, entity in enumerate(self.entities[1:], 1):
            if counts.get(owner, 0):
                totals[entity.name] = totals.get(entity.name, 0) + counts[owner]
        return totals


@dataclass(frozen=True, slots=True)
class Place:
    """An entity's place in the first ranking in which it holds one."""

    position: int | None = None
    total: int | None = None
    kind: str | None = None


def prompt_digest(prompt: str, language: str | None) -> bytes:
    """What a matcher knows a prompt by: the texts of all prompts of a large run would take megabytes."""
    return blake2b(f"{language}\n{prompt}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def places_held(rankings: Sequence[Ranking]) -> dict[int, Place]:
    """The place of every entity that holds one, by its number."""
    found: dict[int, Place] = {}
    for ranking in rankings:
        for count, entry in enumerate(ranking.entries, 1):
            for owner in entry.holders:
                if owner not in found:
                    shown = entry.number if entry.number is not None else count
                    found[owner] = Place(shown, len(ranking.entries), ranking.kind)
    return found


def order_of_brand(kept: Sequence[Match]) -> int | None:
    """The brand's place among the entities mentioned, by first occurrence."""
    owners = list(dict.fromkeys(match.owner for match in kept))
    return owners.index(BRAND) + 1 if BRAND in owners else None


def contexts(text: str, kept: Sequence[Match]) -> tuple[str, ...]:
    """The text around the first mentions of the brand, cut at word edges."""
    brand = [match for match in kept if match.owner == BRAND][:CONTEXT_COUNT]
    return tuple(context(text, match) for match in brand)


def context(text: str, match: Match) -> str:
    """The text around one mention."""
    start, end = max(0, match.start - CONTEXT_REACH), min(len(text), match.end + CONTEXT_REACH)
    if start > 0 and not text[start - 1].isspace():
        cut = next((place for place in range(start, match.start) if text[place].isspace()), start)
        start = cut
    if end < len(text) and not text[end].isspace():
        end = next((place for place in range(end, match.end, -1) if text[place - 1].isspace()), end)
    return text[start:end].strip()


@lru_cache(maxsize=64)
def compiled(brand: Entity, competitors: tuple[Entity, ...]) -> Matcher:
    """The matcher of these entities, kept for the next answer."""
    return Matcher(brand, competitors)


def analyse(
    text: str | None,
    brand: Entity,
    competitors: Iterable[Entity] = (),
    citations: Iterable[object] = (),
    language: str | None = None,
) -> Analysis:
    """Analyse one answer; see `Matcher.analyse`. No text is an analysis of nothing."""
    return compiled(brand, tuple(competitors)).analyse(text, citations, language)
