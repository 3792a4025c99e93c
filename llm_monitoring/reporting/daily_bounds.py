"""Intervals of daily figures, computed from the day's answers: a snapshot keeps that of its mention rate alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from llm_monitoring.db import Database, Row, RowErrors
from llm_monitoring.figures import snapshots, summary_of
from llm_monitoring.figures.answer_set import answer_set
from llm_monitoring.figures.periods import PeriodTotals
from llm_monitoring.projects import Project
from llm_monitoring.reporting.period_view import Column, Figures, figures_of

BOUNDED: Final[tuple[Column, ...]] = ("share_of_voice", "weighted_share_of_voice", "avg_position", "citation_rate")


def with_bounds(db: Database, project: Project, rows: Sequence[Row]) -> Iterator[Row]:
    """Yield snapshots in their order, day by day, with `prompts` and `<figure>_low` and `<figure>_high` of each figure.

    The bounds are None if there is no interval, and if the snapshot does not stand for the answers that are stored.
    """
    day, found = None, {}
    for row in rows:
        if row["snapshot_date"] != day:
            day = row["snapshot_date"]
            found = snapshots.day_cells(db, project, day, RowErrors())
        answers = found.get((row["llm_provider"], row["model_id"]), [])
        yield {**row, **bounds(row, day_figures(project, answers))}


def day_figures(project: Project, answers: Sequence[snapshots.Counted]) -> Figures:
    names = [entity.name for entity in project.competitors]
    own = answer_set([each.observation for each in answers], names)
    return figures_of(PeriodTotals(own, summary_of(own), 0, Decimal(0)), None)


def bounds(row: Row, figures: Figures) -> Row:
    found: Row = {"prompts": figures["mention_rate"].prompts or None}
    for name in BOUNDED:
        figure = figures[name]
        is_same = figure.value is not None and figure.value == row[name]
        found |= {f"{name}_low": figure.low if is_same else None, f"{name}_high": figure.high if is_same else None}
    return found
