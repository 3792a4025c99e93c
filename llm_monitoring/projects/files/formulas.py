"""Text of a table that no spreadsheet runs as a formula, and the same text as it was before."""

from __future__ import annotations

import re
from typing import Final

SIGN: Final = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
"""What a formula begins with, the wide and small forms of Asian keyboards too."""

FORMULA: Final = re.compile(f"(?=[ \"']*[{SIGN}\t\r\n])")
"""The start of a text that a spreadsheet takes for a formula."""

FORMULA_IN_TEXT: Final = re.compile(f"(?<=[;,|\t\r\n])(?=[\\s\"']*[{SIGN}])")
"""Where a formula would start if the file was read with another separator than it was written with."""

GUARD_IN_TEXT: Final = re.compile(f"(?<=[;,|\t\r\n])'(?=[\\s\"']*[{SIGN}])")


def harmless(text: str) -> str:
    """`text` with an apostrophe before each part that a spreadsheet would run, whatever separates its fields."""
    inside = FORMULA_IN_TEXT.sub("'", text)
    return f"'{inside}" if FORMULA.match(text) else inside


def without_guards(text: str) -> str:
    """What became `text` by `harmless`: exactly the apostrophes that it puts are taken away."""
    inside = GUARD_IN_TEXT.sub("", text)
    return inside[1:] if inside.startswith("'") and FORMULA.match(inside[1:]) else inside
