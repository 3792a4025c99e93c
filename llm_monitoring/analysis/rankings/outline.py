"""What the blocks of an answer say of one another: sources, arguments, letters, trophies, options under categories."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from llm_monitoring.analysis.rankings.items import Context
from llm_monitoring.analysis.rankings.letters import ALPHABETS, LETTERED, places_of
from llm_monitoring.analysis.rankings.options import folded
from llm_monitoring.analysis.rankings.phrases import ARGUMENTS, SOURCES
from llm_monitoring.analysis.rankings.subjects import MEDALS
from llm_monitoring.analysis.text.blocks import Block, Heading, Listing, Paragraph, Prose

LEADING_LETTER = re.compile(rf"[\s*_]*+{LETTERED.pattern}")
LABEL_LENGTH = 60
LETTERED_ITEMS = 3
TROPHIES = frozenset("🏆👑")


def ranked_blocks(blocks: Sequence[Block], context: Context) -> list[Block]:
    """The blocks in which options may be ranked; what they say of their items is noted in the context."""
    note_letters(blocks, context)
    note_trophies(blocks, context)
    return [inner for block in without_sources(blocks, context) for inner in options_of(block, context)]


def without_sources(blocks: Sequence[Block], context: Context) -> Iterator[Block]:
    """All blocks but those of a list of sources; items under a label such as "Pros" are noted."""
    label = ""
    level: int | None = None
    for block in blocks:
        if isinstance(block, Heading):
            label = label_of(block.prose, context)
            level = level if level is not None and block.level > level else None
            if level is None and SOURCES.fullmatch(label):
                level = block.level
        elif level is None and isinstance(block, Paragraph):
            label = label_of(context.lines(block.prose)[-1], context)
        if level is not None and not isinstance(block, Heading):
            continue
        if isinstance(block, Listing):
            listed, label = label, ""
            if SOURCES.fullmatch(listed):
                continue
            if ARGUMENTS.fullmatch(listed):
                context.arguments.update(item.lead.start for item in block.items if item.lead)
        yield block


def label_of(prose: Prose, context: Context) -> str:
    """A short heading or line, as word lists have it; nothing for a longer one."""
    if prose.end - prose.start > LABEL_LENGTH:
        return ""
    return folded(context.text[context.opening(prose).position : prose.end]).strip(" .:*_")


def options_of(block: Block, context: Context) -> Iterator[Block]:
    """The block itself; or the lists inside it if its items are categories, which no tracked entity holds."""
    nested = [inner for item in block.items for inner in item.nested] if isinstance(block, Listing) else []
    if nested and isinstance(block, Listing):
        leads = [context.item(item.lead) for item in block.items if item.lead]
        if all(entry.first is None for entry in leads):
            yield from nested
            return
    yield block


@dataclass(slots=True)
class Letters:
    """Items of one class of block that open with letters of one alphabet in order."""

    alphabets: set[int]
    positions: list[int] = field(default_factory=list)

    def goes_on_with(self, letter: str) -> set[int]:
        """The alphabets in which a letter is the next."""
        found = places_of(letter)
        return {alphabet for alphabet in self.alphabets if (alphabet, len(self.positions) + 1) in found}


def note_letters(blocks: Sequence[Block], context: Context) -> None:
    """Note the places of items that open with a letter, if three or more stand in order from the first on."""
    runs: dict[str, Letters] = {}
    found: list[Letters] = []
    for source, prose in opened_proses(blocks, context):
        letter = leading_letter(context.text, prose)
        if letter is None:
            continue
        run = runs.get(source)
        alphabets = run.goes_on_with(letter) if run is not None else set()
        if run is None or not alphabets:
            run = runs[source] = Letters(set(range(len(ALPHABETS))))
            alphabets = run.goes_on_with(letter)
            found.append(run)
        if alphabets:
            run.alphabets = alphabets
            run.positions.append(prose.start)
    for run in found:
        if len(run.positions) >= LETTERED_ITEMS:
            context.places.update((position, place) for place, position in enumerate(run.positions, 1))


def note_trophies(blocks: Sequence[Block], context: Context) -> None:
    """Note the items with a trophy of which the next medal is the second one: they are the first."""
    trophies: dict[str, int] = {}
    for source, prose in opened_proses(blocks, context):
        sign = context.text[prose.start : prose.start + 1]
        if sign in TROPHIES:
            trophies[source] = prose.start
        elif sign in MEDALS:
            trophy = trophies.pop(source, None)
            if trophy is not None and MEDALS[sign] == 2:
                context.places[trophy] = 1


def opened_proses(blocks: Sequence[Block], context: Context) -> Iterator[tuple[str, Prose]]:
    """Headings, lines of paragraphs and bullets, each with the class of its block."""
    for number, block in enumerate(blocks):
        if isinstance(block, Heading):
            yield f"heading {block.level}", block.prose
        elif isinstance(block, Paragraph):
            for line in context.lines(block.prose):
                yield "paragraph", line
        elif isinstance(block, Listing) and not block.ordered:
            for item in block.items:
                if item.lead:
                    yield f"list {number}", item.lead


def leading_letter(text: str, prose: Prose) -> str | None:
    """The letter that an item opens with, as in `a)`."""
    found = LEADING_LETTER.match(text, prose.start, prose.end)
    return found["letter"] if found else None
