"""A period's figures with their intervals and bases: over all providers, of each one, and of the competitors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from llm_monitoring.figures import Change, Comparison
from llm_monitoring.figures.periods import PeriodFigures, PeriodTotals
from llm_monitoring.reporting.overview import (
    EntityRow,
    Headline,
    PositionRow,
    Share,
    entity_rows,
    headlines,
    position_row,
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
class RivalFigures:
    """The brand or a competitor next to the others, with its share of voice at each provider."""

    figures: CompetitorFigures
    is_brand: bool
    share_by_provider: Mapping[str, PeriodFigure]


@dataclass(frozen=True, slots=True)
class PositionFigures:
    """The brand's places in rankings at one provider or at all, and their mean."""

    row: PositionRow
    average: PeriodFigure


@dataclass(frozen=True, slots=True)
class PeriodView:
    """All figures of a period; `rivals` are the brand and its competitors, the most mentioned first.

    `rivals_by_provider` are the same over the answers of each provider with answers; they are not compared.
    """

    total: Figures
    by_provider: Mapping[str, Figures]
    rivals: tuple[RivalFigures, ...]
    positions: tuple[PositionFigures, ...]
    rivals_by_provider: Mapping[str, tuple[RivalFigures, ...]]

    @property
    def competitors(self) -> tuple[CompetitorFigures, ...]:
        """Each competitor's figures, the most mentioned first."""
        return tuple(each.figures for each in self.rivals if not each.is_brand)


def period_view(measured: PeriodFigures) -> PeriodView:
    """Return the figures of a measured period; of a provider only the mention rate is compared."""
    comparison = measured.comparison
    changes = {change.provider: change for change in comparison.by_provider} if comparison else {}
    total = figures_of(measured.total, comparison)
    return PeriodView(
        total=total,
        by_provider={
            name: with_mention_change(figures_of(each, None), changes.get(name))
            for name, each in measured.by_provider.items()
        },
        rivals=rival_figures(measured, total),
        positions=position_figures(measured),
        rivals_by_provider={
            name: rival_figures(at_provider(measured, name), figures_of(each, None))
            for name, each in sorted(measured.by_provider.items())
            if each.answers.headline
        },
    )


def at_provider(measured: PeriodFigures, name: str) -> PeriodFigures:
    """The period at one provider alone."""
    return replace(measured, total=measured.by_provider[name], by_provider={}, comparison=None)


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


def competitor_of(row: EntityRow) -> CompetitorFigures:
    return CompetitorFigures(
        name=row.name,
        mention_rate=PeriodFigure(row.mention_rate, row.low, row.high, row.answers, row.prompts),
        share_of_voice=share_figure(row.share),
        avg_position=PeriodFigure(
            row.avg_position, row.position_low, row.position_high, row.ranked, row.ranked_prompts
        ),
    )


def share_figure(share: Share) -> PeriodFigure:
    return PeriodFigure(share.value, share.low, share.high, share.answers, share.prompts)


def rival_figures(measured: PeriodFigures, total: Figures) -> tuple[RivalFigures, ...]:
    """The brand, of which these are the figures, and its competitors as the report's table has them."""
    brand, providers = measured.project.brand.name, sorted(measured.by_provider)
    found = []
    for row in entity_rows(measured.total.answers, brand, providers):
        own = competitor_of(row)
        if row.is_brand:
            own = replace(
                own,
                mention_rate=total["mention_rate"],
                share_of_voice=total["share_of_voice"],
                avg_position=total["avg_position"],
            )
        shares = {name: share_figure(share) for name, share in zip(providers, row.by_provider, strict=True)}
        found.append(RivalFigures(own, row.is_brand, shares))
    return tuple(found)


def position_figures(measured: PeriodFigures) -> tuple[PositionFigures, ...]:
    """The brand's positions over all providers, then at each one; only the first are compared."""
    change = measured.comparison.avg_position if measured.comparison else None
    parts: list[tuple[str | None, PeriodTotals]] = [(None, measured.total), *sorted(measured.by_provider.items())]
    found = []
    for provider, totals in parts:
        row = position_row(provider, totals.answers, totals.summary.figures)
        average = PeriodFigure(row.average, row.low, row.high, row.ranked, row.ranked_prompts)
        found.append(PositionFigures(row, replace(average, change=change) if provider is None else average))
    return tuple(found)
