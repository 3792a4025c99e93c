"""Where a name ends: at a word's edge, or before the ending that a language writes onto it."""

from __future__ import annotations

import re

from llm_monitoring.analysis.text.scripts import HANGUL, MARKS, touches

# German, Dutch, Danish, Swedish and Norwegian write "Kordios Preise" where English writes "Kordio's prices".
GENITIVE_LANGUAGES = frozenset({"de", "nl", "da", "sv", "no", "nb", "nn"})
SHORTEST_WITH_GENITIVE = 4
WITHOUT_GENITIVE = "sxz"
# One particle, or one of place, means or comparison and a second after it ("에서는", "보다도").
PARTICLE = re.compile(
    "(?:(?:에서|으로|보다|까지|부터|처럼|에|와|과|로|만)(?:은|는|도|만|의|이|가|을|를|까지|부터|보다)"
    "|에서|으로|보다|까지|부터|처럼|이나|은|는|이|가|을|를|의|에|와|과|도|로|만)"
    f"(?![{HANGUL}{MARKS}_])"
)


def genitive(language: str | None) -> bool:
    """Whether a language puts an `s` onto a name without an apostrophe."""
    return language in GENITIVE_LANGUAGES


def ends_name(text: str, start: int, end: int, *, with_genitive: bool) -> bool:
    """Whether a name of the folded text may end here."""
    if not touches(text, end, end - 1):
        return True
    if PARTICLE.match(text, end):
        return True
    return with_genitive and text[end] == "s" and not touches(text, end + 1, end) and takes_genitive(text[start:end])


def takes_genitive(name: str) -> bool:
    """Whether a folded name is long enough for the ending, and does not end in a sound that takes an apostrophe."""
    letters = sum(char.isalpha() for char in name)
    return letters >= SHORTEST_WITH_GENITIVE and name[-1].isalnum() and name[-1] not in WITHOUT_GENITIVE
