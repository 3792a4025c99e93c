"""The change of one figure between two periods: its interval and its verdict."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from llm_monitoring.figures.spread import Spread, margins
from llm_monitoring.figures.statistics import hundredths, percentage, rounded

Figure = Literal["mention_rate", "share_of_voice", "avg_position", "citation_rate"]
Verdict = Literal["up", "down", "within noise", "too little data"]
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in two periods, over the (prompt, provider) pairs that both have.

    `before`, `after`, `difference`, `low` and `high` are percentage points, places for `avg_position`;
    `low` and `high` bound the difference with 95 % confidence. `provider` is None over all of them.
    `verdict` says where the number went; `judged_at` is the confidence, in percent, that it asked for.
    """

    figure: Figure
    provider: str | None
    before: Decimal | None
    after: Decimal | None
    difference: Decimal | None
    low: Decimal | None
    high: Decimal | None
    prompts: int
    pairs: int
    verdict: Verdict
    judged_at: Decimal

    @property
    def improved(self) -> bool | None:
        """Whether it is good for the brand, as a lower position is; None unless the verdict is up or down."""
        if self.verdict not in ("up", "down"):
            return None
        return (self.verdict == "up") != (self.figure == "avg_position")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference and its uncertainty, None if too few prompts have something to compare."""

    figure: Figure
    provider: str | None
    before: Fraction | None
    after: Fraction | None
    spread: Spread | None
    prompts: int
    pairs: int


def judge(estimate: Estimate, confidence: float) -> Change:
    """Return the change with its 95 % interval and the verdict at `confidence`."""
    low, high = interval(estimate)
    return Change(
        figure=estimate.figure,
        provider=estimate.provider,
        before=shown(estimate.figure, estimate.before),
        after=shown(estimate.figure, estimate.after),
        difference=shown(estimate.figure, difference(estimate)),
        low=low,
        high=high,
        prompts=estimate.prompts,
        pairs=estimate.pairs,
        verdict=verdict(estimate, confidence),
        judged_at=rounded(100 * confidence),
    )


def difference(estimate: Estimate) -> Fraction | None:
    if estimate.before is None or estimate.after is None:
        return None
    return estimate.after - estimate.before


def shown(figure: Figure, value: Fraction | None) -> Decimal | None:
    return hundredths(value) if figure == "avg_position" else percentage(value)


def bounds(estimate: Estimate, confidence: float) -> tuple[float, float] | None:
    """Return the bounds of the difference at `confidence`; None if too few prompts allow them."""
    gap = difference(estimate)
    if gap is None or estimate.spread is None:
        return None
    below, above = margins(estimate.spread, float(gap), confidence)
    return float(gap) - below, float(gap) + above


def interval(estimate: Estimate) -> tuple[Decimal, Decimal] | tuple[None, None]:
    found = bounds(estimate, CONFIDENCE)
    if found is None:
        return None, None
    low, high = found
    if estimate.figure == "avg_position":
        return rounded(low), rounded(high)
    return rounded(max(-100.0, low)), rounded(min(100.0, high))


def verdict(estimate: Estimate, confidence: float) -> Verdict:
    found = bounds(estimate, confidence)
    if found is None:
        return "too little data"
    low, high = found
    if low <= 0 <= high:
        return "within noise"
    return "up" if low > 0 else "down"
