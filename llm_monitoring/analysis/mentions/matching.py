"""Finds the tracked names in a text: leftmost-longest over all entities and exclude phrases together.

The search runs over the folded text (case, accents and kinds of space removed) and maps each match back to its place
in the visible text. `places` yields every position at which a name may start: a word that opens a name, a symbol that
does, or a domain that an entity declares. At each position `best` tries all terms and keeps the leftmost, longest
candidate; the next search starts at its end (`floor`), so matches never overlap. An exclude phrase takes part like a
name and takes its text, but yields no match. `attempt` refuses a candidate if a letter, digit or underscore touches
it, if it is a part of a domain-like token, or if a case-sensitive name is written in another case. Words that may
deny a mention are noted in the same pass; `absence` reads them later.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from llm_monitoring.analysis.mentions.denials import NEGATIONS
from llm_monitoring.analysis.mentions.edges import ends_name, genitive
from llm_monitoring.analysis.mentions.vocabulary import Letters, Term, Vocabulary
from llm_monitoring.analysis.text.blocks import Document
from llm_monitoring.analysis.text.domains import DomainRun, domain_runs
from llm_monitoring.analysis.text.folding import Folded, fold
from llm_monitoring.analysis.text.scripts import touches, word_pattern


@dataclass(frozen=True, slots=True)
class Match:
    """One occurrence of an entity, by its number, in the visible and in the folded text."""

    owner: int
    start: int
    end: int
    folded_start: int
    folded_end: int


@dataclass(frozen=True, slots=True)
class Found:
    """What one pass over a text found: the matches in order, and the words that may deny them, with their places."""

    folded: Folded
    matches: list[Match]
    negations: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible match in the folded text."""

    start: int
    end: int
    owner: int
    excluded: bool = False


@dataclass(slots=True)
class Search:
    """One pass over one text."""

    vocabulary: Vocabulary
    visible: str
    folded: Folded
    runs: list[DomainRun]
    run_starts: list[int]
    genitive: bool
    negations: list[tuple[int, str]] = field(default_factory=list)
    letters: Letters | None = None

    def matches(self) -> list[Match]:
        """The matches of entities, in order; those of exclude phrases only take their text."""
        found: list[Match] = []
        floor = 0
        for position, terms in self.places():
            if position < floor:
                continue
            best = self.best(position, terms, floor)
            if best is None:
                continue
            floor = best.end
            if not best.excluded:
                found.append(self.located(best))
        return found

    def located(self, best: Candidate) -> Match:
        """A candidate with its place in the visible text."""
        start, end = self.folded.start_of(best.start), self.folded.end_of(best.end)
        return Match(best.owner, start, end, best.start, best.end)

    def places(self) -> Iterator[tuple[int, tuple[Term, ...]]]:
        """Every position at which a name may start, in order, with the terms to try there."""
        text, by_word, by_symbol = self.folded.text, self.vocabulary.by_word, self.vocabulary.by_symbol
        watched, genitive = self.vocabulary.watched, self.genitive
        found: list[tuple[int, tuple[Term, ...]]] = []
        for word in word_pattern(text).finditer(text):
            key = word[0]
            if key in watched:
                if key in by_word:
                    found.append((word.start(), self.terms_at(word.start(), key, by_word)))
                if key in NEGATIONS:
                    self.negations.append((word.start(), key))
            if genitive and key[-1] == "s" and key[:-1] in by_word:
                found.append((word.start(), self.terms_at(word.start(), key[:-1], by_word)))
        names_by_word = len(found)
        found.extend((run.start, ()) for run in self.runs if run.owner is not None)
        if self.vocabulary.openings is not None:
            openings = self.vocabulary.openings.finditer(text)
            found.extend((match.start(), self.terms_at(match.start(), match[0], by_symbol)) for match in openings)
        return iter(merged(found) if self.genitive or len(found) > names_by_word else found)

    def terms_at(self, position: int, opening: str, index: dict[str, tuple[Term, ...]]) -> tuple[Term, ...]:
        """The terms of an opening that are worth an attempt: of many, those whose letters stand there."""
        crowd = self.vocabulary.crowds.get(opening)
        if crowd is None:
            return index[opening]
        if self.letters is None:
            self.letters = Letters(self.folded.text)
        return crowd.likely(self.letters, position)

    def best(self, position: int, terms: tuple[Term, ...], floor: int) -> Candidate | None:
        """The leftmost, longest candidate at a position."""
        candidates = [found for term in terms if (found := self.attempt(term, position, floor)) is not None]
        run = self.run_at(position)
        if run is not None and run.start == position and run.owner is not None:
            candidates.append(Candidate(position, run.end, run.owner))
        if not candidates:
            return None
        if len(candidates) == 1:
            return candidates[0]
        start = min(found.start for found in candidates)
        end = max(found.end for found in candidates if found.start == start)
        return claimant([found for found in candidates if (found.start, found.end) == (start, end)])

    def attempt(self, term: Term, position: int, floor: int) -> Candidate | None:
        """The term as it stands at a position, if its edges, its case and the domains around it allow it."""
        text, start = self.folded.text, position - term.prefix
        if start < floor:
            return None
        end = term.end_in(text, start)
        if end is None or touches(text, start - 1, start):
            return None
        if not ends_name(text, start, end, with_genitive=self.genitive) or not self.clear_of_domains(start, end):
            return None
        if term.exact is not None and not term.accepts_case(self.written(start, end)):
            return None
        return Candidate(start, end, term.owner, term.excluded)

    def written(self, start: int, end: int) -> str:
        """A stretch of the folded text as the answer has it."""
        return self.visible[self.folded.start_of(start) : self.folded.end_of(end)]

    def run_at(self, position: int) -> DomainRun | None:
        """The last domain-like token that starts at or before a position."""
        place = bisect_right(self.run_starts, position)
        return self.runs[place - 1] if place else None

    def clear_of_domains(self, start: int, end: int) -> bool:
        """Whether a match covers every domain-like token that it meets: a part of one is no mention."""
        if not self.runs:
            return True
        before = self.run_at(start)
        if before is not None and before.start < start < before.end:
            return False
        last = self.run_at(end - 1)
        return last is None or last.start < start or last.end <= end


def claimant(candidates: list[Candidate]) -> Candidate:
    """Of candidates for the same text, the first entity that does not exclude it; else the exclude phrase."""
    excluding = {found.owner for found in candidates if found.excluded}
    naming = [found for found in candidates if not found.excluded and found.owner not in excluding]
    if naming:
        return min(naming, key=lambda found: found.owner)
    return next(found for found in candidates if found.excluded)


def merged(places: list[tuple[int, tuple[Term, ...]]]) -> list[tuple[int, tuple[Term, ...]]]:
    """The places in order, the terms of one place together."""
    together: dict[int, tuple[Term, ...]] = {}
    for position, terms in sorted(places, key=lambda place: place[0]):
        together[position] = together.get(position, ()) + terms
    return list(together.items())


def find_matches(vocabulary: Vocabulary, document: Document) -> Found:
    """The tracked names in the visible text of an answer, absence not yet considered."""
    visible = document.text
    folded = fold(visible)
    runs = domain_runs(folded, visible, vocabulary.domains)
    search = Search(vocabulary, visible, folded, runs, [run.start for run in runs], genitive(document.language))
    return Found(folded, search.matches(), search.negations)
