"""The thinking that some models return before their answer: no part of it."""

from __future__ import annotations

import re
from bisect import bisect_right

import pyromark

OPENING = re.compile(r"(?<!\\)<think(?:ing)?(?:\s(?:[^<>]*[^<>/])?)?>", re.IGNORECASE)
CLOSING = re.compile(r"</think(?:ing)?\s*>", re.IGNORECASE)
HINT = "<think"
CODE_MARK = re.compile(r"[`~\t]|    ")
# A block may hold an open fence, so what follows it has to be parsed again; a text made of blocks would take too long.
CAREFUL = 16


def without_thinking(source: str) -> str:
    """The source without its thinking blocks; an open one takes all that follows. A tag inside code is text."""
    if "<" not in source or HINT not in source.lower():
        return source
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
    if found is None or not careful or not CODE_MARK.search(source):
        return found
    starts, ends = code_ranges(source)
    for opening in OPENING.finditer(source, found.start()):
        place = len(source[: opening.start()].encode())
        before = bisect_right(starts, place) - 1
        if before < 0 or ends[before] <= place:
            return opening
    return None


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
