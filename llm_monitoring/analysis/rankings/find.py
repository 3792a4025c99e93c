"""Finds rankings: the blocks of an answer that put named options in order, and which entity holds which item.

`ranked_blocks` drops what can never be an item. Then one function for each kind of ranking (numbered, table,
headings, bulleted, bold) makes entries of its blocks: an entry has the subject's label, the entities that hold it and
the number that a reader sees. Headings and bullets that show numbers belong to `numbered` alone. At the end `ranks`
keeps the rankings with at least two different options, one of them tracked, in the order of the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_monitoring.analysis.rankings.items import Context, Entry, Ranking, names_option, settled
from llm_monitoring.analysis.rankings.numbered import bullet_entries, listing_entries, numbered_rankings
from llm_monitoring.analysis.rankings.outline import ranked_blocks
from llm_monitoring.analysis.rankings.subjects import Named, joining, read_subject
from llm_monitoring.analysis.rankings.tables import table_rankings
from llm_monitoring.analysis.text.blocks import Block, Document, Heading, Listing, Paragraph, Prose


def find_rankings(document: Document, named: Sequence[Named]) -> list[Ranking]:
    """Every ranking of an answer, in the order of the text."""
    starts = [name.match.start for name in named]
    context = Context(document.text, named, starts, joining(document.language))
    blocks = ranked_blocks(document.blocks, context)
    found = [
        *numbered_rankings(blocks, context),
        *table_rankings(blocks, context),
        *heading_rankings(blocks, context),
        *bulleted_rankings(blocks, context),
        *bold_rankings(blocks, context),
    ]
    return sorted((ranking for ranking in found if ranks(ranking)), key=lambda ranking: ranking.start)


def ranks(ranking: Ranking) -> bool:
    """Whether at least two options are named, and a tracked entity holds one."""
    held = {entry.holders for entry in ranking.entries if entry.holders}
    others = {entry.label for entry in ranking.entries if not entry.holders and names_option(entry)}
    return bool(held) and len(held) + len(others) >= 2


def heading_rankings(blocks: Sequence[Block], context: Context) -> list[Ranking]:
    """Headings of one level without numbers, a ranking a section."""
    found: list[Ranking] = []
    levels: dict[int, list[Entry]] = {}
    for block in blocks:
        if not isinstance(block, Heading):
            continue
        for deeper in [level for level in levels if level > block.level]:
            found.extend(option_ranking("headings", levels.pop(deeper)))
        if not context.shows_number(block.prose):
            levels.setdefault(block.level, []).append(context.heading(block.prose).unnumbered())
    for entries in levels.values():
        found.extend(option_ranking("headings", entries))
    return found


def option_ranking(kind: str, entries: list[Entry]) -> list[Ranking]:
    """A ranking of headings or bold openers; if all names are of one entity, it is a review and no ranking."""
    options = [entry for entry in settled(entries) if names_option(entry)]
    tracked = {entry.holders for entry in options if entry.holders}
    held = sum(bool(entry.holders) for entry in options)
    return [] if not tracked or (len(tracked) == 1 and held > 1) else [Ranking(kind, options)]


def bulleted_rankings(blocks: Sequence[Block], context: Context) -> list[Ranking]:
    """Each top-level bulleted list without numbers in its bullets."""
    found: list[Ranking] = []
    for block in blocks:
        if isinstance(block, Listing) and not block.ordered and not listing_entries(block, context):
            entries = [entry.unnumbered() for entry in settled(bullet_entries(block, context))]
            if entries:
                found.append(Ranking("bulleted", entries))
    return found


def bold_rankings(blocks: Sequence[Block], context: Context) -> list[Ranking]:
    """Paragraphs that open with a bold name, a ranking a section."""
    found: list[Ranking] = []
    section: list[Entry] = []
    for block in blocks:
        if isinstance(block, Heading):
            found.extend(option_ranking("bold", section))
            section = []
        elif isinstance(block, Paragraph):
            section.extend(bold_entries(block.prose, context))
    found.extend(option_ranking("bold", section))
    return found


def bold_entries(prose: Prose, context: Context) -> Iterator[Entry]:
    """The bold opener of a paragraph, a card's first line passed over; of each line if all of several have one."""
    lines = without_card(context.lines(prose), context)
    openers = [opener for line in lines if (opener := bold_opener(line, context)) is not None]
    if len(openers) == len(lines):
        yield from openers
    elif len(lines) > 1 and (first := bold_opener(whole(lines), context)) is not None:
        yield first


def without_card(lines: list[Prose], context: Context) -> list[Prose]:
    """The lines of a paragraph without a first one that is an image alone, or one link over a bold line."""
    if len(lines) < 2:
        return lines
    text = context.text[lines[0].start : lines[0].end]
    passed = not text.strip() or (is_link(lines[0], text) and bold_opener(lines[1], context) is not None)
    return lines[1:] if passed else lines


def is_link(line: Prose, text: str) -> bool:
    """Whether a line is one link and nothing else."""
    start, end = line.start + len(text) - len(text.lstrip()), line.start + len(text.rstrip())
    return any(span.link and span.start <= start and end <= span.end for span in line.strong)


def whole(lines: list[Prose]) -> Prose:
    """Lines in a row as one stretch."""
    strong = [span for line in lines for span in line.strong]
    return Prose(lines[0].start, lines[-1].end, strong, [line.start for line in lines[1:]])


def bold_opener(prose: Prose, context: Context) -> Entry | None:
    """The item that a paragraph opens with in bold, without a number."""
    if not prose.strong:
        return None
    opening = context.opening(prose)
    subject = read_subject(context.text, prose, opening, context.joining)
    if not subject.whole or context.shows_number(prose):
        return None
    return context.entry(prose, subject, None)
