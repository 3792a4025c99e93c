"""How far the difference of two periods may be from the true one, given prompts and their answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from random import Random
from statistics import stdev, variance
from typing import Final

from llm_monitoring.figures.cells import Observation
from llm_monitoring.figures.statistics import normal_quantile, t_quantile

Row = tuple[Fraction, Fraction, Fraction, Fraction]
"""One prompt: the figure's numerator and denominator before, and after."""

Pair = tuple[int, str]
Measured = tuple[Observation, int, int]
Found = Mapping[Pair, Sequence[Measured]]

NOTHING: Final = 1e-9
RARE: Final = 0.98
"""Two-sided: a spread below the 1 % point of its distribution is no evidence of a narrow interval."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The uncertainty of a difference: its standard error, zero where nothing varies, over how many prompts.

    `least` and `most` are the differences that one prompt could show at all.
    """

    error: float
    prompts: int
    least: float
    most: float


def spread_of(rows: Sequence[Row], error: float, answers: float, least: float, most: float) -> Spread:
    """Return the spread from the standard error over prompts and the one that their answers alone explain."""
    return Spread(wider_error(error, answers, len(rows)), len(rows), least, most)


def wider_error(error: float, answers: float, prompts: int) -> float:
    """Return the standard error over prompts, or that of their answers if prompts agree more closely than these allow.

    Closer means that the scaled chi-square of the spread is below its 1 % point: six prompts that each go from 3 to 4
    of 7 agree by chance and are 18 against 24 of 42. Zero if nothing varies.
    """
    if error**2 < least_share(prompts - 1) * answers**2:
        return answers
    return 0.0 if error < NOTHING else error


def margins(spread: Spread, difference: float, confidence: float) -> tuple[float, float]:
    """Return how far the true difference may lie below and above this one, never both zero.

    Student's t times the standard error. If neither prompts nor answers vary, the true share of prompts that would
    behave otherwise is bounded by Wilson's upper bound for none of n (Wilson 1927), and each such prompt may
    show any difference that is possible: 0 of 42 answers of six prompts in both periods do not prove zero.
    """
    if spread.error:
        half = t_quantile(confidence, spread.prompts - 1) * spread.error
        return half, half
    square = normal_quantile(confidence) ** 2
    unseen = square / (spread.prompts + square)
    return unseen * (difference - spread.least), unseen * (spread.most - difference)


def least_share(degrees: int) -> float:
    """Return the 1 % point of a variance's estimate over the variance (Wilson and Hilferty 1931)."""
    part = 2 / (9 * degrees)
    return float(max(0.0, 1 - part - normal_quantile(RARE) * sqrt(part)) ** 3)


def standard_error(rows: Sequence[Row], resamples: int, seed: int) -> float:
    """Return the standard error of the difference, by drawing the prompts with replacement.

    Draws spread by (n - 1) / n too little, for which few prompts are corrected.
    """
    prompts = [tuple(map(float, row)) for row in rows]
    draw = Random(seed).choices
    differences = []
    for _ in range(resamples):
        before, of_before, after, of_after = map(sum, zip(*draw(prompts, k=len(prompts)), strict=True))
        if of_before and of_after:
            differences.append(after / of_after - before / of_before)
    return stdev(differences) * sqrt(len(rows) / (len(rows) - 1))


def answers_error(sides: Iterable[Found], rows: Sequence[Sequence[Fraction]], pairs: Iterable[Pair]) -> float:
    """Return the standard error that the answers of each (prompt, provider) pair alone give a ratio or a difference.

    A row holds a prompt's numerator and denominator of each side.

    Linearised as a ratio's residuals (Cochran 1977, 6.4); a pair with one answer a period tells nothing of it.
    """
    providers: dict[int, int] = defaultdict(int)
    kept = sorted(pairs)
    for query_id, _ in kept:
        providers[query_id] += 1
    total = 0.0
    for side, found in enumerate(sides):
        part, whole = (float(sum(row[2 * side + place] for row in rows)) for place in (0, 1))
        for pair in kept:
            weight = whole * providers[pair[0]]
            total += residual_variance(found[pair], part / whole) / weight**2
    return sqrt(total)


def residual_variance(entries: Sequence[Measured], ratio: float) -> float:
    """Return the variance of the mean residual of one pair's answers."""
    residuals = [part - ratio * whole for _, part, whole in entries]
    return variance(residuals) / len(residuals) if len(residuals) > 1 else 0.0
