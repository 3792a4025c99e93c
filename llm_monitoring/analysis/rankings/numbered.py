"""Numbered rankings: items that show numbers, letters or medals, joined as long as these continue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

from llm_monitoring.analysis.rankings.items import Context, Entry, Ranking, names_option, settled
from llm_monitoring.analysis.rankings.options import Naming
from llm_monitoring.analysis.text.blocks import Block, Heading, Listing, Paragraph

NUMBER_GAP = 5
# A list goes on with one of these at the latest; looking through all of them would take time squared.
RECENT_RUNS, OTHER_RUNS = 50, 4


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


def numbered_rankings(blocks: Sequence[Block], context: Context) -> list[Ranking]:
    """Items that show numbers, joined over interruptions as long as the numbers continue."""
    runs: list[Run] = []
    for block in blocks:
        for source, entries in numbered_entries(block, context):
            extend_runs(runs, source, entries)
    context.lone.update(run.ranking.start for run in runs if run.source != "list" and len(run.ranking.entries) == 1)
    for run in runs:
        entries = settled(run.ranking.entries)
        run.ranking.entries = entries if run.source == "list" else without_conclusions(entries)
    return [run.ranking for run in runs if run.ranking.entries]


def without_conclusions(entries: list[Entry]) -> list[Entry]:
    """Headings and paragraphs that name an option; those before one that does keep their number in the total."""
    options = [entry for entry in entries if names_option(entry)]
    if not options or max(entry.number or 0 for entry in options) <= len(options):
        return options
    last = max(place for place, entry in enumerate(entries, 1) if names_option(entry))
    return entries[:last]


def extend_runs(runs: list[Run], source: str, entries: list[Entry]) -> None:
    """Add the items of one block to the run that they continue, or start another."""
    first = entries[0].number
    if first is None:
        return
    run = continued_run(runs, source, first)
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


def continued_run(runs: list[Run], source: str, number: int) -> Run | None:
    """The run with which a number goes on, among the recent ones: of its own class of block first."""
    recent = runs[: -RECENT_RUNS - 1 : -1]
    same = next((run for run in recent if run.source == source), None)
    if same is not None and same.continues(number):
        return same
    others = islice((run for run in recent if run.source != source), OTHER_RUNS)
    other = next((run for run in others if number != 1 and run.continues(number)), None)
    if other is None and same is not None and same.resumes(number):
        return same
    return other


def numbered_entries(block: Block, context: Context) -> Iterator[tuple[str, list[Entry]]]:
    """The numbered items of a block, in portions that belong together, with the class of the block."""
    if isinstance(block, Listing):
        entries = listing_entries(block, context)
        if entries:
            yield "list", entries
    elif isinstance(block, Heading):
        if context.shows_number(block.prose):
            yield f"heading {block.level}", [context.heading(block.prose)]
    elif isinstance(block, Paragraph):
        for line in context.lines(block.prose):
            if context.shows_number(line):
                yield "paragraph", [context.item(line)]


def listing_entries(block: Listing, context: Context) -> list[Entry]:
    """The items of a list that shows numbers: an ordered one, or bullets with numbers or medals of their own."""
    if block.ordered:
        numbers = shown_numbers(block)
        return [
            context.item(item.lead, number) if item.lead else Entry(number, (), "", block_position(block), Naming.NONE)
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
