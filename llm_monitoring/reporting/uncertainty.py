"""How far a share or a mean may be from what more prompts would show."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import sqrt

from llm_monitoring.figures import MIN_PROMPTS, Measured, PromptMeans, answers_error, rounded, t_quantile, wider_error

Interval = tuple[Decimal, Decimal] | tuple[None, None]


def interval(measured: Measured, means: PromptMeans, least: int, most: int | None) -> Interval:
    """Return the 95 % interval of Σ numerators / Σ denominators, prompts weighing equally, within [least, most].

    The answers of one prompt resemble each other, so prompts are what varies: a ratio's standard error by its
    residuals (Cochran 1977, 6.4) over prompts, or over their answers if prompts agree more closely than their answers
    allow, times Student's t. None below MIN_PROMPTS prompts with something to measure, and if neither varies, since so
    few that agree do not prove that all would.
    """
    rows = prompt_rows(means)
    prompts = len(rows)
    if prompts < MIN_PROMPTS:
        return None, None
    below = sum(float(bottom) for _, bottom in rows)
    ratio = sum(float(top) for top, _ in rows) / below
    spread = sum((float(top) - ratio * float(bottom)) ** 2 for top, bottom in rows)
    answers = answers_error([measured], rows, measured.pairs)
    error = wider_error(sqrt(prompts / (prompts - 1) * spread) / below, answers, prompts)
    if not error:
        return None, None
    half = t_quantile(0.95, prompts - 1) * error
    high = ratio + half if most is None else min(most, ratio + half)
    return rounded(max(least, ratio - half)), rounded(high)


def prompt_rows(means: PromptMeans) -> list[tuple[Fraction, Fraction]]:
    """The prompts with something to measure."""
    return [means.exact(query_id) for query_id, (_, whole) in means.prompts.items() if whole]
