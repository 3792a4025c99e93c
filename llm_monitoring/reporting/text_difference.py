"""What changed from one text to another: lines, and words within lines that changed, bounded in time and size.

Texts beyond LONGEST_COMPARED are cut. Lines are compared first; the words of changed lines only while their products
stay small, since the time of a comparison grows with the product of both lengths. Lines above that are shown whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Final, Literal

Kind = Literal["same", "added", "removed"]

LONGEST_COMPARED: Final = 40_000
MOST_LINES: Final = 800
MOST_WORDS: Final = 400
"""Words of one changed stretch on either side: two such stretches take tenths of a second at worst."""

MOST_STRETCHES: Final = 25
KEPT_LINES: Final = 1
LETTER: Final = re.compile(r"\w")
WORD: Final = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of text that both have, or that one of them has."""

    text: str
    kind: Kind = "same"


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """A line with what changed in it; `skipped` lines that are the same stand in its place if it has no stretches."""

    stretches: tuple[Stretch, ...] = ()
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class TextDifference:
    """The lines that changed with a line around them; `is_cut` if a text was too long to be compared whole."""

    lines: tuple[ComparedLine, ...]
    is_same: bool
    is_cut: bool


def difference(before: str, after: str) -> TextDifference:
    """What changed from `before` to `after`."""
    texts = cut(before), cut(after)
    return TextDifference(
        lines=tuple(folded_lines(list(compared_lines(*texts)))),
        is_same=before == after,
        is_cut=texts != (before, after),
    )


def cut(text: str) -> str:
    """The beginning of a text, as long as is compared."""
    lines = text[:LONGEST_COMPARED].split("\n")
    return "\n".join(lines[:MOST_LINES])


def compared_lines(before: str, after: str) -> Iterator[tuple[Stretch, ...]]:
    """All lines, each with its stretches."""
    old, new = before.split("\n"), after.split("\n")
    left = MOST_STRETCHES
    for kind, old_start, old_end, new_start, new_end in SequenceMatcher(None, old, new).get_opcodes():
        removed, added = "\n".join(old[old_start:old_end]), "\n".join(new[new_start:new_end])
        if kind == "equal":
            yield from ((Stretch(line),) for line in new[new_start:new_end])
        elif kind == "replace" and left:
            left -= 1
            yield from by_line(compared_words(removed, added))
        else:
            yield from by_line(whole(removed, added))


def whole(removed: str, added: str) -> list[Stretch]:
    """One text taken away whole, another added whole."""
    found = [Stretch(removed, "removed")] if removed else []
    if removed and added:
        found.append(Stretch("\n"))
    return found + ([Stretch(added, "added")] if added else [])


def compared_words(before: str, after: str) -> list[Stretch]:
    """The stretches of two texts word by word; whole if they have too many words.

    Spaces and marks between two changes belong to both of them.
    """
    old, new = WORD.findall(before), WORD.findall(after)
    if max(len(old), len(new)) > MOST_WORDS:
        return whole(before, after)
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    pairs = [
        ("".join(old[old_start:old_end]), "".join(new[new_start:new_end]))
        for _, old_start, old_end, new_start, new_end in codes
    ]
    return [stretch for removed, added in joined_changes(pairs) for stretch in stretches_of(removed, added)]


def joined_changes(pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The pairs of earlier and later text, changes joined over what has no letters and stands between two of them."""
    removed, added = "", ""
    for place, (old, new) in enumerate(pairs):
        is_change = old != new
        is_between = bool(removed or added) and place + 1 < len(pairs) and not LETTER.search(old) and "\n" not in old
        if is_change or is_between:
            removed, added = removed + old, added + new
            continue
        yield removed, added
        yield old, new
        removed, added = "", ""
    yield removed, added


def stretches_of(removed: str, added: str) -> Iterator[Stretch]:
    if removed == added:
        yield from ([Stretch(added)] if added else [])
        return
    for text, kind in parts(removed, added):
        if text:
            yield Stretch(text, kind)


def parts(removed: str, added: str) -> tuple[tuple[str, Kind], tuple[str, Kind]]:
    return (removed, "removed"), (added, "added")


def by_line(stretches: Sequence[Stretch]) -> Iterator[tuple[Stretch, ...]]:
    """The stretches line by line; lines without text are left out."""
    current: list[Stretch] = []
    for stretch in stretches:
        first, *others = stretch.text.split("\n")
        current.append(Stretch(first, stretch.kind))
        for text in others:
            yield tuple(each for each in current if each.text)
            current = [Stretch(text, stretch.kind)]
    yield tuple(each for each in current if each.text)


def folded_lines(found: Sequence[tuple[Stretch, ...]]) -> Iterator[ComparedLine]:
    """The lines that changed with KEPT_LINES around them; what lies between is counted."""
    kept = [line for line in found if any(stretch.text.strip() for stretch in line)]
    changed = [any(stretch.kind != "same" for stretch in line) for line in kept]
    near = [any(changed[max(0, place - KEPT_LINES) : place + KEPT_LINES + 1]) for place in range(len(kept))]
    for is_near, group in groupby(zip(near, kept, strict=True), key=lambda each: each[0]):
        lines = [line for _, line in group]
        if is_near:
            yield from (ComparedLine(line) for line in lines)
        else:
            yield ComparedLine(skipped=len(lines))
