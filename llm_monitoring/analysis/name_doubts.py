"""Names that mislead: too short, everyday words, or shared with others."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Final, Literal

from llm_monitoring.analysis.entity import Entity
from llm_monitoring.analysis.mentions.vocabulary import SEPARATORS, joined
from llm_monitoring.analysis.text.folding import fold, fold_keeping_case

Kind = Literal[
    "several names", "short", "common word", "common words", "inside common words", "shared", "part of another"
]

LISTED: Final = re.compile(r"[;|]|,(?!\d)")
LEGAL_FORMS: Final = frozenset(
    "ab ag aps as bv co corp corporation gmbh inc incorporated jr kg lda limited llc llp ltd ltda nv oy plc "
    "sa sarl sas sau sc se sl slp slu spa sr srl ug".split()
)
LANGUAGES: Final = ("en", "es", "fr", "de", "it", "pt")
SHORT: Final = 3
COMMON_USE: Final = 5e-7
"""A word is common from one use in two million words on; brands and rare words are below that."""

INSIDE_FROM, INSIDE_TO, INSIDE_SHOWN = 3, 5, 4
NEIGHBOURS_SHOWN: Final = 20
LANGUAGE_NAMES: Final = {
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "de": "German",
    "it": "Italian",
    "pt": "Portuguese",
}


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
    """The common words of one of LANGUAGES, folded as names are, with their share of all words, most used first.

    The list is that of `SpellChecker(language)`, read a line at a time: as a whole it takes up to 100 MB.
    """
    total = sum(count for _, count in word_counts(language))
    used = [(word, count) for word, count in word_counts(language) if count >= COMMON_USE * total]
    found: dict[str, float] = {}
    for word, count in sorted(used, key=lambda entry: -entry[1]):
        found.setdefault(key(json.loads(word)), count / total)
    return found


def word_counts(language: str) -> Iterator[tuple[str, int]]:
    """The words of a language in quotation marks, as its file has them, each with how often it was counted."""
    path = files("spellchecker") / "resources" / f"{language}.json.gz"
    with path.open("rb") as packed, gzip.open(packed, "rt", encoding="utf-8") as lines:
        for line in lines:
            word, colon, count = line.lower().rpartition(":")
            if colon:
                yield word, int(count.strip(" ,\n}"))


def doubts(entities: Sequence[Entity], languages: Iterable[str]) -> list[Doubt]:
    """What may mislead in the names and aliases of a brand and its competitors, in texts of these languages."""
    known = [language for language in dict.fromkeys(languages) if language in LANGUAGES]
    neighbours = Neighbours(entities)
    return [
        doubt
        for entity in entities
        for term in entity.spellings
        for doubt in (*list_doubts(entity, term), *word_doubts(entity, term, known), *neighbours.doubts(entity, term))
    ]


def names_in(term: str) -> list[str]:
    """The names that a spelling seems to list, as `Holded, Sage` does; a legal form, as in `Acme, Inc.`, is none."""
    parts = [part.strip() for part in LISTED.split(term)]
    return [part for part in parts if part and part.lower().replace(".", "").replace(" ", "") not in LEGAL_FORMS]


def list_doubts(entity: Entity, term: str) -> Iterator[Doubt]:
    found = names_in(term)
    if len(found) > 1:
        yield Doubt(entity.name, term, "several names", f"one name for {len(found)}: {', '.join(found)}")


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
    found = dict.fromkeys(word for language in languages for word in words_around(name, language))
    shown = ", ".join(list(found)[:INSIDE_SHOWN])
    if shown:
        yield Doubt(entity.name, term, "inside common words", f"inside {shown}, which do not count")


@cache
def joined_words(language: str) -> str:
    """The common words of a language in one text, a line each, to be searched at once."""
    return "\n".join(("", *common_words(language), ""))


def words_around(name: str, language: str) -> Iterator[str]:
    """The first common words that contain a name and are longer."""
    text, place, shown = joined_words(language), 0, 0
    while shown < INSIDE_SHOWN and (place := text.find(name, place)) >= 0:
        end = text.index("\n", place)
        word = text[text.rindex("\n", 0, place) + 1 : end]
        if word != name:
            shown += 1
            yield word
        place = end


class Neighbours:
    """The spellings that entities share, or that are a part of another's: looked up, not compared pair by pair."""

    def __init__(self, entities: Sequence[Entity]) -> None:
        self.same: dict[str, dict[str, None]] = {}
        self.around: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        terms = [(entity.name, term, tuple(split_words(term))) for entity in entities for term in entity.spellings]
        known = {words for _, _, words in terms}
        lengths = sorted({len(words) for words in known if words})
        for name, term, words in terms:
            self.same.setdefault(key(term), {}).setdefault(name)
            for part in parts_of(words, lengths):
                if part in known:
                    self.around.setdefault(part, []).append((name, term))

    def doubts(self, entity: Entity, term: str) -> Iterator[Doubt]:
        """What speaks against one spelling, a few of each kind."""
        name = key(term)
        others = [other for other in self.same.get(name, ()) if other != entity.name]
        for other in others[:NEIGHBOURS_SHOWN]:
            yield Doubt(entity.name, term, "shared", f"also a name of {other}")
        longer = (
            (other, spelling)
            for other, spelling in self.around.get(tuple(split_words(term)), ())
            if other != entity.name and key(spelling) != name
        )
        for other, spelling in islice(longer, NEIGHBOURS_SHOWN):
            yield Doubt(entity.name, term, "part of another", f"part of “{spelling}” ({other})")


def parts_of(words: tuple[str, ...], lengths: Iterable[int]) -> set[tuple[str, ...]]:
    """The pieces of these lengths that stand in `words`."""
    return {
        words[start : start + length]
        for length in lengths
        if length <= len(words)
        for start in range(len(words) - length + 1)
    }


def split_words(text: str) -> list[str]:
    return [part for part in SEPARATORS.split(fold(text).text) if part]


def a_word(languages: Sequence[str]) -> str:
    return f"a common word ({names_of(languages)})"


def names_of(languages: Sequence[str]) -> str:
    return ", ".join(LANGUAGE_NAMES[language] for language in languages)
