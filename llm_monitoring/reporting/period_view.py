"""A period's figures with their intervals and bases: over all providers, of each one, and of the competitors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from llm_monitoring.figures import Change, Comparison
from llm_monitoring.figures.answer_set import AnswerSet
from llm_monitoring.figures.periods import PeriodFigures, PeriodTotals
from llm_monitoring.reporting.overview import (
    Headline,
    competitor_values,
    entity_row,
    headlines,
)

Column = Literal[
    "mention_rate",
    "share_of_voice",
    "weighted_share_of_voice",
    "avg_position",
    "citation_rate",
    "avg_sentiment_score",
]


@dataclass(frozen=True, slots=True)
class PeriodFigure:
    """One figure; `low` and `high` bound it with 95 % confidence, None if there is no interval.

    `answers` and `prompts` are those that it rests on; `change` is None if there is no comparison of it.
    """

    value: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    answers: int = 0
    prompts: int = 0
    change: Change | None = None


Figures = Mapping[Column, PeriodFigure]


@dataclass(frozen=True, slots=True)
class CompetitorFigures:
    """A competitor's figures, measured as the brand's are."""

    name: str
    mention_rate: PeriodFigure
    share_of_voice: PeriodFigure
    avg_position: PeriodFigure


@dataclass(frozen=True, slots=True)
class PeriodView:
    """All figures of a period."""

    total: Figures
    by_provider: Mapping[str, Figures]
    competitors: tuple[CompetitorFigures, ...]


def period_view(measured: PeriodFigures) -> PeriodView:
    """Return the figures of a measured period; of a provider only the mention rate is compared."""
    comparison = measured.comparison
    changes = {change.provider: change for change in comparison.by_provider} if comparison else {}
    return PeriodView(
        total=figures_of(measured.total, comparison),
        by_provider={
            name: with_mention_change(figures_of(each, None), changes.get(name))
            for name, each in measured.by_provider.items()
        },
        competitors=competitor_figures(measured.total.answers),
    )


def figures_of(totals: PeriodTotals, comparison: Comparison | None) -> Figures:
    """The brand's figures; no interval is computed for the weighted share of voice."""
    cell = totals.summary.figures
    found = {each.figure: figure_of(each) for each in headlines(totals.answers, cell, comparison)}
    weighted = PeriodFigure(cell.weighted_share_of_voice, None, None, *totals.answers.weighted_shares.basis)
    return {
        "mention_rate": found["mention_rate"],
        "share_of_voice": found.get("share_of_voice", PeriodFigure()),
        "weighted_share_of_voice": weighted,
        "avg_position": found["avg_position"],
        "citation_rate": found["citation_rate"],
        "avg_sentiment_score": found["sentiment"],
    }


def figure_of(headline: Headline) -> PeriodFigure:
    return PeriodFigure(
        headline.value, headline.low, headline.high, headline.answers, headline.prompts, headline.change
    )


def with_mention_change(figures: Figures, change: Change | None) -> Figures:
    return {**figures, "mention_rate": replace(figures["mention_rate"], change=change)}


def competitor_figures(answers: AnswerSet) -> tuple[CompetitorFigures, ...]:
    """Each competitor's figures, the most mentioned first; no interval is computed for their positions."""
    rows = [competitor_row(name, answers) for name in answers.competitors]
    return tuple(sorted(rows, key=lambda row: (-(row.mention_rate.value or 0), row.name)))


def competitor_row(name: str, answers: AnswerSet) -> CompetitorFigures:
    measures = competitor_values(name, answers)
    mentions, shares, positions = measures
    row = entity_row(name, False, measures, ())
    return CompetitorFigures(
        name=name,
        mention_rate=PeriodFigure(row.mention_rate, row.low, row.high, *mentions.basis),
        share_of_voice=PeriodFigure(row.share.value, row.share.low, row.share.high, *shares.basis),
        avg_position=PeriodFigure(row.avg_position, None, None, *positions.basis),
    )
