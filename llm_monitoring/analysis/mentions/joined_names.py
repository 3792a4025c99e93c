"""Names that no entity of the project has and that a sentence joins with a tracked one ("neither Fakturix nor Holded").

Without them the tracked name would stand behind an unknown word, not in a list of denied names. They are known by
their capitals and by what joins them, and only in sentences that hold a word of negation.
"""

from __future__ import annotations

import re

from llm_monitoring.analysis.mentions.denials import FRONTS, NEGATIONS
from llm_monitoring.analysis.text.folding import Folded

CONJUNCTION = "(?:and|or|nor|y|e|o|u|ni|und|oder|noch|sowie|et|ou|ed|ne|oppure|nem)"
BEFORE_NAME = (
    r"(?:(?:about|on|sobre|de|a|sur|zu|uber|su|the|el|la|las|los|le|les|die|der|das|il|lo|o|os|as|da|do)\s|[dl]'"
    "|[\"']){0,3}"
)
JOINT = rf"(?:\s?,\s(?:{CONJUNCTION}\s)?|\s{CONJUNCTION}\s|\s?[/&]\s?){BEFORE_NAME}"
JOINT_BEFORE = re.compile(rf"{JOINT}\Z")
JOINT_AFTER = re.compile(rf"[\"']?{JOINT}")
WORD = re.compile(r"[^\W_][\w.&+-]*(?<=[\w+])")
LAST_WORD = re.compile(r"(?<![\w.&+'-])[^\W_][\w.&+-]*(?=[\"']?\s?\Z)")
JOINT_REACH, WORD_REACH = 30, 40
MOST_NAMES, MOST_WORDS = 8, 3

Stretch = tuple[int, int]


def names_before(folded: Folded, visible: str, floor: int, position: int) -> list[Stretch]:
    """The names joined before the tracked one that starts at a position of the folded text, not before the floor."""
    found: list[Stretch] = []
    while len(found) < MOST_NAMES:
        joint = JOINT_BEFORE.search(folded.text, max(floor, position - JOINT_REACH), position)
        name = name_ending(folded, visible, floor, joint.start()) if joint else None
        if name is None:
            break
        found.append(name)
        position = name[0]
    return found[::-1]


def name_ending(folded: Folded, visible: str, floor: int, end: int) -> Stretch | None:
    """The capitalised words that end here; the first word of a sentence has its capital anyway, and counts alone."""
    start = close = end
    for count in range(MOST_WORDS):
        word = LAST_WORD.search(folded.text, max(floor, start - WORD_REACH), start)
        opens = word is not None and not folded.text[floor : word.start()].strip(" \"'*¿")
        if word is None or not is_name(folded, visible, word) or (opens and count):
            break
        close = close if count else word.end()
        start = word.start()
    return (start, close) if start < end else None


def names_after(folded: Folded, visible: str, position: int, limit: int) -> list[Stretch]:
    """The names joined after the tracked one that ends at a position of the folded text, within the limit."""
    found: list[Stretch] = []
    while len(found) < MOST_NAMES:
        joint = JOINT_AFTER.match(folded.text, position, limit)
        name = name_starting(folded, visible, joint.end(), limit) if joint else None
        if name is None:
            break
        found.append(name)
        position = name[1]
    return found


def name_starting(folded: Folded, visible: str, start: int, limit: int) -> Stretch | None:
    """The capitalised words that start here."""
    end = place = start
    for _ in range(MOST_WORDS):
        word = WORD.match(folded.text, place, limit)
        if word is None or not is_name(folded, visible, word):
            break
        end, place = word.end(), word.end() + 1
        if folded.text[end:place] != " ":
            break
    return (start, end) if end > start else None


def is_name(folded: Folded, visible: str, word: re.Match[str]) -> bool:
    """Whether a word is written with a capital, and is no "I", no word of negation and none that opens a clause."""
    if len(word[0]) < 2 or word[0] in NEGATIONS or word[0] in FRONTS:
        return False
    written = visible[folded.start_of(word.start()) : folded.end_of(word.end())]
    return any(char.isupper() for char in written)
