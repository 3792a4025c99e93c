"""The figures of a whole period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import pytest

from llm_monitoring.figures.cells import cell, summary
from llm_monitoring.figures.measures import measured, mention
from llm_monitoring.figures.observations import ModelChange, Observation, model_changes
from llm_monitoring.figures.rates import effective_answers
from llm_monitoring.figures.statistics import wilson
from tests.unit.analysis_figures.answers import COMPETITORS, FIRST_DAY, answer, period, uneven_rates


def day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number - 1)


def worth(observations: Sequence[Observation]) -> float:
    """How many independent answers the mention rate of these is worth."""
    return effective_answers(measured(observations, mention).means())


def test_prompts_providers_and_days_weigh_equally() -> None:
    """Prompt 1: openai 1/2, google 1 (of three days); prompt 2: 0. The mean of 0.75 and 0 is 37.5 %."""
    found = [
        answer(1, day=day(1), mentioned=True),
        *(answer(1, day=day(2), sample=s) for s in (1, 2, 3)),
        *(answer(1, day=day(d), provider="google", mentioned=True) for d in (1, 2, 3)),
        answer(2),
    ]
    assert Decimal("37.50") == summary(found, ()).figures.mention_rate


def test_says_what_it_covers() -> None:
    """Prompts, providers and days are those of the unbranded answers."""
    found = [
        answer(1, day=day(2)),
        answer(2, day=day(5), provider="google"),
        answer(3, day=day(9), provider="anthropic", branded=True),
    ]
    period_summary = summary(found, ())
    assert 2 == period_summary.prompts
    assert ("google", "openai") == period_summary.providers
    assert day(2) == period_summary.first_day
    assert day(5) == period_summary.last_day


def test_an_empty_period_has_no_days() -> None:
    """A period without answers says nothing."""
    empty = summary([], COMPETITORS)
    assert 0 == empty.prompts
    assert empty.providers == ()
    assert empty.first_day is None
    assert empty.last_day is None
    assert empty.figures.mention_rate is None


def test_days_that_repeat_themselves_add_nothing() -> None:
    """Prompts that always answer alike are worth as many answers as there are prompts."""
    steady = [answer(q, day=day(d), mentioned=q < 8) for q in range(20) for d in range(1, 31)]
    figures = summary(steady, ()).figures
    assert worth(steady) == 20
    assert wilson(8, 20) == (figures.mention_rate_low, figures.mention_rate_high)


def test_independent_days_narrow_the_bounds() -> None:
    """Prompts that all share one rate are worth nearly all their answers, and never more."""
    found = period(Random(3), FIRST_DAY, [0.4] * 60, days=30)
    assert len(found) / 2 < worth(found) <= len(found)


@pytest.mark.parametrize("mentioning", [0, 1, 5, 15, 20])
def test_a_spread_that_few_prompts_show_is_not_trusted(mentioning: int) -> None:
    """With fewer than six prompts that ever mention the brand, or ever don't, n is the number of prompts."""
    found = [answer(q, day=day(d), mentioned=q < mentioning and d < 15) for q in range(20) for d in range(1, 31)]
    trusted = mentioning >= 6
    assert trusted == (worth(found) != 20)


def test_without_a_single_mention_the_bounds_are_those_of_the_prompts() -> None:
    """A brand that thirty days never named may still be named for one prompt in nine."""
    silent = [answer(q, day=day(d)) for q in range(30) for d in range(1, 31)]
    figures = summary(silent, ()).figures
    assert wilson(0, 30) == (figures.mention_rate_low, figures.mention_rate_high)


def test_bounds_hold_the_truth_as_often_as_they_say() -> None:
    """Over prompts whose rates differ, 95 % bounds miss the true mean about one time in twenty."""
    misses = 0
    for seed in range(200):
        random = Random(seed)
        rates = [random.betavariate(1.2, 1.8) for _ in range(25)]
        figures = summary(period(random, FIRST_DAY, rates, days=4), ()).figures
        assert figures.mention_rate_low is not None
        assert figures.mention_rate_high is not None
        misses += not figures.mention_rate_low <= 40 <= figures.mention_rate_high
    assert 3 <= misses <= 18


def test_changes_of_model_are_listed_by_day() -> None:
    """Each provider's changes are listed, a day with both models as such, over days without answers too."""
    found = [
        answer(1, day=day(1), model_id="a"),
        answer(1, day=day(2), model_id="a"),
        answer(2, day=day(2), model_id="b", branded=True),
        answer(1, day=day(7), model_id="b"),
        answer(1, day=day(1), model_id="s", provider="perplexity"),
        answer(1, day=day(2), model_id="t", provider="perplexity"),
        answer(1, day=day(3), model_id="t", provider="perplexity"),
    ]
    assert (
        ModelChange("openai", day(2), "a", "a + b"),
        ModelChange("perplexity", day(2), "s", "t"),
        ModelChange("openai", day(7), "a + b", "b"),
    ) == model_changes(found)


def test_a_period_carries_its_changes_of_model() -> None:
    """A change of model inside a period stands beside its figures."""
    found = [answer(1, day=day(1), model_id="a"), answer(1, day=day(2), model_id="b")]
    assert (ModelChange("openai", day(2), "a", "b"),) == summary(found, ()).model_changes


def test_uneven_prompts_are_worth_fewer_answers_than_they_gave() -> None:
    """Where prompts differ, the answers of one are not independent."""
    found = period(Random(5), FIRST_DAY, uneven_rates(Random(5), 30), days=20)
    assert 30 < worth(found) < len(found) / 4


def test_effective_answers_are_korn_and_graubards(stats: Any) -> None:
    """The design effect is the variance between prompts over that of independent answers, corrected by t."""
    found = period(Random(6), FIRST_DAY, uneven_rates(Random(6), 14), days=5)
    mentions = np.array([o.brand_mentioned for o in found], dtype=float).reshape(14, 10)
    between, independent = mentions.mean(axis=1).var(ddof=1) / 14, mentions.var(ddof=1) / 140
    few = stats.t.ppf(0.975, 139) / stats.t.ppf(0.975, 13)
    assert worth(found) == pytest.approx(140 * independent / between * few**2, rel=1e-4)


@pytest.mark.parametrize("samples", [1, 2, 5])
def test_a_day_has_the_same_figures_as_a_cell_and_as_a_period(samples: int) -> None:
    """One provider's day is a row of the daily figures and a point of the trend: values and bounds are the same."""
    rng = Random(samples)
    found = [
        answer(number, sample=sample, mentioned=rng.random() < 0.1 + 0.05 * number)
        for number in range(1, 15)
        for sample in range(1, samples + 1)
    ]
    assert summary(found, COMPETITORS).figures == cell(found, COMPETITORS)
