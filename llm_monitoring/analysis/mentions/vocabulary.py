"""The compiled vocabulary of a project: every spelling and exclude phrase, indexed by its first word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from llm_monitoring.analysis.entity import Entity
from llm_monitoring.analysis.mentions.denials import NEGATIONS
from llm_monitoring.analysis.text.domains import normalise_domain
from llm_monitoring.analysis.text.folding import fold, fold_keeping_case
from llm_monitoring.analysis.text.hosts import ascii_host, readable_host
from llm_monitoring.analysis.text.scripts import word_pattern

SEPARATORS = re.compile(r"[\s'-]+")
# One hyphen or apostrophe, or spaces: a dash between spaces is punctuation ("Zoho – CRM" is no "Zoho CRM").
OPTIONAL_SEPARATOR = r"(?:[-'] ?| +)?"


@dataclass(frozen=True, slots=True)
class Term:
    """One spelling: its entity, how it is matched, and how many symbols stand before its first word."""

    owner: int
    pattern: re.Pattern[str]
    prefix: int = 0
    excluded: bool = False
    exact: str | None = None

    def accepts_case(self, written: str) -> bool:
        """Whether the matched text has the case that an exact term asks for."""
        return joined(fold_keeping_case(written)) == self.exact


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All terms: `by_word` by the first word in full, `by_symbol` by the first character if no word opens.

    `watched` are the words that a reading notes: those that open a term and those of negation. `domains` are folded as
    they stand in text, `hosts` are exact, as sources are compared.
    """

    by_word: dict[str, tuple[Term, ...]]
    watched: frozenset[str]
    by_symbol: dict[str, tuple[Term, ...]]
    openings: re.Pattern[str] | None
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
    hosts: dict[str, int] = {}
    for owner, entity in enumerate(entities):
        for domain in entity.domains:
            host = normalise_domain(domain)
            domains.setdefault(fold(readable_host(host)).text, owner)
            hosts.setdefault(ascii_host(host), owner)
        for spelling in entity.spellings:
            add_term(by_word, by_symbol, spelling, owner, exact=entity.case_sensitive)
        for phrase in entity.exclude:
            add_term(by_word, by_symbol, phrase, owner, excluded=True)
    domains.pop("", None)
    hosts.pop("", None)
    openings = re.compile("[" + re.escape("".join(by_symbol)) + "]") if by_symbol else None
    return Vocabulary(
        {word: tuple(terms) for word, terms in by_word.items()},
        NEGATIONS.union(by_word),
        {symbol: tuple(terms) for symbol, terms in by_symbol.items()},
        openings,
        domains,
        hosts,
    )


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
    parts = [part for part in SEPARATORS.split(fold(spelling).text) if part]
    if not parts:
        return
    pattern = re.compile(OPTIONAL_SEPARATOR.join(re.escape(part) for part in parts))
    cased = joined(fold_keeping_case(spelling)) if exact else None
    places = {first_word("".join(parts[: count + 1])) for count in range(len(parts))}
    for word, prefix in places:
        if word:
            by_word.setdefault(word, []).append(Term(owner, pattern, prefix, excluded, cased))
    if ("", 0) in places:
        by_symbol.setdefault(parts[0][0], []).append(Term(owner, pattern, 0, excluded, cased))


def first_word(name: str) -> tuple[str, int]:
    """The first word of a name and the number of symbols before it; no word if an unspaced script or only
    symbols open it."""
    words = word_pattern(name)
    found = words.search(name)
    if found is None or any(char.isalnum() for char in name[: found.start()]):
        return "", 0
    return found.group(), found.start()
