"""What is shown of a user's month."""

from __future__ import annotations

from decimal import Decimal

import pytest

from llm_monitoring.ledger import Standing
from llm_monitoring.runs.reason_texts import standing_line


@pytest.mark.parametrize(
    ("spent", "shown", "line"),
    [
        ("85", "85.0", "User #7: $85.00 / $100.00 (85.0%)"),
        ("99.97", "99.9", "User #7: $99.97 / $100.00 (99.9%)"),
        ("100", "100.0", "User #7: $100.00 / $100.00 (100.0%)"),
        ("105", "105.0", "User #7: $105.00 / $100.00 (105.0%)"),
        ("79.96", "79.9", "User #7: $79.96 / $100.00 (79.9%)"),
        ("66.67", "66.7", "User #7: $66.67 / $100.00 (66.7%)"),
        ("0.004", "0.0", "User #7: $0.00 / $100.00 (0.0%)"),
    ],
)
def test_the_part_that_is_used_shows_no_limit_before_it_is_reached(spent: str, shown: str, line: str) -> None:
    """99.97 % is not shown as 100.0 %, at which a user is blocked, nor 79.96 % as the threshold."""
    standing = Standing(7, Decimal(spent), Decimal(0), Decimal(100), Decimal(80), True)
    assert shown == str(standing.shown_percent)
    assert line == standing_line(standing)
