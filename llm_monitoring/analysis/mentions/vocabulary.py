"""The compiled vocabulary of a project: every spelling and exclude phrase, indexed by its first word."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from llm_monitoring.analysis.entity import Entity
from llm_monitoring.analysis.mentions.denials import NEGATIONS
from llm_monitoring.analysis.text.domains import normalise_domain
from llm_monitoring.analysis.text.folding import fold, fold_keeping_case
from llm_monitoring.analysis.text.hosts import ascii_host, readable_host
from llm_monitoring.analysis.text.scripts import word_pattern

SEPARATORS = re.compile(r"[\s'-]+")
# One hyphen or apostrophe, or spaces: a dash between spaces is punctuation ("Zoho – CRM" is no "Zoho CRM").
OPTIONAL_SEPARATOR = re.compile(r"(?:[-'] ?| +)?")
# Words at the start of a name that may be written as one: a longer run of them is no name.
MOST_JOINED = 16
# Terms of one first word that are tried one by one; more are looked up by their letters.
FEW_TERMS = 8


@dataclass(frozen=True, slots=True)
class Term:
    """One spelling: its entity, its folded parts, and how many symbols stand before its first word."""

    owner: int
    parts: tuple[str, ...]
    prefix: int = 0
    excluded: bool = False
    exact: str | None = None

    def end_in(self, text: str, start: int) -> int | None:
        """Where the spelling ends if it stands at `start`, with or without its separators; None if it does not.

        No part begins with a separator, so that each step has one way to go on and none is taken back.
        """
        end = start
        for place, part in enumerate(self.parts):
            if place and (separator := OPTIONAL_SEPARATOR.match(text, end)) is not None:
                end = separator.end()
            if not text.startswith(part, end):
                return None
            end += len(part)
        return end

    @property
    def letters(self) -> str:
        """The spelling without its separators."""
        return "".join(self.parts)

    def accepts_case(self, written: str) -> bool:
        """Whether the matched text has the case that an exact term asks for."""
        return joined(fold_keeping_case(written)) == self.exact


class Letters:
    """A folded text without its separators, and where each place of the text is in it."""

    def __init__(self, text: str) -> None:
        self.text = joined(text)
        self.starts: list[int] = []
        self.removed = [0]
        for found in SEPARATORS.finditer(text):
            self.starts.append(found.start())
            self.removed.append(self.removed[-1] + len(found.group()))

    def place_of(self, position: int) -> int:
        """The place of a character of the text that is no separator."""
        return position - self.removed[bisect_right(self.starts, position)]


class Crowd:
    """Many terms with one opening, by their letters, so that the time of a text does not grow with their number."""

    def __init__(self, terms: Iterable[Term]) -> None:
        self.by_letters: dict[str, list[Term]] = {}
        for term in terms:
            self.by_letters.setdefault(term.letters, []).append(term)
        shapes = {(term.prefix, len(letters)) for letters, each in self.by_letters.items() for term in each}
        self.shapes = sorted(shapes)

    def likely(self, letters: Letters, position: int) -> tuple[Term, ...]:
        """The terms whose letters stand at a position, from which their first word goes on."""
        place = letters.place_of(position)
        found: list[Term] = []
        for prefix, length in self.shapes:
            start = place - prefix
            if start >= 0:
                terms = self.by_letters.get(letters.text[start : start + length], ())
                found.extend(term for term in terms if term.prefix == prefix)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All terms: `by_word` by the first word in full, `by_symbol` by the first character if no word opens.

    `crowds` are the terms of words and symbols that open many. `watched` are the words that a reading notes: those that
    open a term and those of negation. `domains` are folded as they stand in text, `hosts` are exact, as sources are
    compared.
    """

    by_word: dict[str, tuple[Term, ...]]
    watched: frozenset[str]
    by_symbol: dict[str, tuple[Term, ...]]
    openings: re.Pattern[str] | None
    crowds: dict[str, Crowd]
    domains: dict[str, int]
    hosts: dict[str, int]


def joined(folded: str) -> str:
    """A folded name without its separators."""
    return SEPARATORS.sub("", folded)


def compile_vocabulary(entities: Sequence[Entity]) -> Vocabulary:
    """Index the terms of all entities; of two that share a spelling or a domain, the first keeps it."""
    by_word: dict[str, list[Term]] = {}
    by_symbol: dict[str, list[Term]] = {}
    domains: dict[str, int] = {}
    for owner, entity in enumerate(entities):
        for domain in entity.domains:
            domains.setdefault(fold(readable_host(normalise_domain(domain))).text, owner)
        for spelling in entity.spellings:
            add_term(by_word, by_symbol, spelling, owner, exact=entity.case_sensitive)
        for phrase in entity.exclude:
            add_term(by_word, by_symbol, phrase, owner, excluded=True)
    domains.pop("", None)
    openings = re.compile("[" + re.escape("".join(by_symbol)) + "]") if by_symbol else None
    return Vocabulary(
        {word: tuple(terms) for word, terms in by_word.items()},
        NEGATIONS.union(by_word),
        {symbol: tuple(terms) for symbol, terms in by_symbol.items()},
        openings,
        {opening: Crowd(terms) for opening, terms in (by_word | by_symbol).items() if len(terms) > FEW_TERMS},
        domains,
        compile_hosts(entities),
    )


def compile_hosts(entities: Sequence[Entity]) -> dict[str, int]:
    """The hosts that entities declare, each with the number of the first entity that does."""
    hosts: dict[str, int] = {}
    for owner, entity in enumerate(entities):
        for domain in entity.domains:
            hosts.setdefault(ascii_host(normalise_domain(domain)), owner)
    hosts.pop("", None)
    return hosts


def add_term(
    by_word: dict[str, list[Term]],
    by_symbol: dict[str, list[Term]],
    spelling: str,
    owner: int,
    *,
    exact: bool = False,
    excluded: bool = False,
) -> None:
    """Add one spelling under every first word that its optional separators allow."""
    parts = tuple(part for part in SEPARATORS.split(fold(spelling).text) if part)
    if not parts:
        return
    cased = joined(fold_keeping_case(spelling)) if exact else None
    words, prefix = first_words(parts)
    term = Term(owner, parts, prefix, excluded, cased)
    for word in words:
        by_word.setdefault(word, []).append(term)
    if not words or len(parts[0]) <= prefix:
        by_symbol.setdefault(parts[0][0], []).append(term if not words else Term(owner, parts, 0, excluded, cased))


def first_words(parts: Sequence[str]) -> tuple[list[str], int]:
    """Every first word that a name has as its separators are written or not, and the number of symbols before it.

    No word if an unspaced script or only symbols open it.
    """
    name = "".join(parts)
    found = word_pattern(name).search(name)
    if found is None or any(char.isalnum() for char in name[: found.start()]):
        return [], 0
    lengths = accumulate(len(part) for part in parts[:MOST_JOINED])
    ends = dict.fromkeys(min(length, found.end()) for length in lengths if length > found.start())
    return [name[found.start() : end] for end in ends], found.start()
