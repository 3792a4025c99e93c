"""What changed between two periods, and whether the change is more than noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from llm_monitoring.errors import Invalid
from llm_monitoring.figures.change import CONFIDENCE, Change, Estimate, Figure, judge
from llm_monitoring.figures.measures import (
    Measure,
    Measured,
    Paired,
    citation,
    measured_pairs,
    mention,
    paired,
    position,
    share_among,
)
from llm_monitoring.figures.observations import ModelChange, Observation, model_changes, unbranded
from llm_monitoring.figures.rates import MIN_PROMPTS
from llm_monitoring.figures.spread import Bootstrap, Row, answers_error, exact_sum, spread_of


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two periods next to each other: the mention rate is the headline, the other figures support it.

    `by_provider` has each provider's mention rate, and is empty if there is one provider.
    `model_changes` are those from the first day of the earlier period to the last of the later one.
    """

    mention_rate: Change
    share_of_voice: Change
    avg_position: Change
    citation_rate: Change
    by_provider: tuple[Change, ...]
    model_changes: tuple[ModelChange, ...]

    @property
    def figures(self) -> tuple[Change, ...]:
        """The mention rate and the figures that support it."""
        return self.mention_rate, self.share_of_voice, self.avg_position, self.citation_rate


def compare(
    before: Sequence[Observation],
    after: Sequence[Observation],
    competitors: Sequence[str],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Return what changed from `before` to `after`, unbranded prompts only; the same input, the same output.

    Only (prompt, provider) pairs with answers in both periods count (for `avg_position`, with a position in
    both), and prompts weigh equally. Prompts are drawn with replacement, each with all its answers, since
    the answers of one prompt are not independent; the interval is the difference plus and minus Student's t
    times the standard error of those draws. (Their percentiles would double the false alarms of ten prompts.)
    If prompts agree more closely than their answers allow, or nothing varies at all, the interval is that of
    `spread.margins`: no interval has a width of zero, and no verdict comes from one.

    `too little data`: fewer than MIN_PROMPTS prompts with something to compare in either period.

    Against false alarms, the mention rate alone is judged at 95 %. The other figures and the providers are
    read together, so each is judged at Bonferroni's 1 - 5 % / (how many they are): if nothing changed, at
    most one comparison in twenty shows any of them as a change. Their `low` and `high` stay at 95 %, so one
    may be `within noise` though its interval leaves out zero. Comparing again every day until something
    turns up adds false alarms that nothing here takes away, and a swing that all prompts share for some
    days, as when a provider changes its index, is a change like any other.

    Raises Invalid if the later period does not start after the earlier one.
    """
    refuse_overlap(before, after)
    estimator = Estimator(paired(unbranded(before)), paired(unbranded(after)), Bootstrap(resamples, seed))
    mentions = estimator.measured(mention)
    headline = estimator.estimate_of("mention_rate", *mentions)
    others = [
        estimator.estimate("share_of_voice", share_among(competitors)),
        estimator.estimate("avg_position", position),
        estimator.estimate("citation_rate", citation),
        *estimator.estimate_providers("mention_rate", *mentions),
    ]
    family = sum(other.spread is not None for other in others)
    level = 1 - (1 - CONFIDENCE) / max(1, family)
    share_of_voice, avg_position, citation_rate, *by_provider = (judge(other, level) for other in others)
    return Comparison(
        mention_rate=judge(headline, CONFIDENCE),
        share_of_voice=share_of_voice,
        avg_position=avg_position,
        citation_rate=citation_rate,
        by_provider=tuple(by_provider),
        model_changes=model_changes([*before, *after]),
    )


def refuse_overlap(before: Sequence[Observation], after: Sequence[Observation]) -> None:
    if before and after and max(o.day for o in before) >= min(o.day for o in after):
        raise Invalid("period", "the later period must start after the earlier one has ended")


@dataclass(frozen=True, slots=True)
class Estimator:
    """Estimates the change of one figure at a time over the same unbranded answers."""

    earlier: Paired
    later: Paired
    bootstrap: Bootstrap

    def estimate(self, figure: Figure, measure: Measure) -> Estimate:
        return self.estimate_of(figure, *self.measured(measure))

    def estimate_providers(self, figure: Figure, before: Measured, after: Measured) -> list[Estimate]:
        """Estimate each provider's change; none if both periods share one provider, since it repeats the headline."""
        shared = {provider for _, provider in self.earlier} & {provider for _, provider in self.later}
        return [
            self.estimate_of(figure, before.of_provider(name), after.of_provider(name), name)
            for name in sorted(shared)
            if len(shared) > 1
        ]

    def measured(self, measure: Measure) -> tuple[Measured, Measured]:
        return measured_pairs(self.earlier, measure), measured_pairs(self.later, measure)

    def estimate_of(self, figure: Figure, before: Measured, after: Measured, provider: str | None = None) -> Estimate:
        pairs = before.pairs & after.pairs
        sides = before.of_pairs(pairs), after.of_pairs(pairs)
        rows, spread = rows_of(*sides), None
        if enough(rows):
            error = self.bootstrap.standard_error(rows)
            spread = spread_of(rows, error, answers_error(sides, rows, pairs), *possible(figure, (before, after)))
        return Estimate(figure, provider, *ratios(rows), spread, len(rows), len(pairs))


def rows_of(before: Measured, after: Measured) -> list[Row]:
    """Return a row for each prompt; both periods have the same (prompt, provider) pairs."""
    earlier, later = before.means(), after.means()
    return [(*earlier.exact(query_id), *later.exact(query_id)) for query_id in sorted(earlier.prompts)]


def possible(figure: Figure, sides: Sequence[Measured]) -> tuple[float, float]:
    """Return the least and the most by which one prompt could change; for positions as far as places seen lie apart."""
    if figure != "avg_position":
        return -100.0, 100.0
    places = [part for side in sides for entries in side.entries.values() for _, part, _ in entries]
    reach = float(max(1, max(places) - min(places)))
    return -reach, reach


def ratios(rows: Sequence[Row]) -> tuple[Fraction | None, Fraction | None]:
    """Return the figure before and after."""
    part_before, whole_before, part_after, whole_after = (exact_sum([row[i] for row in rows]) for i in range(4))
    return (
        part_before / whole_before if whole_before else None,
        part_after / whole_after if whole_after else None,
    )


def enough(rows: Sequence[Row]) -> bool:
    """Say whether MIN_PROMPTS prompts have something to compare in each period."""
    return min(sum(row[1] > 0 for row in rows), sum(row[3] > 0 for row in rows)) >= MIN_PROMPTS
