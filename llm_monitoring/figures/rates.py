"""The rate of a period's answers with its bounds, and how many independent answers it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import fsum
from statistics import fmean
from typing import Final

from llm_monitoring.figures.measures import Measured, PromptMeans
from llm_monitoring.figures.statistics import percentage, t_quantile, wilson

MIN_PROMPTS: Final = 6
"""Fewer prompts do not separate change from chance: five of them all move alike 6 % of the time, six 3 %."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of answers in percent with its 95 % bounds, two decimals; None without answers."""

    value: Decimal | None
    low: Decimal | None
    high: Decimal | None


def period_rate(measured: Measured) -> Rate:
    """Return the rate of a measure that gives an answer 100 or 0, over unbranded answers of a day or of more.

    The bounds are Wilson's with `effective_answers` as n.
    """
    return means_rate(measured.means())


def means_rate(means: PromptMeans) -> Rate:
    """The same of prompts' means."""
    rate = means.ratio()
    if rate is None:
        return Rate(None, None, None)
    n = effective_answers(means)
    return Rate(percentage(rate), *wilson(rate / 100 * Fraction(n), n))


def effective_answers(means: PromptMeans) -> float:
    """Return how many independent answers the rate is worth.

    The answers of one prompt on thirty days are not thirty independent ones. Korn and Graubard (1998): the
    variance that independent answers would have over the variance seen between prompts, with Student's t
    for few prompts. Never more than the answers, nor fewer than the prompts. The prompts are what answers are worth if
    a prompt always answers alike; they are also taken if fewer than MIN_PROMPTS prompts ever mention the brand or
    ever leave it out, because so few say nothing of the spread.
    """
    prompts, answers = len(means.prompts), means.answers
    rates = [float(part / (100 * whole)) for part, whole in means.prompts.values()]
    if min(sum(rate > 0 for rate in rates), sum(rate < 1 for rate in rates)) < MIN_PROMPTS:
        return prompts
    if min(rates) == max(rates):
        return answers
    rate = fmean(rates)
    spread = fsum([(each - rate) ** 2 for each in rates]) / prompts
    independent = rate * (1 - rate) / spread * (prompts - 1) * answers / (answers - 1)
    few = t_quantile(0.95, answers - 1) / t_quantile(0.95, prompts - 1)
    return min(answers, max(prompts, independent * few**2))
