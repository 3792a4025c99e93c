"""A set of answers with the brand's measures of them, each taken once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_monitoring.figures.measures import (
    Measured,
    citation,
    measured,
    mention,
    position,
    sentiment_score,
    share_among,
    weighted_share_among,
)
from llm_monitoring.figures.observations import Observation, unbranded


@dataclass(frozen=True, slots=True)
class AnswerSet:
    """Answers, those to branded prompts included, and the measures of the unbranded ones (`headline`)."""

    observations: Sequence[Observation]
    headline: Sequence[Observation]
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
    headline = unbranded(observations)
    return AnswerSet(
        observations=observations,
        headline=headline,
        competitors=competitors,
        mentions=measured(headline, mention),
        shares=measured(headline, share_among(competitors)),
        weighted_shares=measured(headline, weighted_share_among(competitors)),
        positions=measured(headline, position),
        citations=measured(headline, citation),
        scores=measured(headline, sentiment_score),
    )
