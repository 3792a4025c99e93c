"""A period's figures for the report: headlines, brand and competitors, positions, sentiment, each with its basis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from llm_monitoring.figures import (
    Basis,
    Cell,
    Change,
    Comparison,
    Measured,
    Observation,
    Value,
    compare,
    hundredths,
    measured_pairs,
    percentage,
    period_rate,
    summary_of,
)
from llm_monitoring.figures.answer_set import AnswerSet, CompetitorSet
from llm_monitoring.reporting.report_data import ComparedPeriods
from llm_monitoring.reporting.uncertainty import interval

FigureName = Literal["mention_rate", "share_of_voice", "avg_position", "citation_rate", "sentiment"]
Unit = Literal["percent", "places", "score"]
Bounds = tuple[Decimal | None, Decimal | None]

BUCKETS: Final = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, None))


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure of the period: percent, places (`avg_position`) or 0 to 1 (`sentiment`), and its 95 % interval.

    `answers` are those that it rests on; `change` compares the halves of the period, None where there is none.
    """

    figure: FigureName
    unit: Unit
    value: Decimal | None
    low: Decimal | None
    high: Decimal | None
    answers: int
    prompts: int
    change: Change | None


@dataclass(frozen=True, slots=True)
class Share:
    """A share of voice in percent with its interval, None without mentions; it rests on answers with a tracked name."""

    value: Decimal | None
    low: Decimal | None
    high: Decimal | None
    answers: int
    prompts: int


@dataclass(frozen=True, slots=True)
class EntityRow:
    """The brand or a competitor over the period, its share of voice in all and by provider.

    Its mention rate rests on `answers` to `prompts`, its average position on the `ranked` ones.
    """

    name: str
    is_brand: bool
    mention_rate: Decimal | None
    low: Decimal | None
    high: Decimal | None
    answers: int
    prompts: int
    share: Share
    avg_position: Decimal | None
    position_low: Decimal | None
    position_high: Decimal | None
    ranked: int
    ranked_prompts: int
    by_provider: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class PositionRow:
    """The brand's positions at one provider, or over all (`provider` None)."""

    provider: str | None
    answers: int
    mentioned: int
    ranked: int
    ranked_prompts: int
    average: Decimal | None
    low: Decimal | None
    high: Decimal | None
    top3: int
    top5: int
    top10: int
    buckets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ToneRow:
    """How answers that mention the brand speak of it; `unscored` mentions have no verdict."""

    provider: str | None
    positive: int
    neutral: int
    negative: int
    unscored: int
    score: Decimal | None


@dataclass(frozen=True, slots=True)
class Overview:
    """All figures of a period. `branded_*` are answers to prompts that name the brand, which count nowhere else."""

    headlines: tuple[Headline, ...]
    versus: ComparedPeriods | None
    by_provider: tuple[Change, ...]
    entities: tuple[EntityRow, ...]
    providers: tuple[str, ...]
    positions: tuple[PositionRow, ...]
    tones: tuple[ToneRow, ...]
    answers: int
    prompts: int
    branded_answers: int
    branded_mentions: int


def overview(
    answers: AnswerSet, brand: str, parts: Mapping[str, AnswerSet], versus: ComparedPeriods | None = None
) -> Overview:
    """Return every figure of a period, with each provider's part, and what changed between the periods of `versus`."""
    whole = summary_of(answers)
    comparison = compared(versus, answers.competitors)
    rows: list[tuple[str | None, AnswerSet, Cell]] = [(None, answers, whole.figures)]
    rows += [(name, part, summary_of(part).figures) for name, part in parts.items()]
    return Overview(
        headlines=headlines(answers, whole.figures, comparison),
        versus=versus if comparison else None,
        by_provider=comparison.by_provider if comparison else (),
        entities=entity_rows(answers, brand, tuple(parts)),
        providers=tuple(parts),
        positions=tuple(position_row(name, part, cell) for name, part, cell in rows),
        tones=tuple(tone_row(name, cell) for name, _, cell in rows),
        answers=whole.figures.total_queries,
        prompts=whole.prompts,
        branded_answers=whole.figures.branded_total_queries,
        branded_mentions=whole.figures.branded_total_mentions,
    )


def compared(versus: ComparedPeriods | None, competitors: Sequence[str]) -> Comparison | None:
    if versus is None or not versus.earlier or not versus.later:
        return None
    return compare(versus.earlier, versus.later, competitors)


