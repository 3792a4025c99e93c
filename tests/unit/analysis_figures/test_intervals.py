"""The closed forms, against SciPy."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from llm_monitoring.errors import BadInput
from llm_monitoring.figures.statistics import t_quantile, wilson


@pytest.mark.parametrize("n", [1, 2, 5, 20, 60, 1000])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_is_scipys(stats: Any, n: int, confidence: float) -> None:
    """For every count of successes both bounds agree to the rounding."""
    for successes in {0, 1, n // 3, n // 2, n - 1, n}:
        peer = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
        low, high = wilson(successes, n, confidence)
        assert low is not None
        assert high is not None
        assert (100 * peer.low, 100 * peer.high) == pytest.approx((float(low), float(high)), abs=0.00501)


def test_wilson_is_exact_at_the_ends() -> None:
    """No success has a low bound of zero, all successes a high bound of a hundred, both positive in sign."""
    low, high = wilson(0, 7)[0], wilson(7, 7)[1]
    assert "0.00" == str(low)
    assert "100.00" == str(high)


def test_wilson_takes_effective_samples() -> None:
    """Fractional successes lie between their whole neighbours."""
    bounds = [wilson(successes, 20)[0] for successes in (4, 4.5, 5)]
    assert sorted(bounds, key=lambda low: low or Decimal(0)) == bounds
    assert len(set(bounds)) == 3


def test_wilson_has_nothing_to_say_of_nothing() -> None:
    """Zero trials have no interval."""
    assert wilson(0, 0) == (None, None)


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (1, 0)])
def test_wilson_refuses_impossible_counts(successes: int, n: int) -> None:
    """Fewer than none, or more than all, is an error and not a bound."""
    with pytest.raises(BadInput):
        wilson(successes, n)


@pytest.mark.parametrize("degrees", [5, 6, 9, 19, 59, 7199])
@pytest.mark.parametrize("confidence", [0.95, 1 - 0.05 / 3, 1 - 0.05 / 7])
def test_students_t_is_scipys(stats: Any, degrees: int, confidence: float) -> None:
    """The expansion is within 0.3 % from five degrees of freedom on."""
    assert stats.t.ppf((1 + confidence) / 2, degrees) == pytest.approx(t_quantile(confidence, degrees), rel=0.003)
