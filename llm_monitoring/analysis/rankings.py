"""Rankings: the blocks of an answer that put named options in order, and who holds which place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from llm_monitoring.analysis.blocks import Block, Document, Heading, Listing, Paragraph, Prose, Span
from llm_monitoring.analysis.items import Context, Entry, Ranking, names_option, reads_as_name
from llm_monitoring.analysis.subjects import Named, read_opening, read_subject
from llm_monitoring.analysis.tables import table_rankings

NUMBER_GAP = 5
# A list goes on with one of these at the latest; looking through all of them would take time squared.
RECENT_RUNS = 50


@dataclass(slots=True)
class Run:
    """Numbered items that continue one another, of one class of block."""

    source: str
    ranking: Ranking
    last: int
    step: int = 0

    def continues(self, number: int) -> bool:
        """Whether a number goes on with this run, which rises or falls by one."""
        step = number - self.last
        return step in (1, -1) and self.step in (0, step)

    def resumes(self, number: int) -> bool:
        """Whether headings or paragraphs of one class go on after a gap."""
        return self.source != "list" and self.step >= 0 and 1 < number - self.last <= NUMBER_GAP


def find_rankings(document: Document, named: Sequence[Named]) -> list[Ranking]:
    """Every ranking of an answer, in the order of the text."""
    context = Context(document.text, named, [one.match.start for one in named])
    found = [
        *numbered_rankings(document.blocks, context),
        *table_rankings(document.blocks, context),
        *heading_rankings(document.blocks, context),
        *bulleted_rankings(document.blocks, context),
        *bold_rankings(document.blocks, context),
    ]
    return sorted((ranking for ranking in found if ranks(ranking)), key=lambda ranking: ranking.start)


def ranks(ranking: Ranking) -> bool:
    """Whether at least two options are named, and somebody tracked holds one."""
    held = {entry.holders for entry in ranking.entries if entry.holders}
    others = {entry.label for entry in ranking.entries if not entry.holders and names_option(entry)}
    return bool(held) and len(held) + len(others) >= 2


def is_named_item(entry: Entry) -> bool:
    """Whether a heading or a bold opener without a number names an option."""
    if not names_option(entry):
        return False
    return bool(entry.holders) or reads_as_name(entry.label)


def numbered_rankings(blocks: Sequence[Block], context: Context) -> list[Ranking]:
    """Items that show numbers, joined over interruptions as long as the numbers continue."""
    runs: list[Run] = []
    for block in blocks:
        for source, entries in numbered_entries(block, context):
            extend_runs(runs, source, entries)
    for run in runs:
        if run.source != "list":
            run.ranking.entries = [entry for entry in run.ranking.entries if names_option(entry)]
    return [run.ranking for run in runs if run.ranking.entries]


def extend_runs(runs: list[Run], source: str, entries: list[Entry]) -> None:
    """Add the items of one block to the run that they continue, or start another."""
    first = entries[0].number
    if first is None:
        return
    recent = runs[: -RECENT_RUNS - 1 : -1]
    same = [run for run in recent if run.source == source][:1]
    others = [run for run in recent if run.source != source]
    run = next((run for run in [*same, *others[:4]] if run.continues(first)), None)
    run = run or next((run for run in same if run.resumes(first)), None)
    if run is None:
        run = Run(source, Ranking("numbered"), first)
        runs.append(run)
    else:
        run.step = 1 if first > run.last else -1
        run.source = source
    run.ranking.entries.extend(entries)
    numbers = [entry.number for entry in entries if entry.number is not None]
    run.last = numbers[-1]
    if len(numbers) > 1:
        run.step = 1 if numbers[-1] > numbers[0] else -1


def numbered_entries(block: Block, context: Context) -> Iterator[tuple[str, list[Entry]]]:
    """The numbered items of a block, in portions that belong together, with the class of the block."""
    if isinstance(block, Listing):
        entries = listing_entries(block, context)
        if entries:
            yield "list", entries
    elif isinstance(block, Heading):
        entry = context.heading(block.prose)
        if entry.number is not None:
            yield f"heading {block.level}", [entry]
    elif isinstance(block, Paragraph):
        for line in lines_of(block.prose):
            entry = context.item(line)
            if entry.number is not None:
                yield "paragraph", [entry]


def lines_of(prose: Prose) -> list[Prose]:
    """The lines of a paragraph."""
    if not prose.lines:
        return [prose]
    edges = [prose.start, *prose.lines, prose.end]
    lines: list[Prose] = []
    spans = iter(sorted(prose.strong, key=lambda span: span.start))
    span: Span | None = next(spans, None)
    for start, end in pairwise(edges):
        strong: list[Span] = []
        while span is not None and span.start < end:
            strong.append(span)
            span = next(spans, None)
        lines.append(Prose(start, end, strong))
    return lines


def listing_entries(block: Listing, context: Context) -> list[Entry]:
    """The items of a list that shows numbers: an ordered one, or bullets with numbers or medals of their own."""
    if block.ordered:
        numbers = shown_numbers(block)
        return [
            context.item(item.lead, number) if item.lead else Entry(number, (), "", block_position(block))
            for item, number in zip(block.items, numbers, strict=True)
        ]
    entries = bullet_entries(block, context)
    shown = [entry.number for entry in entries if entry.number is not None]
    steps = {(later > earlier) - (later < earlier) for earlier, later in pairwise(shown)}
    if len(shown) < 2 or len(steps) != 1 or 0 in steps:
        return []
    return [
        entry if entry.number is not None else replace(entry, number=place) for place, entry in enumerate(entries, 1)
    ]


def block_position(block: Listing) -> int:
    """Where a list starts, as far as its items say."""
    return next((item.lead.start for item in block.items if item.lead), 0)


def shown_numbers(block: Listing) -> list[int]:
    """The numbers that a reader sees: counted from the first, unless the written ones strictly fall."""
    written = [item.number for item in block.items if item.number is not None]
    falls = all(later < earlier for earlier, later in pairwise(written))
    if len(written) == len(block.items) > 1 and falls:
        return written
    return [block.start + place for place in range(len(block.items))]


def bullet_entries(block: Listing, context: Context) -> list[Entry]:
    """The items of a bulleted list."""
    return [context.item(item.lead, item.inner) for item in block.items if item.lead]


def heading_rankings(blocks: Sequence[Block], context: Context) -> list[Ranking]:
    """Headings of one level without numbers, a ranking a section."""
    found: list[Ranking] = []
    levels: dict[int, list[Entry]] = {}
    for block in blocks:
        if not isinstance(block, Heading):
            continue
        for deeper in [level for level in levels if level > block.level]:
            found.extend(option_ranking("headings", levels.pop(deeper)))
        entry = context.heading(block.prose)
        if entry.number is None:
            levels.setdefault(block.level, []).append(entry)
    for entries in levels.values():
        found.extend(option_ranking("headings", entries))
    return found


def option_ranking(kind: str, entries: list[Entry]) -> list[Ranking]:
    """A ranking of headings or bold openers; where all names are of one entity it is a review of it, and none."""
    options = [entry for entry in entries if is_named_item(entry)]
    tracked = {entry.holders for entry in options if entry.holders}
    held = sum(bool(entry.holders) for entry in options)
    return [] if not tracked or (len(tracked) == 1 and held > 1) else [Ranking(kind, options)]


def bulleted_rankings(blocks: Sequence[Block], context: Context) -> list[Ranking]:
    """Each top-level bulleted list whose bullets show no numbers."""
    found: list[Ranking] = []
    for block in blocks:
        if isinstance(block, Listing) and not block.ordered and not listing_entries(block, context):
            entries = [replace(entry, number=None) for entry in bullet_entries(block, context)]
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
    """The bold opener of a paragraph; of each line where all of several lines have one."""
    lines = lines_of(prose)
    openers = [opener for line in lines if (opener := bold_opener(line, context)) is not None]
    if len(openers) == len(lines):
        yield from openers
    elif len(lines) > 1 and (first := bold_opener(prose, context)) is not None:
        yield first


def bold_opener(prose: Prose, context: Context) -> Entry | None:
    """The item that a paragraph opens with in bold, without a number."""
    if not prose.strong:
        return None
    opening = read_opening(context.text, prose)
    subject = read_subject(context.text, prose, opening)
    if not subject.whole or opening.number is not None:
        return None
    return context.entry(prose, subject, None)
