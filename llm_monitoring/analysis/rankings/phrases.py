"""The word lists of rankings, read from data: joiners, articles, rank headers, words that name no option."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from llm_monitoring.analysis.text.folding import fold
from llm_monitoring.analysis.text.scripts import UNSPACED


def read_data(name: str) -> dict[str, Any]:
    """One of the word lists."""
    return tomllib.loads((Path(__file__).parents[1] / "data" / name).read_text(encoding="utf-8"))


HEADINGS = read_data("headings.toml")
OPTIONS = read_data("options.toml")


def alternatives(words: list[str]) -> str:
    """The inside of a group for words or symbols, a word being closed by an edge."""
    return "|".join(f"{word}\\b" if word[-1].isalpha() else word for word in words)


@cache
def joiners(language: str | None) -> str:
    """The pattern of what joins two names in a text of this language."""
    words = [*HEADINGS["joiners"], *OPTIONS["joiners_of"].get(language, ())]
    return f"(?:,\\s*)?(?:{alternatives(words)})"


ARTICLES = alternatives(HEADINGS["articles"])
INDEFINITE = alternatives(HEADINGS["indefinite"])
# Longer words first, as one may open with another.
PLACE_WORDS = tuple(sorted(HEADINGS["place_words"], key=len, reverse=True))
RANK_HEADERS = frozenset(fold(header).text for header in HEADINGS["rank_headers"])


def choice(words: list[str]) -> str:
    """The group of folded words, the longest first; words that open alike stand together, so that few are tried."""
    by_opening: dict[str, list[str]] = {}
    for word in sorted({fold(word.strip()).text for word in words}, key=len, reverse=True):
        by_opening.setdefault(re.escape(word[0]), []).append(re.escape(word[1:]))
    groups = (f"{first}(?:{'|'.join(rest)})" for first, rest in by_opening.items())
    return f"(?:{'|'.join(groups)})"


def opening(words: list[str], prefix: str = "") -> re.Pattern[str]:
    """The pattern of a folded text that opens with one of the words."""
    return re.compile(f"{prefix}{choice(words)}(?:(?!\\w|-\\w)|(?<=[{UNSPACED}])(?=[の\\d]))")


POSSESSIVES = alternatives(HEADINGS["possessives"])
NO_OPTION = opening(HEADINGS["openers"], rf"(?:(?:{POSSESSIVES})\s+)?")
CATEGORY = opening(HEADINGS["categories"])
NO_OPTION_WHOLE = frozenset(HEADINGS["whole"])

SECTIONS = choice(OPTIONS["sections"])
OF = choice(OPTIONS["of"])
# What follows a name in "Kordio Strengths", "Kordio: precio", "Kordio's pros and cons".
SECTION_REST = re.compile(
    rf"(?:'s?|s\b)?\s*[:：–—-]?\s*(?:の|的)?{SECTIONS}(?:\s*(?:&|/|,|and|y|et|und|e)\s*{SECTIONS})?:?"
)
# What stands before one in "Ventajas de Kordio".
SECTION_OF = re.compile(rf"(?:(?:{POSSESSIVES})\s+)?{SECTIONS}\s+{OF}(?:\s*(?:{ARTICLES}))?")
# A label without a tracked name that is called as a section is: "Main Rivals", "Key Features".
SECTION_LABEL = re.compile(rf"^(?:[\w'&-]+\s+){{0,2}}{SECTIONS}$")
COMPARISON = opening(OPTIONS["comparisons"])
VERSUS = opening(OPTIONS["versus"])
INSTRUCTION = re.compile(rf"{choice(OPTIONS['instructions'])}(?=\s)|\w+ez\s|\w+(?:en)\ssie\s")
CLOSING_VERBS = frozenset(OPTIONS["closing_verbs"])
PREPOSITIONS, GENITIVES = choice(OPTIONS["prepositions"]), choice(OPTIONS["genitives"])
PREPOSITION_END = re.compile(rf"(?:(?<!\w){PREPOSITIONS}|^{GENITIVES})(?:\s+(?:{ARTICLES}))?$")
PARTICLE = re.compile(f"(?:{'|'.join(OPTIONS['particles'])})")
SOURCES = re.compile(rf"(?:[\w'&-]+\s+){{0,1}}{choice(OPTIONS['sources'])}")
ARGUMENTS = re.compile(rf"(?:[\w'&-]+\s+){{0,1}}{choice(OPTIONS['arguments'])}")
