"""The figures of one day's cell and of one period, computed from valid answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import lcm
from operator import attrgetter
from statistics import fmean, pvariance
from typing import Final

from llm_monitoring.figures.statistics import hundredths, percentage, t_quantile, wilson

MIN_PROMPTS: Final = 6
"""Fewer prompts do not tell change from chance: five of them all move alike 6 % of the time, six 3 %."""

UNRANKED_WEIGHT: Final = 10
BELOW_TEN_WEIGHT: Final = 8
TOP_WEIGHTS: Final = ((3, 20), (5, 15), (10, 12))


@dataclass(frozen=True, slots=True)
class Observation:
    """One valid answer: `competitors` holds the names that it mentions, `sample` numbers a day's repeats.

    `brand_cited` is None if the brand has no site declared: then nothing can be said of its citations.
    """

    query_id: int
    provider: str
    model_id: str
    day: date
    sample: int
    branded: bool
    brand_mentioned: bool
    competitors: frozenset[str]
    position: int | None
    competitor_positions: Mapping[str, int]
    brand_cited: bool | None
    sentiment: str | None
    sentiment_score: Decimal | None


@dataclass(frozen=True, slots=True)
class Cell:
    """The figures of a set of answers, named as the snapshot's columns.

    Rates and shares are percentages; they, positions and scores have two decimals, rounded half to even,
    and are None where there is nothing to say, the citation rate also for a brand without a site. A rate reads 0.00 or
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
class Rate:
    """A share of answers in percent with its 95 % bounds, two decimals; None without answers."""

    value: Decimal | None
    low: Decimal | None
    high: Decimal | None


Said = Callable[[Observation], bool]
Effective = Callable[[Sequence[Observation], Said], float]
NAMED: Final[Said] = attrgetter("brand_mentioned")


@dataclass(frozen=True, slots=True)
class ModelChange:
    """On `day` the provider answered with the model `after`, on its last day with answers with `before`.

    A day on which several models answered reads `a + b`.
    """

    provider: str
    day: date
    before: str
    after: str


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
    the plain ratio of counts, and with several it may differ from `total_mentions / total_queries`.

    The Wilson bounds take the number of prompts as n, not of answers. Samples of one prompt resemble each
    other, by how much one day cannot tell, so they are taken as if they agreed entirely: repeating a
    prompt sharpens its rate and never narrows the bounds, which are too wide rather than too narrow.
    """
    return figures(observations, competitors, lambda headline, said: prompts_asked(headline))


def summary(observations: Sequence[Observation], competitors: Sequence[str]) -> Summary:
    """Return the figures of a period over its days and providers.

    Prompts weigh equally, a prompt's providers equally, a provider's days equally, a day's samples equally.
    The mention rate is that of `period_rate`. With one provider, one day and one sample the figures are those of
    `cell`.
    """
    headline = unbranded(observations)
    days = [o.day for o in headline]
    return Summary(
        figures=figures(observations, competitors, effective_answers),
        prompts=prompts_asked(headline),
        providers=tuple(sorted({o.provider for o in headline})),
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        model_changes=model_changes(observations),
    )


def period_rate(headline: Sequence[Observation], said: Said = NAMED) -> Rate:
    """Return how often `said` is true of a period's unbranded answers, as `summary` weighs them.

    The bounds are Wilson's with `effective_answers` as n.
    """
    return rate_of(headline, said, effective_answers)


def rate_of(headline: Sequence[Observation], said: Said, effective: Effective) -> Rate:
    rate = mean((o, 100 * said(o)) for o in headline)
    if rate is None:
        return Rate(None, None, None)
    n = effective(headline, said)
    return Rate(percentage(rate), *wilson(rate / 100 * Fraction(n), n))


def figures(observations: Sequence[Observation], competitors: Sequence[str], effective: Effective) -> Cell:
    """Return the figures of these answers, with `effective` giving the n of the mention rate's bounds."""
    headline = unbranded(observations)
    branded = [o for o in observations if o.branded]
    mentioned = [o for o in headline if o.brand_mentioned]
    breakdown = {name: sum(name in o.competitors for o in headline) for name in competitors}
    rate = rate_of(headline, NAMED, effective)
    ranked = [(o, o.position) for o in headline if o.position is not None]
    sentiments = Counter(o.sentiment for o in mentioned)
    return Cell(
        total_queries=len(headline),
        total_mentions=len(mentioned),
        mention_rate=rate.value,
        mention_rate_low=rate.low,
        mention_rate_high=rate.high,
        share_of_voice=share(headline, competitors),
        weighted_share_of_voice=share(headline, competitors, position_weight),
        total_competitor_mentions=sum(breakdown.values()),
        competitor_breakdown=breakdown,
        avg_position=hundredths(mean(ranked)),
        appeared_in_top3=sum(position <= 3 for _, position in ranked),
        appeared_in_top5=sum(position <= 5 for _, position in ranked),
        appeared_in_top10=sum(position <= 10 for _, position in ranked),
        citation_rate=percentage(mean((o, 100 * o.brand_cited) for o in headline if o.brand_cited is not None)),
        positive_mentions=sentiments["positive"],
        neutral_mentions=sentiments["neutral"],
        negative_mentions=sentiments["negative"],
        avg_sentiment_score=hundredths(
            mean((o, Fraction(o.sentiment_score)) for o in mentioned if o.sentiment_score is not None)
        ),
        branded_total_queries=len(branded),
        branded_total_mentions=sum(o.brand_mentioned for o in branded),
    )


