"""Two things measured in turn on one machine in one sitting, and the medians of what was found."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

Measure = Callable[[], float]


def measured_in_turn(first: Measure, second: Measure, pairs: int) -> dict[str, Any]:
    """Measure both `pairs` times, one right after the other, so that both meet the same machine; `compared`."""
    return compared([(first(), second()) for _ in range(pairs)])


def compared(measured: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """The median of the pairs' ratios of the first to the second, and the medians of both."""
    return {
        "ratio": round(statistics.median(one / other for one, other in measured), 4),
        "first": round(statistics.median(one for one, _ in measured), 6),
        "second": round(statistics.median(other for _, other in measured), 6),
        "pairs": len(measured),
    }
