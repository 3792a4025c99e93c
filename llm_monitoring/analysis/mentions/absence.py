"""Occurrences of an entity in a sentence that denies knowing, finding or having information on it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from llm_monitoring.analysis.mentions.denials import NAME, SIGNS, denials
from llm_monitoring.analysis.mentions.matching import Found, Match

# Full stops that end no sentence, in folded text.
ABBREVIATIONS = "bzw vs e.g i.e z.b p.ej inkl incl dr sr inc ltd corp ltda s.l s.a".split()
NOT_ABBREVIATED = "".join(rf"(?<!\b{re.escape(word)}\.)" for word in ABBREVIATIONS)
# One class opens the pattern, by which the engine passes over all other characters.
SENTENCE_END = re.compile(
    r"[\n\t。!?.](?:(?<=[\n\t。])|(?<=[!?])(?=[\s\"'»”)]|$)"
    rf"|(?<=[.])(?:(?=[\"'»”)]?\s){NOT_ABBREVIATED}|(?=[\"'»”)]?$)))"
)
SENTENCE_REACH = 400


def absent_matches(found: Found) -> set[Match]:
    """The matches that are the object of a denial. When in doubt a match is a mention."""
    absent: set[Match] = set()
    known: dict[str, set[int]] = {}
    folded, places_of_negations = found.folded.text, [place for place, _ in found.negations]
    for floor, end, inside in sentences_with_names(folded, found.matches):
        high = bisect_left(places_of_negations, end)
        if high == bisect_left(places_of_negations, floor):
            continue
        start = sentence_start(folded, floor, inside[0].folded_start)
        low = bisect_left(places_of_negations, start)
        if low == high:
            continue
        masked, places = mask(folded, start, end, inside)
        if masked not in known:
            known[masked] = denied_places(masked, {word for _, word in found.negations[low:high]})
        denied = known[masked]
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


def mask(folded: str, start: int, end: int, inside: Sequence[Match]) -> tuple[str, list[int]]:
    """The sentence with one sign for each name, and where the signs stand."""
    pieces: list[str] = []
    places: list[int] = []
    length, position = 0, start
    for match in inside:
        piece = folded[position : match.folded_start]
        places.append(length + len(piece))
        pieces.extend((piece, NAME))
        length += len(piece) + 1
        position = match.folded_end
    pieces.append(folded[position:end])
    masked = "".join(pieces)
    stripped = len(masked) - len(masked.lstrip())
    return masked.strip(), [place - stripped for place in places]


def denied_places(masked: str, negations: set[str]) -> set[int]:
    """Where the masked sentence holds a name that it denies knowing."""
    denied: set[int] = set()
    for language, sign in SIGNS.items():
        if sign.negation.isdisjoint(negations) or not sign.hint.search(masked):
            continue
        for pattern in denials(language).patterns:
            for found in pattern.finditer(masked):
                start, end = found.span("o")
                denied.update(place for place in range(start, end) if masked[place] == NAME)
    return denied
