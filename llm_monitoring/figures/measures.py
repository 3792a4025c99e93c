"""What a measure says of each answer, and its mean over answers, by which prompts weigh equally.

Every figure is a ratio of two means: a measure gives each answer a numerator and a denominator, or None if it does not
apply. Within a prompt its providers weigh equally, within a provider its days, within a day its samples. All means are
exact: whole numbers of one common unit, rounded once when a figure is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import lcm
from typing import Final

from llm_monitoring.figures.observations import Observation

Pair = tuple[int, str]
"""A prompt and a provider."""

Number = int | Fraction
Value = tuple[Number, int]
"""A numerator and a denominator."""

Measure = Callable[[Observation], Value | None]

Basis = tuple[int, int]
"""How many answers and prompts a figure rests on."""

UNRANKED_WEIGHT: Final = 10
BELOW_TEN_WEIGHT: Final = 8
TOP_WEIGHTS: Final = ((3, 20), (5, 15), (10, 12))


def has_weight(value: Value | None) -> bool:
    """Whether a figure rests on an answer of this value: its measure applies, and the denominator is not zero."""
    return value is not None and value[1] > 0


def mention(observation: Observation) -> Value:
    """100 if the answer mentions the brand, else 0."""
    return 100 * observation.brand_mentioned, 1


def citation(observation: Observation) -> Value | None:
    """100 if the answer cites the brand, else 0; None if the brand has no domain."""
    return None if observation.brand_cited is None else (100 * observation.brand_cited, 1)


def position(observation: Observation) -> Value | None:
    """The brand's position."""
    return None if observation.position is None else (observation.position, 1)


def sentiment_score(observation: Observation) -> Value | None:
    """The score of an answer that mentions the brand and was scored."""
    if observation.sentiment_score is None or not observation.brand_mentioned:
        return None
    return Fraction(observation.sentiment_score), 1


def share_among(competitors: Iterable[str]) -> Measure:
    """Return the measure of the brand among all tracked mentions; without competitors it applies to no answer."""
    tracked = frozenset(competitors)

    def measure(observation: Observation) -> Value | None:
        brand = int(observation.brand_mentioned)
        return (100 * brand, brand + len(tracked & observation.competitors)) if tracked else None

    return measure


def weighted_share_among(competitors: Iterable[str]) -> Measure:
    """Return the measure of `share_among` with each mention weighted by its position."""
    tracked = frozenset(competitors)

    def measure(observation: Observation) -> Value | None:
        brand = position_weight(observation.position) if observation.brand_mentioned else 0
        places = observation.competitor_positions
        others = sum([position_weight(places.get(name)) for name in tracked & observation.competitors])
        return (100 * brand, brand + others) if tracked else None

    return measure


def position_weight(place: int | None) -> int:
    """Return a mention's weight in tenths: 20 in the top 3, 15 in 5, 12 in 10, 10 unranked, 8 below ten."""
    if place is None:
        return UNRANKED_WEIGHT
    for top, weight in TOP_WEIGHTS:
        if place <= top:
            return weight
    return BELOW_TEN_WEIGHT


@dataclass(frozen=True, slots=True)
class PromptMeans:
    """Each prompt's mean numerator and mean denominator over `answers`, in whole numbers of 1 / `unit`."""

    unit: int
    answers: int
    prompts: Mapping[int, tuple[Number, int]]

    def ratio(self) -> Fraction | None:
        """The figure: the sum of numerators over the sum of denominators; None if that is zero."""
        whole = sum(whole for _, whole in self.prompts.values())
        return Fraction(sum(part for part, _ in self.prompts.values())) / whole if whole else None

    def exact(self, query_id: int) -> tuple[Fraction, Fraction]:
        """One prompt's mean numerator and denominator."""
        part, whole = self.prompts[query_id]
        return Fraction(part) / self.unit, Fraction(whole, self.unit)


Entry = tuple[date, Number, int]
"""The value of one answer: its day, numerator and denominator."""

