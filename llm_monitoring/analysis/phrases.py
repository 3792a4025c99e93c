"""The word lists of rankings, read from data: joiners, articles, rank headers, headings that name no option."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from llm_monitoring.analysis.folding import fold

DATA = tomllib.loads((Path(__file__).parent / "data" / "headings.toml").read_text(encoding="utf-8"))


def alternatives(words: list[str]) -> str:
    """The inside of a group for words or symbols, a word being closed by an edge."""
    return "|".join(f"{word}\\b" if word[-1].isalpha() else word for word in words)


JOINERS = "(?:,\\s*)?(?:" + alternatives(DATA["joiners"]) + ")"
ARTICLES = alternatives(DATA["articles"])
INDEFINITE = alternatives(DATA["indefinite"])
RANK_HEADERS = frozenset(fold(header).text for header in DATA["rank_headers"])


def opening(words: list[str], prefix: str = "") -> re.Pattern[str]:
    """The pattern of a folded text that opens with one of the words."""
    longest_first = sorted({re.escape(word.strip()) for word in words}, key=len, reverse=True)
    return re.compile(f"{prefix}(?:{'|'.join(longest_first)})(?!\\w)")


NO_OPTION = opening(DATA["openers"], rf"(?:(?:{alternatives(DATA['possessives'])})\s+)?")
CATEGORY = opening(DATA["categories"])
NO_OPTION_WHOLE = frozenset(DATA["whole"])