def unbranded(observations: Iterable[Observation]) -> list[Observation]:
    return [o for o in observations if not o.branded]


def prompts_asked(observations: Iterable[Observation]) -> int:
    return len({o.query_id for o in observations})


def prompt_weights(observations: Sequence[Observation]) -> list[int]:
    """Return a weight for each answer, whole numbers with one same sum for every prompt.

    Within a prompt its providers weigh equally, within a provider its days, within a day its samples.
    """
    keys = [(o.query_id, o.provider, o.day) for o in observations]
    samples = Counter(keys)
    days = Counter([(query_id, provider) for query_id, provider, _ in samples])
    providers = Counter([query_id for query_id, _ in days])
    parts = {key: count * days[key[:2]] * providers[key[0]] for key, count in samples.items()}
    whole = lcm(*set(parts.values()))
    weights = {key: whole // part for key, part in parts.items()}
    return [weights[key] for key in keys]


def mean(values: Iterable[tuple[Observation, int | Fraction]]) -> Fraction | None:
    """Return the mean that weighs prompts equally, exactly; None without values."""
    pairs = list(values)
    weights = prompt_weights([o for o, _ in pairs])
    total = sum(weight * value for weight, (_, value) in zip(weights, pairs, strict=True))
    return Fraction(total) / sum(weights) if pairs else None


def share(
    observations: Sequence[Observation], competitors: Sequence[str], worth: Callable[[int | None], int] = lambda at: 1
) -> Decimal | None:
    """Return the brand's percentage of all tracked mentions, each worth `worth(its position)`."""
    brand = rivals = 0
    names = frozenset(competitors)
    for weight, o in zip(prompt_weights(observations), observations, strict=True):
        if o.brand_mentioned:
            brand += weight * worth(o.position)
        for name in names & o.competitors:
            rivals += weight * worth(o.competitor_positions.get(name))
    return percentage(Fraction(100 * brand, brand + rivals)) if names and brand + rivals else None


def position_weight(position: int | None) -> int:
    """Return a mention's weight in tenths: 20 in the top 3, 15 in 5, 12 in 10, 10 unranked, 8 below ten."""
    if position is None:
        return UNRANKED_WEIGHT
    return next((weight for top, weight in TOP_WEIGHTS if position <= top), BELOW_TEN_WEIGHT)


def effective_answers(observations: Sequence[Observation], said: Said = NAMED) -> float:
    """Return how many independent answers the rate of those of which `said` is true is worth.

    The answers of one prompt on thirty days are not thirty independent ones. Korn and Graubard (1998): the
    variance that independent answers would have over the variance seen between prompts, with Student's t
    for few prompts. Never more than the answers, nor fewer than the prompts, which is what they are worth if
    a prompt always answers alike, and what is taken where fewer than MIN_PROMPTS ever mention the brand or
    ever leave it out, because so few tell nothing of the spread.
    """
    prompts, answers = prompts_asked(observations), len(observations)
    rates = prompt_rates(observations, said)
    if min(sum(rate > 0 for rate in rates), sum(rate < 1 for rate in rates)) < MIN_PROMPTS:
        return prompts
    spread, rate = pvariance(rates), fmean(rates)
    if not spread:
        return answers
    independent = rate * (1 - rate) / spread * (prompts - 1) * answers / (answers - 1)
    few = t_quantile(0.95, answers - 1) / t_quantile(0.95, prompts - 1)
    return min(answers, max(prompts, independent * few**2))


def prompt_rates(observations: Sequence[Observation], said: Said) -> list[float]:
    """Return each prompt's rate of answers of which `said` is true, from 0 to 1."""
    true: dict[int, int] = defaultdict(int)
    totals: dict[int, int] = defaultdict(int)
    for weight, o in zip(prompt_weights(observations), observations, strict=True):
        true[o.query_id] += weight * said(o)
        totals[o.query_id] += weight
    return [true[query_id] / total for query_id, total in totals.items()]


def model_changes(observations: Iterable[Observation]) -> tuple[ModelChange, ...]:
    """Return each change of a provider's models from one day with answers to its next, by day."""
    served: dict[str, dict[date, set[str]]] = defaultdict(lambda: defaultdict(set))
    for o in observations:
        served[o.provider][o.day].add(o.model_id)
    changes = []
    for provider, days in served.items():
        models = [(day, " + ".join(sorted(days[day]))) for day in sorted(days)]
        for (_, before), (day, after) in pairwise(models):
            if before != after:
                changes.append(ModelChange(provider, day, before, after))
    return tuple(sorted(changes, key=lambda change: (change.day, change.provider)))
