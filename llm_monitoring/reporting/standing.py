"""Where the brand stands: headline figures, rivals beside it, positions and tone, each with what it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Literal

from llm_monitoring.figures.cells import Cell, Observation, mean, period_rate, share, summary, unbranded
from llm_monitoring.figures.comparison import Change, Comparison, compare
from llm_monitoring.figures.statistics import hundredths
from llm_monitoring.reporting.material import Versus
from llm_monitoring.reporting.uncertainty import interval, position_measure, share_measure

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
    """A share of voice in percent with its interval, None where nothing was said."""

    value: Decimal | None
    low: Decimal | None
    high: Decimal | None


@dataclass(frozen=True, slots=True)
class EntityRow:
    """The brand or a rival over the period, its share of voice in all and by provider."""

    name: str
    is_brand: bool
    mention_rate: Decimal | None
    low: Decimal | None
    high: Decimal | None
    share: Share
    avg_position: Decimal | None
    ranked: int
    by_provider: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class PositionRow:
    """The brand's positions at one provider, or over all (`provider` None)."""

    provider: str | None
    answers: int
    mentioned: int
    ranked: int
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
    versus: Versus | None
    by_provider: tuple[Change, ...]
    entities: tuple[EntityRow, ...]
    providers: tuple[str, ...]
    positions: tuple[PositionRow, ...]
    tones: tuple[ToneRow, ...]
    answers: int
    prompts: int
    branded_answers: int
    branded_mentions: int


def standing(
    observations: Sequence[Observation], brand: str, competitors: Sequence[str], providers: Sequence[str],
    versus: Versus | None = None,
) -> Overview:  # fmt: skip
    """Return every figure of a period, and what changed between the two of `versus`."""
    whole = summary(observations, competitors)
    comparison = compared(versus, competitors)
    parts = [(name, [each for each in observations if each.provider == name]) for name in providers]
    cells = [(name, some, summary(some, competitors).figures) for name, some in parts]
    everything = (None, observations, whole.figures)
    return Overview(
        headlines=headlines(observations, competitors, whole.figures, comparison),
        versus=versus if comparison else None,
        by_provider=comparison.by_provider if comparison else (),
        entities=entity_rows(unbranded(observations), brand, competitors, providers),
        providers=tuple(providers),
        positions=tuple(position_row(*each) for each in (everything, *cells)),
        tones=tuple(tone_row(name, cell) for name, _, cell in (everything, *cells)),
        answers=whole.figures.total_queries,
        prompts=whole.prompts,
        branded_answers=whole.figures.branded_total_queries,
        branded_mentions=whole.figures.branded_total_mentions,
    )


def compared(versus: Versus | None, competitors: Sequence[str]) -> Comparison | None:
    if versus is None or not versus.earlier or not versus.later:
        return None
    return compare(versus.earlier, versus.later, competitors)


def headlines(
    observations: Sequence[Observation], competitors: Sequence[str], cell: Cell, comparison: Comparison | None
) -> tuple[Headline, ...]:
    own = unbranded(observations)
    voice_range: Bounds = interval(own, share_measure(competitors), 0, 100)
    place: Bounds = interval(own, position_measure, 1, None)
    ranked = [each for each in own if each.position is not None]
    named = [each for each in own if each.brand_mentioned or each.competitors]
    scored = [each for each in own if each.sentiment_score is not None and each.brand_mentioned]
    rate = (cell.mention_rate_low, cell.mention_rate_high)
    linking = [each for each in own if each.brand_cited is not None]
    cited = period_rate(linking, lambda each: bool(each.brand_cited))
    mention, voice, position, citation = changes_of(comparison)
    found: list[tuple[FigureName, Unit, Decimal | None, Bounds, list[Observation], Change | None]] = [
        ("mention_rate", "percent", cell.mention_rate, rate, own, mention),
        ("share_of_voice", "percent", cell.share_of_voice, voice_range, named, voice),
        ("avg_position", "places", cell.avg_position, place, ranked, position),
        ("citation_rate", "percent", cell.citation_rate, (cited.low, cited.high), linking, citation),
        ("sentiment", "score", cell.avg_sentiment_score, score_interval(scored), scored, None),
    ]
    return tuple(
        Headline(figure, unit, value, *bounds, len(some), len({each.query_id for each in some}), change)
        for figure, unit, value, bounds, some, change in found
        if figure != "share_of_voice" or competitors
    )


def changes_of(comparison: Comparison | None) -> tuple[Change | None, Change | None, Change | None, Change | None]:
    if comparison is None:
        return None, None, None, None
    return comparison.mention_rate, comparison.share_of_voice, comparison.avg_position, comparison.citation_rate


def score_interval(scored: Sequence[Observation]) -> Bounds:
    """The interval of the mean score, 0 to 1."""

    def measure(observation: Observation) -> tuple[int, int] | None:
        return None if observation.sentiment_score is None else (int(100 * observation.sentiment_score), 1)

    low, high = interval(scored, measure, 0, 100)
    return (None, None) if low is None or high is None else (low / 100, high / 100)


def as_seen_by(observation: Observation, rival: str, brand: str) -> Observation:
    """The same answer with a rival in the brand's place, so that one rule measures both."""
    others = observation.competitors - {rival} | ({brand} if observation.brand_mentioned else frozenset())
    return replace(
        observation,
        brand_mentioned=rival in observation.competitors,
        competitors=others,
        position=observation.competitor_positions.get(rival),
        competitor_positions={},
        brand_cited=None,
        sentiment=None,
        sentiment_score=None,
    )


def entity_rows(
    headline: Sequence[Observation], brand: str, competitors: Sequence[str], providers: Sequence[str]
) -> tuple[EntityRow, ...]:
    """The brand and its rivals over the unbranded answers, most named first."""
    rows = [entity_row(brand, True, headline, competitors, providers)]
    for rival in competitors:
        others = [brand, *(name for name in competitors if name != rival)]
        rows.append(entity_row(rival, False, [as_seen_by(each, rival, brand) for each in headline], others, providers))
    return tuple(sorted(rows, key=lambda row: (-(row.mention_rate or 0), not row.is_brand, row.name)))


def entity_row(
    name: str, is_brand: bool, headline: Sequence[Observation], others: Sequence[str], providers: Sequence[str]
) -> EntityRow:
    rate = period_rate(headline)
    ranked = [(each, each.position) for each in headline if each.position is not None]
    parts = ([each for each in headline if each.provider == provider] for provider in providers)
    return EntityRow(
        name=name,
        is_brand=is_brand,
        mention_rate=rate.value,
        low=rate.low,
        high=rate.high,
        share=share_of(headline, others),
        avg_position=hundredths(mean(ranked)),
        ranked=len(ranked),
        by_provider=tuple(share_of(part, others) for part in parts),
    )


def share_of(headline: Sequence[Observation], others: Sequence[str]) -> Share:
    return Share(share(headline, others), *interval(headline, share_measure(others), 0, 100))


def position_row(provider: str | None, observations: Sequence[Observation], cell: Cell) -> PositionRow:
    positions = [each.position for each in unbranded(observations) if each.position is not None]
    counts = Counter(positions)
    buckets = tuple(
        sum(count for place, count in counts.items() if first <= place and (last is None or place <= last))
        for first, last in BUCKETS
    )
    low, high = interval(unbranded(observations), position_measure, 1, None)
    return PositionRow(
        provider=provider,
        answers=cell.total_queries,
        mentioned=cell.total_mentions,
        ranked=len(positions),
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
