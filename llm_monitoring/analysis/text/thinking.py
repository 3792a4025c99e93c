"""The thinking that some models return before their answer: no part of it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

import pyromark

OPENING = re.compile(r"(?<!\\)<think(?:ing)?(?:\s(?:[^<>]*[^<>/])?)?>", re.IGNORECASE)
CLOSING = re.compile(r"</think(?:ing)?\s*>", re.IGNORECASE)
# At the edge of a line, or right after a word or a full stop. Between blanks or quotation marks a tag is spoken of.
LONE_CLOSING = re.compile(
    r"(?:^[ \t]*|(?<=[^\s\\\"'“«‘(`]))</think(?:ing)?\s*>|(?<!\\)</think(?:ing)?\s*>(?=[ \t]*$)",
    re.IGNORECASE | re.MULTILINE,
)
HINT = "think"
CODE_MARK = re.compile(r"[`~\t]|    ")
# A block may hold an open fence, so what follows it has to be parsed again; a text made of blocks would take too long.
CAREFUL = 16


def without_thinking(source: str) -> str:
    """The source without its thinking blocks; an open one takes all that follows. A tag inside code is text."""
    if "<" not in source or HINT not in source.lower():
        return source
    source = without_unopened(source)
    careful = CAREFUL
    while (found := first_opening(source, careful > 0)) is not None:
        closing = CLOSING.search(source, found.end())
        if closing is None:
            return source[: found.start()]
        if careful == 0:
            return without_plain_blocks(source, found.start())
        careful -= 1
        source = join(source[: found.start()], source[closing.end() :])
    return source


def without_unopened(source: str) -> str:
    """The source without thinking at its start of which the answer holds the closing tag alone."""
    opening = first_opening(source, careful=True)
    found = list(LONE_CLOSING.finditer(source, 0, len(source) if opening is None else opening.start()))
    if not found:
        return source
    in_code = code_finder(source)
    closing = next((each for each in reversed(found[-CAREFUL:]) if not in_code(each.start())), None)
    return source if closing is None else source[closing.end() :]


def join(before: str, after: str) -> str:
    """What stands around a block, with a space if words would run together."""
    parts_words = before[-1:].isalnum() and after[:1].isalnum()
    return f"{before} {after}" if parts_words else before + after


def without_plain_blocks(source: str, start: int) -> str:
    """The source without the blocks from `start` on, in one pass that does not look for code."""
    kept = [source[:start]]
    position = start
    while (found := OPENING.search(source, position)) is not None:
        kept.append(source[position : found.start()])
        closing = CLOSING.search(source, found.end())
        if closing is None:
            return "".join(kept)
        position = closing.end()
    return "".join([*kept, source[position:]])


def first_opening(source: str, careful: bool) -> re.Match[str] | None:
    """The first tag that opens a block; with `careful`, outside code."""
    found = OPENING.search(source)
    if found is None or not careful:
        return found
    in_code = code_finder(source)
    return next((each for each in OPENING.finditer(source, found.start()) if not in_code(each.start())), None)


def code_finder(source: str) -> Callable[[int], bool]:
    """What tells whether a position of the source is inside code."""
    if not CODE_MARK.search(source):
        return lambda position: False
    starts, ends = code_ranges(source)

    def in_code(position: int) -> bool:
        place = len(source[:position].encode())
        before = bisect_right(starts, place) - 1
        return before >= 0 and ends[before] > place

    return in_code


def code_ranges(source: str) -> tuple[list[int], list[int]]:
    """Where code starts and ends, in bytes of the source."""
    events = pyromark.events_with_range(source, merge_text=True)
    ranges = [(place["start"], place["end"]) for event, place in events if opens_code(event)]
    return [start for start, _ in ranges], [end for _, end in ranges]


def opens_code(event: object) -> bool:
    """Whether an event of the parser is code: a span, or the start of a block."""
    if not isinstance(event, dict):
        return False
    start = event.get("Start")
    return "Code" in event or start == "CodeBlock" or (isinstance(start, dict) and "CodeBlock" in start)
