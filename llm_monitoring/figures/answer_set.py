"""A set of answers with the brand's measures of them, each taken once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_monitoring.figures.figure_measures import brand_measures
from llm_monitoring.figures.measures import Measured, Paired, measured_pairs, paired
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
