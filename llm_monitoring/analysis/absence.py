"""Occurrences of an entity in a sentence that denies knowing, finding or having information on it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llm_monitoring.analysis.denials import LANGUAGES, NAME, denials, negation
from llm_monitoring.analysis.finding import Match

SENTENCE_END = re.compile(r"[\n\t。]|[!?](?=[\s\"'»”)]|$)|[.](?=[\"'»”)]?\s|$)")


def absent_matches(folded: str, matches: Sequence[Match]) -> set[Match]:
    """The matches that are the object of a denial. When in doubt a match is a mention."""
    absent: set[Match] = set()
    for start, end, inside in sentences_with_names(folded, matches):
        masked, places = mask(folded, start, end, inside)
        denied = denied_places(masked)
        owners = {match.owner for place, match in zip(places, inside, strict=True) if place in denied}
        absent.update(match for match in inside if match.owner in owners)
    return absent


def sentences_with_names(folded: str, matches: Sequence[Match]) -> Iterator[tuple[int, int, list[Match]]]:
    """Each sentence that names somebody, with the matches in it."""
    position = 0
    while position < len(matches):
        first = matches[position]
        start = sentence_start(folded, first.folded_start)
        found = SENTENCE_END.search(folded, first.folded_end)
        end = found.start() if found else len(folded)
        inside = [first]
        position += 1
        while position < len(matches) and matches[position].folded_start < end:
            inside.append(matches[position])
            position += 1
        if inside[-1].folded_end > end:
            found = SENTENCE_END.search(folded, inside[-1].folded_end)
            end = found.start() if found else len(folded)
        yield start, end, inside


def sentence_start(folded: str, position: int) -> int:
    """Where the sentence around a position starts, at most so many characters back."""
    floor = max(0, position - 400)
    start = floor
    for found in SENTENCE_END.finditer(folded, floor, position):
        start = found.end()
    return start


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


def denied_places(masked: str) -> set[int]:
    """Where the masked sentence holds a name that it denies knowing."""
    denied: set[int] = set()
    for language in LANGUAGES:
        if not negation(language).search(masked):
            continue
        for pattern in denials(language).patterns:
            for found in pattern.finditer(masked):
                start, end = found.span("o")
                denied.update(place for place in range(start, end) if masked[place] == NAME)
    return denied
