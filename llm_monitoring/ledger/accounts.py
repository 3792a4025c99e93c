"""A user's account of a month, and the audit of all accounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Final

from llm_monitoring.db import Row

BLOCKED_AT: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class Standing:
    """A user's month in USD; `threshold` in percent."""

    user_id: int
    spent_usd: Decimal
    reserved_usd: Decimal
    budget_usd: Decimal
    threshold: Decimal
    has_active_projects: bool

    @property
    def percent(self) -> Decimal:
        return 100 * self.spent_usd / self.budget_usd if self.budget_usd > 0 else BLOCKED_AT

    @property
    def shown_percent(self) -> Decimal:
        """`percent` with one decimal; it never reads 100.0, or the threshold, before that is reached."""
        shown = round(self.percent, 1)
        is_early = any(self.percent < mark <= shown for mark in (self.threshold, BLOCKED_AT))
        return self.percent.quantize(Decimal("0.1"), ROUND_DOWN) if is_early else shown

    @property
    def blocked(self) -> bool:
        return self.spent_usd >= self.budget_usd

    @property
    def near_limit(self) -> bool:
        return not self.blocked and self.percent >= self.threshold


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of `budget audit`.

    Broken rules: counters that are not the sums of their attempts (`differences`), calls admitted above the limit
    (`over_admitted`), calls of a dead run that a later run should have settled (`left_open`). The others are notes.
    """

    attempts: int
    users: int
    charged_usd: Decimal
    differences: list[Row]
    over_budget: list[Standing]
    over_ceiling: list[Row]
    open_attempts: list[Row]
    over_admitted: list[Row]
    left_open: list[Row]
    operator_difference: Row | None = None

    @property
    def clean(self) -> bool:
        return not (self.differences or self.operator_difference or self.over_admitted or self.left_open)


def month_of(moment: datetime) -> date:
    """The first day of a moment's calendar month in UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def blocked_users(standings: list[Standing]) -> dict[int, Standing]:
    return {standing.user_id: standing for standing in standings if standing.blocked}
