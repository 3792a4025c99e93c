"""How far a share or a mean may be from what more prompts would show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from math import sqrt

from llm_monitoring.figures.cells import MIN_PROMPTS, Observation, prompt_weights
from llm_monitoring.figures.spread import Measured, Pair, answers_error, wider_error
from llm_monitoring.figures.statistics import rounded, t_quantile

Measure = Callable[[Observation], tuple[int, int] | None]
Interval = tuple[Decimal, Decimal] | tuple[None, None]


def share_measure(competitors: Sequence[str]) -> Measure:
    """The brand's part in an answer's tracked mentions."""
    names = frozenset(competitors)

    def measure(observation: Observation) -> tuple[int, int]:
        brand = int(observation.brand_mentioned)
        return 100 * brand, brand + len(observation.competitors & names)

    return measure


def position_measure(observation: Observation) -> tuple[int, int] | None:
    return None if observation.position is None else (observation.position, 1)


def interval(observations: Sequence[Observation], measure: Measure, least: int, most: int | None) -> Interval:
    """Return the 95 % interval of Σ numerators / Σ denominators, prompts weighing equally, within [least, most].

    The answers of one prompt resemble each other, so prompts are what varies: a ratio's standard error by its
    residuals (Cochran 1977, 6.4) over prompts, or over their answers if prompts agree more closely than their answers
    allow, times Student's t. None below MIN_PROMPTS prompts with something to measure, and if neither varies, since so
    few that agree do not prove that all would.
    """
    rows = [row for row in per_prompt(observations, measure) if row[1]]
    prompts = len(rows)
    if prompts < MIN_PROMPTS:
        return None, None
    below = sum(float(bottom) for _, bottom in rows)
    ratio = sum(float(top) for top, _ in rows) / below
    spread = sum((float(top) - ratio * float(bottom)) ** 2 for top, bottom in rows)
    found = by_pair(observations, measure)
    error = wider_error(sqrt(prompts / (prompts - 1) * spread) / below, answers_error((found,), rows, found), prompts)
    if not error:
        return None, None
    half = t_quantile(0.95, prompts - 1) * error
    high = ratio + half if most is None else min(most, ratio + half)
    return rounded(max(least, ratio - half)), rounded(high)


def by_pair(observations: Sequence[Observation], measure: Measure) -> dict[Pair, list[Measured]]:
    """The answers with something to measure, by prompt and provider."""
    found: dict[Pair, list[Measured]] = defaultdict(list)
    for each in observations:
        if (value := measure(each)) is not None:
            found[each.query_id, each.provider].append((each, *value))
    return found


def per_prompt(observations: Sequence[Observation], measure: Measure) -> list[tuple[Fraction, Fraction]]:
    """Each prompt's mean numerator and denominator over the answers that have something to measure."""
    pairs = [(each, found) for each in observations if (found := measure(each)) is not None]
    tops: dict[int, int] = defaultdict(int)
    bottoms: dict[int, int] = defaultdict(int)
    wholes: dict[int, int] = defaultdict(int)
    for weight, (each, (top, bottom)) in zip(prompt_weights([each for each, _ in pairs]), pairs, strict=True):
        tops[each.query_id] += weight * top
        bottoms[each.query_id] += weight * bottom
        wholes[each.query_id] += weight
    return [(Fraction(tops[key], wholes[key]), Fraction(bottoms[key], wholes[key])) for key in wholes]
