"""Shares of a period's answers: how many of them, and which rate, are in a set; many sets of the same answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from llm_monitoring.figures.measures import Pair, day_weights, prompt_means
from llm_monitoring.figures.observations import Observation
from llm_monitoring.figures.rates import Rate, means_rate

HIT: Final = 100  # a rate is in percent


@dataclass(slots=True)
class AnswerShares:
    """The answers, by their place in `observed`, with what every share of them has in common.

    A share then takes the time of its own answers and of the pairs, not of all answers.
    """

    observed: Sequence[Observation]
    pairs: list[Pair] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    totals: dict[Pair, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pairs = [(o.query_id, o.provider) for o in self.observed]
        self.weights = [1] * len(self.pairs)
        places: dict[Pair, list[int]] = {}
        for place, pair in enumerate(self.pairs):
            places.setdefault(pair, []).append(place)
        for pair, own in places.items():
            weights, self.totals[pair] = day_weights([self.observed[place].day for place in own])
            for place, weight in zip(own, weights, strict=True):
                self.weights[place] = weight

    def share(self, places: Collection[int], provider: str | None = None) -> tuple[int, int, Rate]:
        """How many answers of a provider, or of all, are in `places`, of how many, and their rate with its bounds.

        It is the `period_rate` of a measure that gives an answer 100 if it is in `places` and 0 if it is not.
        """
        own = [place for place in places if provider in (None, self.pairs[place][1])]
        of = sum(provider in (None, name) for _, name in self.pairs)
        parts = dict.fromkeys([pair for pair in self.totals if provider in (None, pair[1])], 0)
        for place in own:
            parts[self.pairs[place]] += HIT * self.weights[place]
        sums = {pair: (part, self.totals[pair], self.totals[pair]) for pair, part in parts.items()}
        return len(own), of, means_rate(prompt_means(sums, of))
