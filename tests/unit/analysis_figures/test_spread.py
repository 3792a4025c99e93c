"""Intervals of prompts that agree: never without width, never a verdict by chance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from llm_monitoring.figures.change import Change
from llm_monitoring.figures.comparison import compare
from llm_monitoring.figures.observations import Observation
from llm_monitoring.figures.spread import least_share
from llm_monitoring.figures.statistics import percentage, rounded
from tests.unit.analysis_figures.answers import FIRST_DAY, NEXT_MONTH, answer, period


def week(mentions: Sequence[int], later: bool, days: int = 7) -> list[Observation]:
    """Return some days in which prompt i mentions the brand on the first `mentions[i]` of them."""
    start = NEXT_MONTH if later else FIRST_DAY
    return [
        answer(number, day=start + timedelta(days=day), mentioned=day < count)
        for number, count in enumerate(mentions)
        for day in range(days)
    ]


def change_of(before: Sequence[int], after: Sequence[int], days: int = 7) -> Change:
    return compare(week(before, later=False, days=days), week(after, later=True, days=days), ()).mention_rate


def test_prompts_that_agree_by_chance() -> None:
    """Six prompts that each go from 3 to 4 of 7 answers are 18 against 24 of 42: nothing is proven."""
    change = change_of([3] * 6, [4] * 6)
    assert Decimal("14.29") == change.difference
    assert "within noise" == change.verdict
    assert change.low is not None
    assert change.high is not None
    assert change.low < -5
    assert change.high > 30


@pytest.mark.parametrize("mentions", [0, 7])
def test_nothing_varies(mentions: int) -> None:
    """None of 42 answers in both periods, or all of them, do not bound the change to zero."""
    change = change_of([mentions] * 6, [mentions] * 6)
    assert "within noise" == change.verdict
    assert Decimal("-39.03") == change.low
    assert Decimal("39.03") == change.high


def test_more_prompts_that_never_vary_prove_more() -> None:
    """Of sixty prompts without a change at most some six in a hundred may behave otherwise."""
    change = change_of([0, 7] * 30, [0, 7] * 30)
    assert Decimal("-6.02") == change.low
    assert Decimal("6.02") == change.high


def test_nearly_equal_prompts() -> None:
    """One answer more at each of six prompts and two at one of them is as little a change as one at each."""
    assert "within noise" == change_of([3] * 6, [4] * 5 + [5]).verdict


def test_a_change_of_every_prompt_is_found() -> None:
    """Ten prompts that went from never to always have changed, within an interval that has a width."""
    change = change_of([0] * 10, [7] * 10)
    assert "up" == change.verdict
    assert change.low is not None
    assert 40 < change.low < 60
    assert Decimal("100.00") == change.high


def test_positions_that_agree() -> None:
    """Ten prompts that all went from place 2 to 1 improved, by a place within an interval that has a width."""
    before = [answer(number, position=2) for number in range(10)]
    after = [answer(number, day=NEXT_MONTH, position=1) for number in range(10)]
    change = compare(before, after, ()).avg_position
    assert "down" == change.verdict
    assert Decimal("-1.00") == change.low
    assert Decimal("-0.44") == change.high


@pytest.mark.short(every=2)
@pytest.mark.parametrize(("prompts", "days"), [(6, 7), (6, 1), (8, 3), (20, 2)])
def test_alarms_of_prompts_that_resemble_each_other(prompts: int, days: int) -> None:
    """Of prompts with one rate and no change one verdict in twenty is false, and no interval is without width."""
    verdicts, widths = [], []
    for seed in range(150):
        random = Random(seed)
        before = period(random, FIRST_DAY, [0.45] * prompts, days=days, providers=["openai"])
        after = period(random, NEXT_MONTH, [0.45] * prompts, days=days, providers=["openai"])
        change = compare(before, after, (), resamples=200, seed=seed).mention_rate
        verdicts.append(change.verdict)
        widths.append((change.high or 0) - (change.low or 0))
    assert sum(verdict != "within noise" for verdict in verdicts) <= 13
    assert min(widths) > 0


@pytest.mark.parametrize("degrees", [5, 9, 20, 59])
def test_least_share_is_scipys(stats: Any, degrees: int) -> None:
    """The 1 % point of the scaled chi-square is SciPy's within an eighth."""
    assert stats.chi2.ppf(0.01, degrees) / degrees == pytest.approx(least_share(degrees), rel=0.125)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Fraction(99999, 1000), "99.99"),
        (Fraction(100), "100.00"),
        (Fraction(1, 1000), "0.01"),
        (Fraction(0), "0.00"),
        (Fraction(-1, 1000), "-0.01"),
        (Fraction(-99999, 1000), "-99.99"),
        (Fraction(1, 3), "0.33"),
    ],
)
def test_percentages_are_all_or_none_only_exactly(value: Fraction, expected: str) -> None:
    """A rate that one answer keeps from 0 or 100 never reads so, nor a difference that is none."""
    assert expected == str(percentage(value))


def test_zero_has_no_sign() -> None:
    """A bound that rounds to zero from below is no minus zero."""
    assert "0.00" == str(rounded(-0.001))
