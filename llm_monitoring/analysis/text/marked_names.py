"""Names that hold a mark of Markdown, such as E*TRADE: kept from the parser, so that they are read as written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from llm_monitoring.analysis.entity import Entity
from llm_monitoring.analysis.text.folding import compose
from llm_monitoring.analysis.text.scripts import UNSPACED

# Each mark has a stand-in that no text uses: a private character of the last plane.
STAND_INS = {mark: chr(0x10F000 + ord(mark)) for mark in "*_~"}
HIDE = str.maketrans(STAND_INS)
SHOW = str.maketrans({stand_in: mark for mark, stand_in in STAND_INS.items()})
LETTER = re.compile(f"[^\\W_{UNSPACED}]")
# A stretch without spaces that holds a mark. It begins after a space, or each of its characters would be a new attempt.
MARKED = re.compile(r"(?<!\S)[^\s*_~]*+[*_~]\S*+")
# A character, or a mark that a model has escaped.
UNIT = re.compile(r"\\[*_~]|.", re.DOTALL)
DOTTED_I, DOTLESS_I = "\u0130", "\u0131"


@dataclass(frozen=True, slots=True)
class MarkedNames:
    """The marked words of names and exclude phrases, in small letters, and their lengths, longest first.

    A word is looked up by its length, so that the time of a text does not grow with the number of names.
    """

    words: frozenset[str]
    lengths: tuple[int, ...]


def marked_names(entities: Iterable[Entity]) -> MarkedNames | None:
    """The words of names and exclude phrases that hold a mark; None if there are none."""
    words = {
        small_letters(word)
        for entity in entities
        for phrase in (*entity.spellings, *entity.exclude)
        if not STAND_INS.keys().isdisjoint(phrase)
        for word in compose(phrase).split()
        if any(mark in word for mark in STAND_INS) and any(char.isalnum() for char in word)
    }
    if not words:
        return None
    return MarkedNames(frozenset(words), tuple(sorted({len(word) for word in words}, reverse=True)))


def small_letters(text: str) -> str:
    """The text without case, each character for itself, so that no place in it moves."""
    return "".join(small_letter(char) for char in text)


def small_letter(char: str) -> str:
    if char in (DOTTED_I, DOTLESS_I):
        return "i"
    return next((form for form in (char.casefold(), char.lower()) if len(form) == 1), char)


def hidden(source: str, names: MarkedNames) -> str:
    """The source with stand-ins for the marks of names."""
    return MARKED.sub(lambda found: hidden_in(found.group(), names), source)


def hidden_in(stretch: str, names: MarkedNames) -> str:
    """A stretch without spaces, with stand-ins for the marks of names."""
    units = UNIT.findall(stretch)
    plain = small_letters("".join(unit[-1] for unit in units))
    kept: list[str] = []
    place = 0
    while place < len(units):
        length = length_of_name(units, plain, place, names)
        if length:
            kept.extend(unit[-1].translate(HIDE) for unit in units[place : place + length])
        else:
            kept.append(units[place])
        place += length or 1
    return "".join(kept)


def length_of_name(units: list[str], plain: str, place: int, names: MarkedNames) -> int:
    """How many units the longest name at this place has; 0 if none stands there."""
    if place and touches(units[place - 1][-1], plain[place]):
        return 0
    for length in names.lengths:
        end = place + length
        if plain[place:end] in names.words and not (end < len(units) and touches(units[end][0], plain[end - 1])):
            return length
    return 0


def touches(outside: str, edge: str) -> bool:
    """Whether a character next to a word belongs to it: a letter, or the same mark as the one that the word ends in."""
    return outside == edge if edge in STAND_INS else LETTER.match(outside) is not None


def shown(text: str) -> str:
    """A text of the parser with the marks of names back in their places."""
    return text.translate(SHOW)
