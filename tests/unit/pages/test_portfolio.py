"""What of a project needs attention first, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from llm_monitoring.figures.periods import Period
from llm_monitoring.ledger import Standing
from llm_monitoring.reporting.portfolio import ProjectStanding
from llm_monitoring.web.pages.portfolio import Row, other_cost

TODAY = date(2026, 11, 28)
WELL = ProjectStanding(
    id=1, name="P", brand="Quipu", role="owner", is_active=True, providers=("openai", "google"), prompts=2, expected=4,
    day=TODAY, answered=4, failed=0, measured=Period(TODAY - timedelta(days=9), TODAY), spent_usd=Decimal("1.00"),
)  # fmt: skip
BOTH = frozenset({"openai", "google"})


def ago(days: int) -> Period:
    return Period(date(2026, 10, 1), TODAY - timedelta(days=days))


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({}, []),
        ({"measured": ago(1)}, []),
        ({"measured": ago(2)}, ["dark"]),
        ({"failed": 1}, ["failures"]),
        ({"failed": 1, "measured": ago(2)}, ["dark", "failures"]),
        ({"prompts": 0, "measured": None}, ["no_prompts"]),
        ({"measured": None}, ["new"]),
        ({"is_active": False, "failed": 1}, ["paused"]),
        ({"providers": ("openai", "perplexity")}, ["keyless"]),
        ({"providers": ("openai", "perplexity"), "role": "viewer"}, []),
    ],
)
def test_what_needs_attention(changes: dict[str, Any], needs: list[str]) -> None:
    """The most pressing first; a day without answers is not yet dark, since its run may be still to come."""
    assert needs == replace(WELL, **changes).needs(TODAY, BOTH)


def test_a_drop_needs_attention_after_failures() -> None:
    """What is missing may explain a drop, so it stands first."""
    assert ["failures", "drop"] == replace(WELL, failed=1).needs(TODAY, BOTH, has_dropped=True)


@pytest.mark.parametrize(("role", "needs"), [("owner", ["blocked"]), ("viewer", [])])
def test_the_budget_is_the_owners(role: Any, needs: list[str]) -> None:
    """A viewer learns nothing of the owner's budget."""
    assert needs == replace(WELL, role=role).needs(TODAY, BOTH, is_blocked=True)


@pytest.mark.parametrize(("spent", "other"), [("4.75", "3.75"), ("1.00", "0"), ("0.50", "0")])
def test_what_no_row_says_of_the_month(spent: str, other: str) -> None:
    """The month's spend beyond the answers of the rows is said apart, so that both add up; a viewer's row says none."""
    standing = Standing(1, Decimal(spent), Decimal(0), Decimal(25), Decimal(80), has_active_projects=True)
    rows = [Row(each, (), (), is_judged=True) for each in (WELL, replace(WELL, role="viewer", spent_usd=None))]
    assert Decimal(other) == other_cost(standing, rows)


def test_without_an_account_the_month_has_no_rest() -> None:
    """A person who was never charged reads no amount."""
    assert Decimal(0) == other_cost(None, [Row(WELL, (), (), is_judged=True)])
