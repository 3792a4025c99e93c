"""Names that mislead: too short, everyday words, or shared with others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from llm_monitoring.analysis.entity import Entity
from llm_monitoring.analysis.folding import fold, fold_keeping_case
from llm_monitoring.analysis.terms import SEPARATORS, joined

Kind = Literal["short", "common word", "common words", "inside common words", "shared", "part of another"]

LANGUAGES: Final = ("en", "es", "fr", "de", "it", "pt")
SHORT: Final = 3
COMMON_USE: Final = 5e-7
"""A word is common from one use in two million words on; brands and rare words are below that."""

INSIDE_FROM, INSIDE_TO, INSIDE_SHOWN = 3, 5, 4
LANGUAGE_NAMES: Final = {
    "en": "English", "es": "Spanish", "fr": "French", "de": "German", "it": "Italian", "pt": "Portuguese",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why one spelling of an entity may be misread; `detail` is a phrase for the reader."""

    entity: str
    term: str
    kind: Kind
    detail: str


def key(text: str) -> str:
    """What two spellings have in common when they match each other."""
    return joined(fold(text).text)


def cased_key(text: str) -> str:
    """The same with its case kept."""
    return joined(fold_keeping_case(text))


@cache
def common_words(language: str) -> dict[str, float]:
    """The common words of one of LANGUAGES, folded as names are, with their share of all words, most used first."""
    from spellchecker import SpellChecker

    frequency = SpellChecker(language=language, distance=1).word_frequency
    least = COMMON_USE * frequency.total_words
    found: dict[str, float] = {}
    for word, count in sorted(frequency.items(), key=lambda entry: -entry[1]):
        if count < least:
            break
        found.setdefault(key(word), count / frequency.total_words)
    return found


def doubts(entities: Sequence[Entity], languages: Iterable[str]) -> list[Doubt]:
    """What may mislead in the names and aliases of a brand and its competitors, in texts of these languages."""
    known = [language for language in dict.fromkeys(languages) if language in LANGUAGES]
    return [
        doubt
        for entity in entities
        for term in entity.spellings
        for doubt in (*word_doubts(entity, term, known), *neighbour_doubts(entity, term, entities))
    ]


def word_doubts(entity: Entity, term: str, languages: Sequence[str]) -> Iterator[Doubt]:
    """Doubts about the word itself; an exact case that is not all lower settles them."""
    if entity.case_sensitive and term != term.lower():
        return
    name, parts = key(term), [part for part in SEPARATORS.split(fold(term).text) if part]
    if len(name) <= SHORT and name.isascii():
        yield Doubt(entity.name, term, "short", f"only {len(name)} letters")
    spoken = [language for language in languages if name in common_words(language)]
    if spoken:
        also = "" if len(parts) == 1 else f", as “{name}”"
        yield Doubt(entity.name, term, "common word", f"{a_word(spoken)}{also}")
    elif len(parts) > 1:
        spoken = [language for language in languages if all(part in common_words(language) for part in parts)]
        if spoken:
            yield Doubt(entity.name, term, "common words", f"made of {names_of(spoken)} everyday words only")
    if INSIDE_FROM <= len(name) <= INSIDE_TO:
        yield from inside(entity, term, name, languages)


def inside(entity: Entity, term: str, name: str, languages: Sequence[str]) -> Iterator[Doubt]:
    """The common words that contain a name; they are never counted, but people expect them to be."""
    found = [word for language in languages for word in common_words(language) if name in word and word != name]
    shown = ", ".join(list(dict.fromkeys(found))[:INSIDE_SHOWN])
    if shown:
        yield Doubt(entity.name, term, "inside common words", f"inside {shown}, which do not count")


def neighbour_doubts(entity: Entity, term: str, entities: Sequence[Entity]) -> Iterator[Doubt]:
    """Spellings that other entities share, or of which this one is a part."""
    words = split_words(term)
    for other in entities:
        if other is entity:
            continue
        for spelling in other.spellings:
            if key(spelling) == key(term):
                yield Doubt(entity.name, term, "shared", f"also a name of {other.name}")
            elif contains(split_words(spelling), words):
                yield Doubt(entity.name, term, "part of another", f"part of “{spelling}” ({other.name})")


def split_words(text: str) -> list[str]:
    return [part for part in SEPARATORS.split(fold(text).text) if part]


def contains(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether `part` stands in `words`, in one piece."""
    return any(list(words[start : start + len(part)]) == list(part) for start in range(len(words) - len(part) + 1))


def a_word(languages: Sequence[str]) -> str:
    return f"a common word ({names_of(languages)})"


def names_of(languages: Sequence[str]) -> str:
    return ", ".join(LANGUAGE_NAMES[language] for language in languages)
