"""How text is folded before it is compared, and how a folded position is traced back."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

APOSTROPHES = "'\u2018\u2019\u201b\u02bc\u02b9\u02bb\u05f3\u2032\uff07`\u00b4"
# Those of all scripts, but for the ones that are apostrophes, too.
QUOTES = (
    '"\u00ab\u00bb\u05f4\u201a\u201c\u201d\u201e\u201f\u2039\u203a\uff02'
    "\u3008\u3009\u300a\u300b\u300c\u300d\u300e\u300f"
)
HYPHENS = "-\u05be\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"
STROKED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ß": "ss", "Ø": "O", "Ł": "L", "Đ": "D", "ẞ": "SS"})

# Latin, Greek and Cyrillic: scripts in which accents are ignored.
ACCENTED_SCRIPTS = (
    (0x0041, 0x02AF),
    (0x0370, 0x052F),
    (0x1C80, 0x1C8F),
    (0x1D00, 0x1DBF),
    (0x1E00, 0x1FFF),
    (0x2C60, 0x2C7F),
    (0xA640, 0xA69F),
    (0xA720, 0xA7FF),
    (0xAB30, 0xAB6F),
)
DROPPED_MARKS = ((0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
ENCLOSED_LETTERS = ((0x24B6, 0x24E9), (0x1F110, 0x1F149))
SUBSCRIPT_DIGITS = ((0x2080, 0x2089),)
HALFWIDTH_KANA = re.compile("[\uff66-\uff9f][\uff66-\uff9f]*")
VOICED = re.compile("[\uff66-\uff9d][\uff9e\uff9f]")
UNWORDED = 0xF0000
# Turkish I and ı are one letter in two cases, as are İ and i: without case all four are one.
DOTLESS_I = "\u0131"
# Putting marks in order takes the square of their number: Unicode's stream-safe form has no more than thirty in a row.
MOST_MARKS = 30
MARK_RUN = re.compile(rf"[^\w\s\x00-\u02ff]{{{MOST_MARKS + 1},}}")
# No mark is below U+0300; this is a quicker look, which most texts do not pass.
PERHAPS_MARKS = re.compile(rf"[\u0300-\U0010ffff][\u0300-\U0010ffff]{{{MOST_MARKS}}}")
JOINER = "\u034f"


def within(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    """Whether a code point lies in one of the ranges."""
    return any(low <= code <= high for low, high in ranges)


def fold_character(char: str, *, keep_case: bool) -> str:
    """One character as it is compared: no, one or several characters."""
    code, category = ord(char), unicodedata.category(char)
    if char in APOSTROPHES:
        return "'"
    if char in HYPHENS:
        return "-"
    if char in QUOTES:
        return '"'
    if category == "Cf" or within(code, DROPPED_MARKS):
        return ""
    if char.isspace() and char not in "\n\t":
        # The parser's text holds a line end only between lines, and a tab only between the cells of a table.
        return " "
    if category == "No" and not within(code, SUBSCRIPT_DIGITS):
        # ①, ² and ½ are no digits: a footnote mark that touches a name must stay an edge.
        return chr(UNWORDED + code % 0xFFFE)
    if category == "So" and not within(code, ENCLOSED_LETTERS):
        return char
    return fold_letter(unicodedata.normalize("NFKC", char), keep_case=keep_case)


def fold_letter(text: str, *, keep_case: bool) -> str:
    """Case folded unless kept, accents taken off Latin, Greek and Cyrillic, stroked letters plain."""
    cased = text if keep_case else text.casefold()
    kept: list[str] = []
    accented = False
    for char in unicodedata.normalize("NFD", cased):
        if unicodedata.category(char) == "Mn" and accented:
            continue
        accented = within(ord(char), ACCENTED_SCRIPTS)
        kept.append(char)
    plain = unicodedata.normalize("NFC", "".join(kept)).translate(STROKED)
    return plain if keep_case else plain.replace(DOTLESS_I, "i")


class FoldTable(dict[int, str]):
    """A translation table that fills itself; `uneven` are the characters that do not fold to exactly one."""

    def __init__(self, *, keep_case: bool) -> None:
        super().__init__()
        self.keep_case = keep_case
        self.uneven: set[str] = set()

    def __missing__(self, code: int) -> str:
        folded = fold_character(chr(code), keep_case=self.keep_case)
        if len(folded) != 1:
            self.uneven.add(chr(code))
        self[code] = folded
        return folded


CASELESS = FoldTable(keep_case=False)
CASED = FoldTable(keep_case=True)


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text with the way back: `anchors` pairs a folded position with its source position."""

    text: str
    folded_anchors: tuple[int, ...] = (0,)
    source_anchors: tuple[int, ...] = (0,)
    source_limits: tuple[int, ...] = ()

    def start_of(self, position: int) -> int:
        """The source position of the character that gave the folded one at `position`."""
        if not self.source_limits:
            return position
        place = bisect_right(self.folded_anchors, position) - 1
        source = self.source_anchors[place] + position - self.folded_anchors[place]
        return min(source, self.source_limits[place])

    def end_of(self, position: int) -> int:
        """The source position just after the character that gave the folded one before `position`."""
        return self.start_of(position - 1) + 1


def fold(text: str) -> Folded:
    """The text as it is compared, without case."""
    folded = text.translate(CASELESS)
    uneven = [char for char in tuple(CASELESS.uneven) if char in text]
    if not uneven:
        return Folded(folded)
    folded_anchors, source_anchors, limits = [0], [0], []
    shift = 0
    for position in sorted(found for char in uneven for found in positions_of(char, text)):
        shift += len(CASELESS[ord(text[position])]) - 1
        limits.append(position)
        folded_anchors.append(position + 1 + shift)
        source_anchors.append(position + 1)
    limits.append(len(text))
    return Folded(folded, tuple(folded_anchors), tuple(source_anchors), tuple(limits))


def positions_of(char: str, text: str) -> list[int]:
    """Where a character stands in a text."""
    return [match.start() for match in re.finditer(re.escape(char), text)]


def fold_keeping_case(text: str) -> str:
    """The text as a case-sensitive name is compared."""
    return text.translate(CASED)


def compose(text: str) -> str:
    """Canonical composition, so that no letter is split between a base and its marks; linear in the text."""
    return HALFWIDTH_KANA.sub(fullwidth_if_voiced, normalise("NFC", text))


def normalise(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """A text in one of Unicode's forms, in time that grows with its length and not with the square of it."""
    safe = MARK_RUN.sub(stream_safe, text) if PERHAPS_MARKS.search(text) else text
    return unicodedata.normalize(form, safe)


def fullwidth_if_voiced(run: re.Match[str]) -> str:
    """Halfwidth kana with a voicing mark in full width, if letter and mark are one character; others as they are."""
    kana = run.group()
    return unicodedata.normalize("NFKC", kana) if VOICED.search(kana) else kana


def stream_safe(run: re.Match[str]) -> str:
    """A stretch of symbols with a joiner, which has no width, after every thirty combining marks in a row."""
    kept: list[str] = []
    marks = 0
    for char in run.group():
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks > MOST_MARKS:
            kept.append(JOINER)
            marks = 1
        kept.append(char)
    return "".join(kept)
