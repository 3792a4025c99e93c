"""Tables as rankings: which column ranks, which names the options."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from llm_monitoring.analysis.rankings.items import Context, Entry, Ranking
from llm_monitoring.analysis.rankings.options import folded
from llm_monitoring.analysis.rankings.phrases import RANK_HEADERS
from llm_monitoring.analysis.rankings.subjects import rank_of_cell
from llm_monitoring.analysis.text.blocks import Block, Prose, Table


def table_rankings(blocks: Sequence[Block], context: Context) -> list[Ranking]:
    """Tables: one row an option."""
    return [read_table(block, context) for block in blocks if isinstance(block, Table) and len(block.rows) > 1]


def read_table(table: Table, context: Context) -> Ranking:
    """A table as a ranking, numbered if a column holds the ranks."""
    rank_column = find_rank_column(table, context)
    column = option_column(table, rank_column, context)
    entries: list[Entry] = []
    for row in table.rows:
        rank = rank_in(row, rank_column, context)
        cell = row[column] if column < len(row) else Prose(row[0].start if row else 0, row[0].start if row else 0)
        if rank is not None or context.text[cell.start : cell.end].strip():
            entries.append(context.item(cell, rank))
    shown = [entry.number for entry in entries if entry.number is not None]
    numbered = rank_column is not None or (len(shown) == len(entries) and len(set(shown)) == len(shown))
    if not numbered:
        entries = [entry.unnumbered() for entry in entries]
    return Ranking("numbered" if numbered else "table", entries)


def rank_in(row: list[Prose], column: int | None, context: Context) -> int | None:
    """The rank that a row shows."""
    if column is None or column >= len(row):
        return None
    return rank_of_cell(context.text[row[column].start : row[column].end])


def find_rank_column(table: Table, context: Context) -> int | None:
    """The column of ranks: headed as one, or the first one if it counts the rows up or down."""
    width = max(len(row) for row in [table.header, *table.rows])
    for column in range(min(width, 8)):
        headed = headed_as_rank(table, column, context)
        if column and not headed:
            continue
        ranks_read = [rank_in(row, column, context) for row in table.rows]
        read = [rank for rank in ranks_read if rank is not None]
        if len(read) < 2 or len(read) < len(ranks_read) - 1:
            continue
        steps = {later - earlier for earlier, later in pairwise(read)}
        if headed or steps in ({1}, {0, 1}, {-1}):
            return column
    return None


def headed_as_rank(table: Table, column: int, context: Context) -> bool:
    """Whether the header of a column says that it holds ranks."""
    if column >= len(table.header):
        return False
    cell = table.header[column]
    return folded(context.text[cell.start : cell.end]).strip(" *") in RANK_HEADERS


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
