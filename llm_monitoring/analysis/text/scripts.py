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
    """The marks that belong to a letter of a script that keeps its accents, as the inside of a character class."""
    unspaced = re.compile(f"[{UNSPACED}]")
    codes = [chr(code) for block in MARK_BLOCKS for code in block if unicodedata.category(chr(code))[0] == "M"]
    return "".join(char for char in codes if not unspaced.match(char) and unicodedata.category(char) != "Me")


MARKS = combining_marks()
MARK = re.compile(f"[{MARKS}]")
# Hangul is written with spaces, but a particle or a word of another script may follow a name directly.
HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7fb"
IN_HANGUL = re.compile(f"[{HANGUL}]")
IN_UNSPACED = re.compile(f"[{UNSPACED}]")
WORD = re.compile(f"[^\\W{UNSPACED}{HANGUL}]+")
MARKED_WORD = re.compile(f"(?:[^\\W{UNSPACED}{HANGUL}]|[{MARKS}])+")
WORD_CHARACTER = re.compile(f"[^\\W{UNSPACED}]|[{MARKS}]")


def word_pattern(text: str) -> re.Pattern[str]:
    """The pattern that finds the words of this text: the slower one only if combining marks need it."""
    return MARKED_WORD if not text.isascii() and MARK.search(text) else WORD


# ASCII that is no part of a word: what mostly stands around a name.
EDGES = frozenset(char for char in map(chr, range(128)) if not char.isalnum() and char != "_")


def touches(text: str, outside: int, edge: int) -> bool:
    """Whether the character just outside a match belongs to the word that the one at the match's edge is part of.

    Scripts without spaces need no edge, and a letter or digit of another script is one for them and for Hangul.
    """
    if not 0 <= outside < len(text):
        return False
    char = text[outside]
    if char in EDGES:
        return False
    if outside > edge and unicodedata.category(char) in ("Mn", "Mc"):
        return True
    if WORD_CHARACTER.match(char) is None:
        return False
    if char == "_" or MARK.match(char):
        return True
    if IN_UNSPACED.match(text[edge]):
        return False
    return IN_HANGUL.match(text[edge]) is None or IN_HANGUL.match(char) is not None
