"""Which characters make words, and which scripts write without spaces."""

from __future__ import annotations

import re
import unicodedata

# Han, kana, Thai, Lao and Khmer letters, after NFKC.
UNSPACED = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecd\u0edc-\u0edf\u1780-\u17d3\u17d7\u17dc"
)
MARK_BLOCKS = (range(0x0483, 0x2000), range(0x302A, 0x309B), range(0xA66F, 0xABEE))


def combining_marks() -> str:
    """The marks that belong to a letter of a script whose accents are kept, as the inside of a character class."""
    unspaced = re.compile(f"[{UNSPACED}]")
    codes = [chr(code) for block in MARK_BLOCKS for code in block if unicodedata.category(chr(code))[0] == "M"]
    return "".join(char for char in codes if not unspaced.match(char) and unicodedata.category(char) != "Me")


MARKS = combining_marks()
MARK = re.compile(f"[{MARKS}]")
WORD = re.compile(f"[^\\W{UNSPACED}]+")
MARKED_WORD = re.compile(f"(?:[^\\W{UNSPACED}]|[{MARKS}])+")
WORD_CHARACTER = re.compile(f"[^\\W{UNSPACED}]|[{MARKS}]")


def word_pattern(text: str) -> re.Pattern[str]:
    """The pattern that finds the words of this text: the slower one only where combining marks need it."""
    return MARKED_WORD if not text.isascii() and MARK.search(text) else WORD


def touches(text: str, position: int) -> bool:
    """Whether a letter, digit or underscore stands at this position, other than one of a script without spaces."""
    return 0 <= position < len(text) and WORD_CHARACTER.match(text[position]) is not None
