"""A set of answers with the brand's measures of them, each taken once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llm_monitoring.figures.figure_measures import brand_measures
from llm_monitoring.figures.measures import (
    Entry,
    Measured,
    Pair,
    Paired,
    PairSum,
    measured_pairs,
    pair_sum,
    paired,
    summed,
)
from llm_monitoring.figures.observations import Observation, unbranded


@dataclass(frozen=True, slots=True)
class AnswerSet:
    """Answers, those to branded prompts included, and the measures of the unbranded ones (`headline`, also `pairs`)."""

    observations: Sequence[Observation]
    headline: Sequence[Observation]
    pairs: Paired
    competitors: Sequence[str]
    mentions: Measured
    shares: Measured
    weighted_shares: Measured
    positions: Measured
    citations: Measured
    scores: Measured

    def of_provider(self, provider: str) -> AnswerSet:
        return AnswerSet(
            observations=[o for o in self.observations if o.provider == provider],
            headline=[o for o in self.headline if o.provider == provider],
            pairs={pair: some for pair, some in self.pairs.items() if pair[1] == provider},
            competitors=self.competitors,
            mentions=self.mentions.of_provider(provider),
            shares=self.shares.of_provider(provider),
            weighted_shares=self.weighted_shares.of_provider(provider),
            positions=self.positions.of_provider(provider),
            citations=self.citations.of_provider(provider),
            scores=self.scores.of_provider(provider),
        )

    def of_competitor(self, name: str) -> CompetitorSet:
        """The measures of `competitor_measures` in one pass; a share is of the same mentions as the brand's."""
        mentions: dict[Pair, list[Entry]] = {}
        shares: dict[Pair, list[Entry]] = {}
        positions: dict[Pair, list[Entry]] = {}
        for pair, some in self.pairs.items():
            named: list[int] = [100 * (name in o.competitors) for o in some]
            mentions[pair] = [(o.day, part, 1) for o, part in zip(some, named, strict=True)]
            totals = self.shares.entries[pair]
            shares[pair] = [(day, part, whole) for (day, _, whole), part in zip(totals, named, strict=True)]
            places = [(o.day, o.competitor_positions.get(name)) for o in some]
            ranked: list[Entry] = [(day, place, 1) for day, place in places if place is not None]
            if ranked:
                positions[pair] = ranked
        return CompetitorSet(summed_as(self.mentions, mentions), summed_as(self.shares, shares), summed(positions))


@dataclass(frozen=True, slots=True)
class CompetitorSet:
    """The measures of one competitor."""

    mentions: Measured
    shares: Measured
    positions: Measured


def summed_as(brand: Measured, entries: Mapping[Pair, Sequence[Entry]]) -> Measured:
    """Sum the values of a competitor in the same answers as the brand's; their denominators are the brand's too."""
    sums: dict[Pair, PairSum] = {}
    for pair, some in entries.items():
        _, whole, scale = brand.sums[pair]
        even = scale == len(some)  # as many samples on each day: every answer weighs the same
        sums[pair] = (sum([part for _, part, _ in some]), whole, scale) if even else pair_sum(some)
    return Measured(entries, sums)


def answer_set(observations: Sequence[Observation], competitors: Sequence[str]) -> AnswerSet:
    """Take the brand's measures of these answers."""
    headline, measures = unbranded(observations), brand_measures(competitors)
    pairs = paired(headline)
    return AnswerSet(
        observations=observations,
        headline=headline,
        pairs=pairs,
        competitors=competitors,
        mentions=measured_pairs(pairs, measures["mention_rate"]),
        shares=measured_pairs(pairs, measures["share_of_voice"]),
        weighted_shares=measured_pairs(pairs, measures["weighted_share_of_voice"]),
        positions=measured_pairs(pairs, measures["avg_position"]),
        citations=measured_pairs(pairs, measures["citation_rate"]),
        scores=measured_pairs(pairs, measures["avg_sentiment_score"]),
    )
