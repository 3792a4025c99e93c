"""Rankings: the blocks of an answer that put named options in order, and who holds which place."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from llm_monitoring.analysis.blocks import Block, Document, Heading, Listing, Paragraph, Prose, Span, Table
from llm_monitoring.analysis.folding import fold
from llm_monitoring.analysis.phrases import NO_OPTION, NO_OPTION_WHOLE, RANK_HEADERS
from llm_monitoring.analysis.subjects import (
    Named,
    Opening,
    Subject,
    holders,
    rank_of_cell,
    read_opening,
    read_subject,
)

QUESTION = re.compile("[?？¿]")
PARTS = re.compile(r"\s*(?:[:：–—(（|]|\s-\s)\s*")
CONNECTORS = frozenset("a al and by da das de del della der des di do dos du e et for für i la of und y".split())


@dataclass(frozen=True, slots=True)
class Entry:
    """An item: the number that it shows, who holds it, what it is about and whether that could be an option."""

    number: int | None
    holders: tuple[int, ...]
    label: str
    position: int


@dataclass(slots=True)
class Ranking:
    """A ranking of one kind, in the order of its items."""

    kind: str
    entries: list[Entry] = field(default_factory=list)

    @property
    def start(self) -> int:
        """Where it starts in the visible text."""
        return self.entries[0].position


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


@dataclass(slots=True)
class Context:
    """The answer under analysis: its text and the occurrences in it, in order."""

    text: str
    named: Sequence[Named]
    starts: list[int]

    def named_in(self, prose: Prose) -> Sequence[Named]:
        """The occurrences that start within a stretch."""
        return self.named[bisect_left(self.starts, prose.start) : bisect_left(self.starts, prose.end)]

    def entry(self, prose: Prose, opening: Opening, subject: Subject, number: int | None) -> Entry:
        """An item read."""
        held = holders(self.text, subject, self.named_in(prose), prose.end)
        return Entry(number, held, self.text[subject.start : subject.end].strip(), prose.start)

    def item(self, prose: Prose, number: int | None = None) -> Entry:
        """An item of a list, a cell or a paragraph: its own number wins only where none is given."""
        opening = read_opening(self.text, prose)
        shown = number if number is not None else opening.number
        return self.entry(prose, opening, read_subject(self.text, prose, opening), shown)

    def heading(self, prose: Prose) -> Entry:
        """A heading: its whole text is the subject."""
        opening = read_opening(self.text, prose)
        return self.entry(prose, opening, Subject(opening.position, prose.end, True), opening.number)


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
    options = [entry for entry in ranking.entries if entry.holders or names_option(entry.label)]
    return len(options) >= 2 and any(entry.holders for entry in ranking.entries)


def names_option(label: str) -> bool:
    """Whether a label could name an option: not a question, not a conclusion, criterion or piece of advice."""
    folded = fold(label).text.strip(" .:!*")
    return bool(folded) and not QUESTION.search(label) and not opens_no_option(folded)


def opens_no_option(folded: str) -> bool:
    """Whether a folded label opens with words that name no option."""
    return NO_OPTION.match(folded) is not None or PARTS.split(folded)[0] in NO_OPTION_WHOLE


def reads_as_name(label: str) -> bool:
    """Whether a label, or what stands after its colon or dash, is written as names are."""
    parts = [part for part in PARTS.split(label) if part]
    return any(capitalised(part) for part in (parts[:1] + parts[-1:]))


def capitalised(part: str) -> bool:
    """One word, or words that are all capitalised but for connectors."""
    words = [word for word in re.findall(r"[\w.&'’+-]+", part) if word.lower() not in CONNECTORS]
    if len(words) <= 1:
        return bool(words)
    return len(words) <= 6 and all(not word[0].islower() for word in words)


def is_item(entry: Entry) -> bool:
    """Whether a heading or a bold opener is an item at all."""
    return names_option(entry.label)


def is_named_item(entry: Entry) -> bool:
    """Whether a heading or a bold opener without a number names an option."""
    return names_option(entry.label) and (bool(entry.holders) or reads_as_name(entry.label))


# Numbered


def numbered_rankings(blocks: Sequence[Block], context: Context) -> list[Ranking]:
    """Items that show numbers, joined over interruptions as long as the numbers continue."""
    runs: list[Run] = []
    for block in blocks:
        for source, entries in numbered_entries(block, context):
            extend_runs(runs, source, entries)
    for run in runs:
        if run.source != "list":
            run.ranking.entries = [entry for entry in run.ranking.entries if entry.number is None or keeps(entry)]
    return [run.ranking for run in runs if run.ranking.entries]


def keeps(entry: Entry) -> bool:
    """A numbered heading or paragraph stays an item unless it is advice, a conclusion and the like."""
    return is_item(entry)


def extend_runs(runs: list[Run], source: str, entries: list[Entry]) -> None:
    """Add the items of one block to the run that they continue, or start another."""
    first = entries[0].number
    if first is None:
        return
    same = [run for run in reversed(runs) if run.source == source][:1]
    others = [run for run in reversed(runs) if run.source != source]
    run = next((run for run in [*same, *others[:4]] if run.continues(first)), None)
    if run is None:
        run = Run(source, Ranking("numbered"), first)
        runs.append(run)
    else:
        run.step = first - run.last
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
    for start, end in zip(edges, edges[1:], strict=False):
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
            context.item(item.lead, number) if item.lead else Entry(number, (), "", block_position(block, context))
            for item, number in zip(block.items, numbers, strict=True)
        ]
    entries = bullet_entries(block, context)
    shown = [entry.number for entry in entries if entry.number is not None]
    steps = {(later > earlier) - (later < earlier) for earlier, later in zip(shown, shown[1:], strict=False)}
    if len(shown) < 2 or len(steps) != 1 or 0 in steps:
        return []
    return [
        entry if entry.number is not None else Entry(place, entry.holders, entry.label, entry.position)
        for place, entry in enumerate(entries, 1)
    ]


def block_position(block: Listing, context: Context) -> int:
    """Where a list starts, as far as its items say."""
    return next((item.lead.start for item in block.items if item.lead), 0)


def shown_numbers(block: Listing) -> list[int]:
    """The numbers that a reader sees: counted from the first, unless the written ones strictly fall."""
    written = [item.number for item in block.items if item.number is not None]
    falls = all(later < earlier for earlier, later in zip(written, written[1:], strict=False))
    if len(written) == len(block.items) > 1 and falls:
        return written
    return [block.start + place for place in range(len(block.items))]


def bullet_entries(block: Listing, context: Context) -> list[Entry]:
    """The items of a bulleted list."""
    return [context.item(item.lead, item.inner) for item in block.items if item.lead]


# Tables


def table_rankings(blocks: Sequence[Block], context: Context) -> list[Ranking]:
    """Tables: one row an option."""
    return [read_table(block, context) for block in blocks if isinstance(block, Table) and len(block.rows) > 1]


def read_table(table: Table, context: Context) -> Ranking:
    """A table as a ranking, numbered where a column holds the ranks."""
    rank_column = find_rank_column(table, context)
    column = option_column(table, rank_column, context)
    entries: list[Entry] = []
    for row in table.rows:
        rank = rank_in(row, rank_column, context)
        cell = row[column] if column < len(row) else Prose(row[0].start if row else 0, row[0].start if row else 0)
        entries.append(context.item(cell, rank))
    shown = [entry.number for entry in entries if entry.number is not None]
    numbered = rank_column is not None or (len(shown) == len(entries) and len(set(shown)) == len(shown))
    if not numbered:
        entries = [Entry(None, entry.holders, entry.label, entry.position) for entry in entries]
    return Ranking("numbered" if numbered else "table", entries)


def rank_in(row: list[Prose], column: int | None, context: Context) -> int | None:
    """The rank that a row shows."""
    if column is None or column >= len(row):
        return None
    return rank_of_cell(context.text[row[column].start : row[column].end])


def find_rank_column(table: Table, context: Context) -> int | None:
    """The column of ranks: headed as one, or the first one where it counts the rows up or down."""
    width = max(len(table.header), max(len(row) for row in table.rows))
    for column in range(min(width, 8)):
        ranks_read = [rank_in(row, column, context) for row in table.rows]
        read = [rank for rank in ranks_read if rank is not None]
        if len(read) < 2 or len(read) < len(ranks_read) - 1:
            continue
        steps = {later - earlier for earlier, later in zip(read, read[1:], strict=False)}
        if headed_as_rank(table, column, context) or ((column == 0 and steps <= {0, 1}) or steps == {-1}):
            return column
    return None


def headed_as_rank(table: Table, column: int, context: Context) -> bool:
    """Whether the header of a column says that it holds ranks."""
    if column >= len(table.header):
        return False
    cell = table.header[column]
    return fold(context.text[cell.start : cell.end]).text.strip(" *") in RANK_HEADERS


def option_column(table: Table, rank_column: int | None, context: Context) -> int:
    """The first column of text, the ranks aside."""
    width = max(len(row) for row in table.rows)
    for column in range(width):
        if column == rank_column:
            continue
        cells = [context.text[row[column].start : row[column].end] for row in table.rows if column < len(row)]
        worded = sum(any(char.isalpha() for char in cell) for cell in cells)
        if 2 * worded >= len(table.rows):
            return column
    return 0


# Headings, bullets, bold


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
    """A ranking of headings or bold openers, if at least two name different options."""
    options = [entry for entry in entries if is_named_item(entry)]
    tracked = {entry.holders for entry in options if entry.holders}
    held = sum(bool(entry.holders) for entry in options)
    others = {fold(entry.label).text for entry in options if not entry.holders}
    if len(tracked) + len(others) < 2 or (len(tracked) == 1 and held > 1):
        return []
    return [Ranking(kind, options)]


def bulleted_rankings(blocks: Sequence[Block], context: Context) -> list[Ranking]:
    """Each top-level bulleted list whose bullets show no numbers."""
    found: list[Ranking] = []
    for block in blocks:
        if isinstance(block, Listing) and not block.ordered and not listing_entries(block, context):
            entries = [
                Entry(None, entry.holders, entry.label, entry.position) for entry in bullet_entries(block, context)
            ]
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
    elif (first := bold_opener(prose, context)) is not None:
        yield first


def bold_opener(prose: Prose, context: Context) -> Entry | None:
    """The item that a paragraph opens with in bold, without a number."""
    opening = read_opening(context.text, prose)
    subject = read_subject(context.text, prose, opening)
    if not subject.whole or opening.number is not None:
        return None
    return context.entry(prose, opening, subject, None)