PairSum = tuple[Number, int, int]
"""Numerator and denominator of one pair, its days weighing equally, as multiples of its means by the third number."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The values of a set of answers by (prompt, provider) pair, without those it does not apply to, and their sums."""

    entries: Mapping[Pair, Sequence[Entry]]
    sums: Mapping[Pair, PairSum]

    @property
    def pairs(self) -> AbstractSet[Pair]:
        return self.entries.keys()

    @property
    def answers(self) -> int:
        return sum(map(len, self.entries.values()))

    @property
    def prompts(self) -> int:
        return len({query_id for query_id, _ in self.entries})

    @property
    def basis(self) -> Basis:
        """The answers that the figure rests on, and their prompts."""
        weighty = {pair: len([1 for entry in entries if entry[2]]) for pair, entries in self.entries.items()}
        return sum(weighty.values()), len({query_id for (query_id, _), answers in weighty.items() if answers})

    def of_provider(self, provider: str) -> Measured:
        return self.of_pairs({pair for pair in self.entries if pair[1] == provider})

    def of_pairs(self, pairs: AbstractSet[Pair]) -> Measured:
        entries = {pair: found for pair, found in self.entries.items() if pair in pairs}
        return Measured(entries, {pair: self.sums[pair] for pair in entries})

    def by_day(self) -> Mapping[date, Mapping[Pair, list[Entry]]]:
        """Each day's values; `summed` measures those of one day, or of several that are `joined`."""
        days: dict[date, dict[Pair, list[Entry]]] = {}
        for pair, entries in self.entries.items():
            for entry in entries:
                days.setdefault(entry[0], {}).setdefault(pair, []).append(entry)
        return days

    def means(self) -> PromptMeans:
        """Return each prompt's means, by the weights of the module's head."""
        return prompt_means(self.sums, self.answers)

    def ratio(self) -> Fraction | None:
        return self.means().ratio()


def prompt_means(sums: Mapping[Pair, PairSum], answers: int) -> PromptMeans:
    """Return each prompt's means of the sums of its pairs, over so many answers."""
    providers = Counter([query_id for query_id, _ in sums])
    unit = lcm(*{scale * providers[pair[0]] for pair, (_, _, scale) in sums.items()})
    prompts: dict[int, tuple[Number, int]] = {}
    for (query_id, _), (part, whole, scale) in sums.items():
        weight = unit // (scale * providers[query_id])
        earlier_part, earlier_whole = prompts.get(query_id, (0, 0))
        prompts[query_id] = earlier_part + weight * part, earlier_whole + weight * whole
    return PromptMeans(unit, answers, prompts)


Paired = Mapping[Pair, Sequence[Observation]]
"""Answers by (prompt, provider) pair."""


def paired(observations: Iterable[Observation]) -> Paired:
    """Group answers by pair, once for all measures of them."""
    pairs: dict[Pair, list[Observation]] = {}
    for o in observations:
        pairs.setdefault((o.query_id, o.provider), []).append(o)
    return pairs


def measured(observations: Iterable[Observation], measure: Measure) -> Measured:
    """Measure each answer."""
    return measured_pairs(paired(observations), measure)


def measured_pairs(pairs: Paired, measure: Measure) -> Measured:
    """Measure each answer of some that are grouped already."""
    found = {pair: [(o.day, value[0], value[1]) for o in some if (value := measure(o))] for pair, some in pairs.items()}
    return summed({pair: entries for pair, entries in found.items() if entries})


def summed(entries: Mapping[Pair, Sequence[Entry]]) -> Measured:
    return Measured(entries, {pair: pair_sum(some) for pair, some in entries.items()})


def joined(days: Iterable[Mapping[Pair, Sequence[Entry]]]) -> Mapping[Pair, list[Entry]]:
    """The values of several days."""
    entries: dict[Pair, list[Entry]] = {}
    for each in days:
        for pair, some in each.items():
            entries.setdefault(pair, []).extend(some)
    return entries


def day_weights(days: Sequence[date]) -> tuple[list[int], int]:
    """The weight of each value of one pair, its days weighing equally, and the sum of them all."""
    samples = Counter(days)
    if len(samples) == len(days):
        return [1] * len(days), len(days)
    most = lcm(*samples.values())
    return [most // samples[day] for day in days], most * len(samples)


def pair_sum(entries: Sequence[Entry]) -> PairSum:
    """Return the sum of one pair's values."""
    if len(entries) == 1:
        return entries[0][1], entries[0][2], 1
    days, parts, wholes = zip(*entries, strict=True)
    if len(set(days)) == len(days):
        return sum(parts), sum(wholes), len(days)
    weights, total = day_weights(days)
    part = sum([weight * top for weight, top in zip(weights, parts, strict=True)])
    whole = sum([weight * bottom for weight, bottom in zip(weights, wholes, strict=True)])
    return part, whole, total
