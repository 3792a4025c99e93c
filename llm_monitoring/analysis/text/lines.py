"""The lines of an answer as a reader sees them, for a parser that knows one kind of line end and of space."""

from __future__ import annotations

import re

LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Zero-width characters and marks of direction; spaces of other kinds than the plain one.
INVISIBLE = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
PERHAPS = re.compile(f"[{INVISIBLE}{SPACES}]")
LINE_START = re.compile(f"^[ \t>]*[{INVISIBLE}{SPACES}][ \t>{INVISIBLE}{SPACES}]*", re.MULTILINE)
HIDDEN = re.compile(f"[{INVISIBLE}]+")
SPACE = re.compile(f"[{SPACES}]")
# From the fourth space on a line would be code.
DEEPEST = "   "
MARK_AND_SPACE = re.compile(f"^([ \t>]*(?:[-*+]|#{{1,6}}))[{SPACES}]+(?=\\S)", re.MULTILINE)


def plain_lines(text: str) -> str:
    """The text with plain line ends, and with nothing ahead of the mark of a line or after it that hides it."""
    text = LINE_END.sub("\n", text)
    if text.isascii() or PERHAPS.search(text) is None:
        return text
    return MARK_AND_SPACE.sub(r"\1 ", LINE_START.sub(plain_start, text))


def plain_start(start: re.Match[str]) -> str:
    """The start of a line without invisible characters; other spaces as plain ones, which make no code."""
    kept = HIDDEN.sub("", start.group())
    plain = SPACE.sub(" ", kept)
    return plain if plain == kept or not plain.isspace() or len(plain) <= len(DEEPEST) else DEEPEST
