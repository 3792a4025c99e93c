"""How far the difference of two periods may be from the true one, given prompts and their answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import fsum, lcm, sqrt
from operator import itemgetter, mul
from random import Random
from statistics import fmean
from typing import Final

from llm_monitoring.figures.measures import Entry, Measured, Pair
from llm_monitoring.figures.statistics import normal_quantile, t_quantile

Row = tuple[Fraction, Fraction, Fraction, Fraction]
"""One prompt: the figure's numerator and denominator before, and after."""

NOTHING: Final = 1e-9
RARE: Final = 0.98
"""Two-sided: a spread below the 1 % point of its distribution is no evidence of a narrow interval."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The uncertainty of a difference: its standard error, zero if nothing varies, over how many prompts.

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


Draw = Callable[[Sequence[float]], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Draws prompts with replacement: the same draws for every figure with as many prompts, so they are made once."""

    resamples: int
    seed: int

    def standard_error(self, rows: Sequence[Row]) -> float:
        """Return the standard error of the difference over the draws.

        Draws spread by (n - 1) / n too little, for which few prompts are corrected.
        """
        columns = [[float(row[place]) for row in rows] for place in range(4)]
        sums = zip(*(self.sums(column) for column in columns), strict=True)
        differences = [
            after / of_after - before / of_before
            for before, of_before, after, of_after in sums
            if of_before and of_after
        ]
        return deviation(differences) * sqrt(len(rows) / (len(rows) - 1))

    def sums(self, column: Sequence[float]) -> list[float]:
        """The sum of a column in each draw; ones, the denominator of most figures, add up to their number."""
        if set(column) == {1.0}:
            return [float(len(column))] * self.resamples
        return [sum(draw(column)) for draw in draws_of(self.resamples, self.seed, len(column))]


def deviation(values: Sequence[float]) -> float:
    """Return the sample's standard deviation; `statistics.stdev` does the same in fractions, six times as slowly."""
    mean = fmean(values)
    return sqrt(fsum([(value - mean) ** 2 for value in values]) / (len(values) - 1))


@lru_cache(maxsize=8)
def draws_of(resamples: int, seed: int, prompts: int) -> list[Draw]:
    random = Random(seed).random
    numbers = range(prompts)
    return [itemgetter(*[int(random() * prompts) for _ in numbers]) for _ in range(resamples)]


def answers_error(sides: Sequence[Measured], rows: Sequence[Sequence[Fraction]], pairs: AbstractSet[Pair]) -> float:
    """Return the standard error that the answers of each (prompt, provider) pair alone give a ratio or a difference.

    A row holds a prompt's numerator and denominator of each side.

    Linearised as a ratio's residuals (Cochran 1977, 6.4); a pair with one answer a period says nothing of it.
    """
    kept = sorted(pairs)
    providers = Counter([query_id for query_id, _ in kept])
    total = 0.0
    for side, measured in enumerate(sides):
        part, whole = (exact_sum([row[2 * side + place] for row in rows]) for place in (0, 1))
        ratio = part / whole
        for pair in kept:
            weight = float(whole) * providers[pair[0]]
            total += residual_variance(measured.entries[pair], ratio) / weight**2
    return sqrt(total)


def exact_sum(values: Sequence[Fraction]) -> Fraction:
    """Return the sum, reduced once and not after each number."""
    unit = lcm(*[value.denominator for value in values])
    return Fraction(sum([value.numerator * (unit // value.denominator) for value in values]), unit)


def residual_variance(entries: Sequence[Entry], ratio: Fraction) -> float:
    """Return the variance of the mean residual of one pair's answers, from exact sums in units of the ratio's."""
    n = len(entries)
    if n < 2:
        return 0.0
    top, bottom = ratio.numerator, ratio.denominator
    _, parts, wholes = zip(*entries, strict=True)
    # the residuals bottom * part - top * whole, their squares summed without taking each: the numbers are long
    squared = (
        bottom**2 * sum(map(mul, parts, parts))
        - 2 * bottom * top * sum(map(mul, parts, wholes))
        + top**2 * sum(map(mul, wholes, wholes))
    )
    squares = n * squared - (bottom * sum(parts) - top * sum(wholes)) ** 2
    return float(squares / (bottom**2 * n**2 * (n - 1)))
