"""The figures of one day's cell and of a whole period, computed from valid answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from llm_monitoring.figures.answer_set import AnswerSet, answer_set
from llm_monitoring.figures.observations import ModelChange, Observation, model_changes, prompts_asked
from llm_monitoring.figures.rates import period_rate
from llm_monitoring.figures.statistics import hundredths, percentage


@dataclass(frozen=True, slots=True)
class Cell:
    """The figures of a set of answers, named as the snapshot's columns.

    Rates and shares are percentages; they, positions and scores have two decimals, rounded half to even.
    They are None if no answer allows them, and the citation rate also if the brand has no domain. A rate reads 0.00 or
    100.00 only if it is exactly that. `total_*`, `appeared_in_*`, `*_mentions` and the breakdown
    count answers. Answers to branded prompts are in `branded_*` and nowhere else.
    """

    total_queries: int
    total_mentions: int
    mention_rate: Decimal | None
    mention_rate_low: Decimal | None
    mention_rate_high: Decimal | None
    share_of_voice: Decimal | None
    weighted_share_of_voice: Decimal | None
    total_competitor_mentions: int
    competitor_breakdown: Mapping[str, int]
    avg_position: Decimal | None
    appeared_in_top3: int
    appeared_in_top5: int
    appeared_in_top10: int
    citation_rate: Decimal | None
    positive_mentions: int
    neutral_mentions: int
    negative_mentions: int
    avg_sentiment_score: Decimal | None
    branded_total_queries: int
    branded_total_mentions: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a whole period; `prompts`, `providers` and days are those of the unbranded answers."""

    figures: Cell
    prompts: int
    providers: tuple[str, ...]
    first_day: date | None
    last_day: date | None
    model_changes: tuple[ModelChange, ...]


def cell(observations: Sequence[Observation], competitors: Sequence[str]) -> Cell:
    """Return the figures of one (project, provider, model, day), by section 7 of the measurement contract.

    Prompts weigh equally: a prompt's samples are averaged first, so with one sample a prompt every rate is
    the plain ratio of counts, and with several it may differ from `total_mentions / total_queries`. The figures are
    those of `summary` for the same answers, their bounds too.
    """
    return figures(answer_set(observations, competitors))


def summary(observations: Sequence[Observation], competitors: Sequence[str]) -> Summary:
    """Return the figures of a period over its days and providers.

    Prompts weigh equally, a prompt's providers equally, a provider's days equally, a day's samples equally.
    The mention rate is that of `period_rate`.
    """
    return summary_of(answer_set(observations, competitors))


def summary_of(answers: AnswerSet) -> Summary:
    """Return the summary of answers that are measured already."""
    days = [o.day for o in answers.headline]
    return Summary(
        figures=figures(answers),
        prompts=prompts_asked(answers.headline),
        providers=tuple(sorted({o.provider for o in answers.headline})),
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        model_changes=model_changes(answers.observations),
    )


def figures(answers: AnswerSet) -> Cell:
    """Return the figures of these answers."""
    mentioned = [o for o in answers.headline if o.brand_mentioned]
    branded = [o for o in answers.observations if o.branded]
    named = Counter([name for o in answers.headline for name in o.competitors])
    breakdown = {name: named[name] for name in answers.competitors}
    rate = period_rate(answers.mentions)
    positions = [o.position for o in answers.headline if o.position is not None]
    sentiments = Counter(o.sentiment for o in mentioned)
    return Cell(
        total_queries=len(answers.headline),
        total_mentions=len(mentioned),
        mention_rate=rate.value,
        mention_rate_low=rate.low,
        mention_rate_high=rate.high,
        share_of_voice=percentage(answers.shares.ratio()),
        weighted_share_of_voice=percentage(answers.weighted_shares.ratio()),
        total_competitor_mentions=sum(breakdown.values()),
        competitor_breakdown=breakdown,
        avg_position=hundredths(answers.positions.ratio()),
        appeared_in_top3=sum(place <= 3 for place in positions),
        appeared_in_top5=sum(place <= 5 for place in positions),
        appeared_in_top10=sum(place <= 10 for place in positions),
        citation_rate=percentage(answers.citations.ratio()),
        positive_mentions=sentiments["positive"],
        neutral_mentions=sentiments["neutral"],
        negative_mentions=sentiments["negative"],
        avg_sentiment_score=hundredths(answers.scores.ratio()),
        branded_total_queries=len(branded),
        branded_total_mentions=sum(o.brand_mentioned for o in branded),
    )
