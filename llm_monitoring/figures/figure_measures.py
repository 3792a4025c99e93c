"""The measure of each figure, of the brand and of a competitor, and which answers the figure counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from llm_monitoring.figures.measures import (
    Measure,
    Value,
    citation,
    has_weight,
    mention,
    position,
    sentiment_score,
    share_among,
    weighted_share_among,
)
from llm_monitoring.figures.observations import Observation, unbranded

MeasuredFigure = Literal[
    "mention_rate",
    "share_of_voice",
    "weighted_share_of_voice",
    "avg_position",
    "citation_rate",
    "avg_sentiment_score",
    "branded_mention_rate",
]
MEASURED_FIGURES: Final[tuple[MeasuredFigure, ...]] = get_args(MeasuredFigure)


def brand_measures(competitors: Iterable[str]) -> Mapping[MeasuredFigure, Measure]:
    """The measures of the brand's figures; that of branded prompts is of answers that no other figure counts."""
    tracked = frozenset(competitors)
    return {
        "mention_rate": mention,
        "share_of_voice": share_among(tracked),
        "weighted_share_of_voice": weighted_share_among(tracked),
        "avg_position": position,
        "citation_rate": citation,
        "avg_sentiment_score": sentiment_score,
        "branded_mention_rate": mention,
    }


def competitor_measures(name: str, competitors: Iterable[str]) -> Mapping[MeasuredFigure, Measure]:
    """The measures of a competitor's figures, which are those that have one."""
    tracked = frozenset(competitors)

    def mention(o: Observation) -> Value:
        return 100 * (name in o.competitors), 1

    def share(o: Observation) -> Value:
        return 100 * (name in o.competitors), o.brand_mentioned + len(tracked & o.competitors)

    def position(o: Observation) -> Value | None:
        place = o.competitor_positions.get(name)
        return None if place is None else (place, 1)

    return {"mention_rate": mention, "share_of_voice": share, "avg_position": position}


@dataclass(frozen=True, slots=True)
class CountedIn:
    """The answers that one figure counts, of the brand or of `competitor`, to branded prompts or to all others."""

    measure: Measure
    competitor: str | None
    branded: bool = False

    def counts(self, observation: Observation) -> bool:
        """Whether the figure rests on this answer."""
        is_unbranded = bool(unbranded((observation,)))
        return is_unbranded is not self.branded and has_weight(self.measure(observation))

    def place(self, observation: Observation) -> int | None:
        """The place of the figure's entity in the answer's ranking; None without one."""
        if self.competitor is None:
            return observation.position
        return observation.competitor_positions.get(self.competitor)

    def names(self, observation: Observation) -> bool:
        """Whether the answer names the entity of the figure."""
        return observation.brand_mentioned if self.competitor is None else self.competitor in observation.competitors


def counted_in(figure: MeasuredFigure, competitors: Iterable[str], competitor: str | None = None) -> CountedIn | None:
    """The answers of a figure; None if it is not measured of competitors."""
    tracked = tuple(competitors)
    found = brand_measures(tracked) if competitor is None else competitor_measures(competitor, tracked)
    return CountedIn(found[figure], competitor, figure == "branded_mention_rate") if figure in found else None