def headlines(answers: AnswerSet, cell: Cell, comparison: Comparison | None) -> tuple[Headline, ...]:
    share, cited = share_of(answers.shares), period_rate(answers.citations)
    mention_change, share_change, position_change, citation_change = changes_of(comparison)
    rows: list[tuple[FigureName, Unit, Decimal | None, Bounds, Basis, Change | None]] = [
        (
            "mention_rate",
            "percent",
            cell.mention_rate,
            (cell.mention_rate_low, cell.mention_rate_high),
            answers.mentions.basis,
            mention_change,
        ),
        (
            "share_of_voice",
            "percent",
            cell.share_of_voice,
            (share.low, share.high),
            answers.shares.basis,
            share_change,
        ),
        (
            "avg_position",
            "places",
            cell.avg_position,
            position_bounds(answers.positions),
            answers.positions.basis,
            position_change,
        ),
        (
            "citation_rate",
            "percent",
            cell.citation_rate,
            (cited.low, cited.high),
            answers.citations.basis,
            citation_change,
        ),
        ("sentiment", "score", cell.avg_sentiment_score, score_bounds(answers), answers.scores.basis, None),
    ]
    return tuple(
        Headline(figure, unit, value, *bounds, *basis, change)
        for figure, unit, value, bounds, basis, change in rows
        if figure != "share_of_voice" or answers.competitors
    )


def changes_of(comparison: Comparison | None) -> tuple[Change | None, Change | None, Change | None, Change | None]:
    if comparison is None:
        return None, None, None, None
    return comparison.mention_rate, comparison.share_of_voice, comparison.avg_position, comparison.citation_rate


def position_bounds(positions: Measured) -> Bounds:
    """The interval of the mean position."""
    return interval(positions, positions.means(), 1, None)


def score_bounds(answers: AnswerSet) -> Bounds:
    """The interval of the mean score, 0 to 1."""
    scores = measured_pairs(answers.pairs, score_in_hundredths)
    low, high = interval(scores, scores.means(), 0, 100)
    return (None, None) if low is None or high is None else (round(low / 100, 2), round(high / 100, 2))


def score_in_hundredths(observation: Observation) -> Value | None:
    if observation.sentiment_score is None or not observation.brand_mentioned:
        return None
    return int(100 * observation.sentiment_score), 1


def entity_rows(answers: AnswerSet, brand: str, providers: Sequence[str]) -> tuple[EntityRow, ...]:
    """The brand and its competitors over the unbranded answers, most mentioned first."""
    rows = (
        entity_row(brand, True, answers, providers),
        *(entity_row(name, False, answers.of_competitor(name), providers) for name in answers.competitors),
    )
    return tuple(sorted(rows, key=lambda row: (-(row.mention_rate or 0), not row.is_brand, row.name)))


def entity_row(name: str, is_brand: bool, measured: AnswerSet | CompetitorSet, providers: Sequence[str]) -> EntityRow:
    mentions, shares, positions = measured.mentions, measured.shares, measured.positions
    rate = period_rate(mentions)
    position_low, position_high = position_bounds(positions)
    return EntityRow(
        name=name,
        is_brand=is_brand,
        mention_rate=rate.value,
        low=rate.low,
        high=rate.high,
        answers=mentions.answers,
        prompts=mentions.prompts,
        share=share_of(shares),
        avg_position=hundredths(positions.ratio()),
        position_low=position_low,
        position_high=position_high,
        ranked=positions.answers,
        ranked_prompts=positions.prompts,
        by_provider=tuple(share_of(shares.of_provider(provider)) for provider in providers),
    )


def share_of(shares: Measured) -> Share:
    means = shares.means()
    low, high = interval(shares, means, 0, 100)
    return Share(percentage(means.ratio()), low, high, *shares.basis)


def position_row(provider: str | None, answers: AnswerSet, cell: Cell) -> PositionRow:
    positions = [o.position for o in answers.headline if o.position is not None]
    counts = Counter(positions)
    buckets = tuple(
        sum(count for place, count in counts.items() if first <= place and (last is None or place <= last))
        for first, last in BUCKETS
    )
    low, high = position_bounds(answers.positions)
    return PositionRow(
        provider=provider,
        answers=cell.total_queries,
        mentioned=cell.total_mentions,
        ranked=len(positions),
        ranked_prompts=answers.positions.prompts,
        average=cell.avg_position,
        low=low,
        high=high,
        top3=cell.appeared_in_top3,
        top5=cell.appeared_in_top5,
        top10=cell.appeared_in_top10,
        buckets=buckets,
    )


def tone_row(provider: str | None, cell: Cell) -> ToneRow:
    scored = cell.positive_mentions + cell.neutral_mentions + cell.negative_mentions
    return ToneRow(
        provider=provider,
        positive=cell.positive_mentions,
        neutral=cell.neutral_mentions,
        negative=cell.negative_mentions,
        unscored=cell.total_mentions - scored,
        score=cell.avg_sentiment_score,
    )
