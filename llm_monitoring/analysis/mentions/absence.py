"""Occurrences of an entity in a sentence that denies knowing, finding or having information on it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from llm_monitoring.analysis.mentions.denials import NAME, SIGNS, UNTRACKED, denials
from llm_monitoring.analysis.mentions.joined_names import names_after, names_before
from llm_monitoring.analysis.mentions.matching import Found, Match

# Full stops that end no sentence, in folded text.
ABBREVIATIONS = "bzw vs e.g i.e z.b p.ej inkl incl dr sr inc ltd corp ltda s.l s.a".split()
NOT_ABBREVIATED = "".join(rf"(?<!\b{re.escape(word)}\.)" for word in ABBREVIATIONS)
# One class opens the pattern, by which the engine passes over all other characters.
SENTENCE_END = re.compile(
    r"[\n\t。!?.](?:(?<=[\n\t。])|(?<=[!?])(?=[\s\"')]|$)"
    rf"|(?<=[.])(?:(?=[\"')]?\s){NOT_ABBREVIATED}|(?=[\"')]?$)))"
)
SENTENCE_REACH = 400
QUESTION_MARKS = frozenset("?？")
CLAUSE_END = re.compile(r"[,;:(—]|\s-\s")


def absent_matches(found: Found, visible: str) -> set[Match]:
    """The matches that are the object of a denial. When in doubt a match is a mention."""
    absent: set[Match] = set()
    known: dict[tuple[str, bool], set[int]] = {}
    folded, places_of_negations = found.folded.text, [place for place, _ in found.negations]
    for floor, end, inside in sentences_with_names(folded, found.matches):
        high = bisect_left(places_of_negations, end)
        if high == bisect_left(places_of_negations, floor):
            continue
        start = sentence_start(folded, floor, inside[0].folded_start)
        low = bisect_left(places_of_negations, start)
        if low == high:
            continue
        masked, places = mask(folded, start, end, stretches(found, visible, start, end, inside))
        question = folded[end : end + 1] in QUESTION_MARKS
        if (masked, question) not in known:
            words = {word for _, word in found.negations[low:high]}
            known[masked, question] = denied_places(masked, words, question=question)
        denied = known[masked, question]
        owners = {match.owner for place, match in zip(places, inside, strict=True) if place in denied}
        absent.update(match for match in inside if match.owner in owners)
    return absent


def sentences_with_names(folded: str, matches: Sequence[Match]) -> Iterator[tuple[int, int, list[Match]]]:
    """Each sentence that names an entity: the least place at which it may start, its end, and the matches in it."""
    position = end = 0
    while position < len(matches):
        first = matches[position]
        floor = max(end, first.folded_start - SENTENCE_REACH)
        end = sentence_end(folded, first.folded_end)
        inside = [first]
        position += 1
        while position < len(matches) and matches[position].folded_start < end:
            inside.append(matches[position])
            end = max(end, matches[position].folded_end)
            position += 1
        if inside[-1].folded_end == end:
            end = sentence_end(folded, end)
        yield floor, end, inside


def sentence_start(folded: str, floor: int, position: int) -> int:
    """Where the sentence around a position starts, not before the floor."""
    start = floor
    for found in SENTENCE_END.finditer(folded, floor, position):
        start = found.end()
    return start


def sentence_end(folded: str, position: int) -> int:
    """Where the sentence around a position ends."""
    found = SENTENCE_END.search(folded, position)
    return found.start() if found else len(folded)


def stretches(found: Found, visible: str, start: int, end: int, inside: Sequence[Match]) -> list[tuple[int, int, str]]:
    """The tracked names of a sentence and the untracked ones that are joined with them, each with its sign."""
    marked: list[tuple[int, int, str]] = []
    floor = start
    for place, match in enumerate(inside):
        limit = inside[place + 1].folded_start if place + 1 < len(inside) else end
        before = names_before(found.folded, visible, floor, match.folded_start)
        after = names_after(found.folded, visible, match.folded_end, limit)
        marked.extend((*name, UNTRACKED) for name in before)
        marked.append((match.folded_start, match.folded_end, NAME))
        marked.extend((*name, UNTRACKED) for name in after)
        floor = marked[-1][1]
    return marked


def mask(folded: str, start: int, end: int, marked: Sequence[tuple[int, int, str]]) -> tuple[str, list[int]]:
    """The sentence with one sign for each name, and where the signs of tracked names stand."""
    pieces: list[str] = []
    places: list[int] = []
    length, position = 0, start
    for name_start, name_end, sign in marked:
        piece = folded[position:name_start]
        if sign == NAME:
            places.append(length + len(piece))
        pieces.extend((piece, sign))
        length += len(piece) + 1
        position = name_end
    pieces.append(folded[position:end])
    masked = "".join(pieces)
    stripped = len(masked) - len(masked.lstrip())
    return masked.strip(), [place - stripped for place in places]


def denied_places(masked: str, negations: set[str], *, question: bool = False) -> set[int]:
    """Where the masked sentence holds a name that it denies knowing.

    A question that ends with the name denies nothing: "Never heard of Holded?" asks the reader.
    """
    denied: set[int] = set()
    for language, sign in SIGNS.items():
        if sign.negation.isdisjoint(negations) or not sign.hint.search(masked):
            continue
        for pattern in denials(language).patterns:
            for found in pattern.finditer(masked):
                start, end = found.span("o")
                if not question or CLAUSE_END.search(masked, end):
                    denied.update(place for place in range(start, end) if masked[place] == NAME)
    return denied
