"""Names that hold a mark of Markdown, such as E*TRADE: kept from the parser, so that they are read as written."""

from __future__ import annotations

import re
from collections.abc import Iterable

from llm_monitoring.analysis.entity import Entity
from llm_monitoring.analysis.text.folding import compose
from llm_monitoring.analysis.text.scripts import UNSPACED

# Each mark has a stand-in that no text uses: a private character of the last plane.
STAND_INS = {mark: chr(0x10F000 + ord(mark)) for mark in "*_~"}
HIDE = str.maketrans(STAND_INS)
SHOW = str.maketrans({stand_in: mark for mark, stand_in in STAND_INS.items()})
LETTER = f"[^\\W_{UNSPACED}]"


def marked_names(entities: Iterable[Entity]) -> re.Pattern[str] | None:
    """The pattern that finds the marked words of names and exclude phrases in a source; None if there are none."""
    words = {
        word
        for entity in entities
        for phrase in (*entity.spellings, *entity.exclude)
        for word in compose(phrase).split()
        if any(mark in word for mark in STAND_INS) and any(char.isalnum() for char in word)
    }
    if not words:
        return None
    return re.compile("|".join(map(pattern_of, sorted(words, key=len, reverse=True))), re.IGNORECASE)


def pattern_of(word: str) -> str:
    """One word with its edges; a model may have escaped its marks."""
    inside = "".join(rf"\\?{re.escape(char)}" if char in STAND_INS else re.escape(char) for char in word)
    return f"(?<!{before(word[0])}){inside}(?!{before(word[-1])})"


def before(char: str) -> str:
    """What may not touch this end of a word: a letter, or the same mark again."""
    return re.escape(char) if char in STAND_INS else LETTER


def hidden(source: str, names: re.Pattern[str]) -> str:
    """The source with stand-ins for the marks of names."""
    return names.sub(lambda found: found.group().replace("\\", "").translate(HIDE), source)


def shown(text: str) -> str:
    """A text of the parser with the marks of names back in their places."""
    return text.translate(SHOW)
