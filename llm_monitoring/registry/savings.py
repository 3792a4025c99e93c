"""What a cheaper mode saves of an answer: its tokens cost less, its searches and requests cost the same."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from llm_monitoring.domain import Mode, Usage
from llm_monitoring.registry.pricing import Price, cost

ANSWER_TOKENS: Final = 600
SEARCH_TOKENS: Final = 8_000  # of input, for each search
WORTH_PERCENT: Final = Decimal(10)
"""A mode that saves less than this part of an answer's cost is not worth a wait."""


def saving_percent(price: Price, mode: Mode, searches: int) -> Decimal | None:
    """The part of the cost of an answer with so many searches that a mode saves; None if the model is not sold in it.

    Assumes an answer of 600 tokens and 8,000 tokens of input for each search.
    """
    if price.factor(mode) is None:
        return None
    used = Usage(SEARCH_TOKENS * searches, ANSWER_TOKENS, searches=searches, service_tier=mode)
    standard = cost(price, used)
    return round(100 * (standard - cost(price, used, mode)) / standard, 0)


def is_worth(percent: Decimal) -> bool:
    """Whether a saving is worth asking in another mode."""
    return percent >= WORTH_PERCENT
