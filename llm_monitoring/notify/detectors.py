"""What is worth reporting after a run: failing keys and providers, models that end, spend and rates that move."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Final, Literal

from llm_monitoring import projects
from llm_monitoring.db import Database, Row, RowErrors, load
from llm_monitoring.figures import (
    CONFIDENCE,
    Change,
    Comparison,
    Observation,
    ProviderPart,
    compare,
    provider_parts,
    snapshots,
    t_quantile,
)
from llm_monitoring.projects import Project, fingerprints

SQL = load("notify")

WINDOW: Final = timedelta(days=7)
DAILY_CONFIDENCE: Final = 0.995
MOST_OF_IT: Final = Decimal("0.9")
SPEND_DAYS: Final = 14
SPEND_DAYS_NEEDED: Final = 5
SPEND_FACTOR: Final = 3
SPEND_FLOOR_USD: Final = Decimal(1)
NOT_THE_PROVIDER: Final = ("budget", "withdrawn", "key_unreadable", "not_callable", "error", "crashed")


@dataclass(frozen=True, slots=True)
class BudgetAlert:
    """A user's month that reached a threshold, in percent of its budget in USD."""

    user_id: int
    month: str  # its first day, as the database writes it
    threshold: Decimal
    spent_usd: Decimal
    budget_usd: Decimal


@dataclass(frozen=True, slots=True)
class Outage:
    """A day on which a provider failed for most users: it says something of the provider and of no brand."""

    provider: str
    day: date
    answered: int
    failed: int
    message: str | None


@dataclass(frozen=True, slots=True)
class SpendJump:
    """A user's day that cost far more than usual, in USD."""

    user_id: int
    usd: Decimal
    usual_usd: Decimal


Origin = Literal["one_provider", "some_providers", "every_provider", "only_provider"]
"""Where a change comes from; an `only_provider` is the only one that was compared."""


@dataclass(frozen=True, slots=True)
class Move:
    """A brand's mention rate that changed beyond noise from one week to the next.

    `parts` are each provider's share of the change, the largest first; `origin` says what they come to.
    """

    project: Project
    comparison: Comparison
    parts: tuple[ProviderPart, ...] = ()

    @property
    def origin(self) -> Origin:
        return origin_of(self.comparison.mention_rate, self.parts)


def budget_alerts(db: Database) -> list[BudgetAlert]:
    """Thresholds that were reached in the last week and are not in the outbox yet."""
    return [BudgetAlert(**row) for row in db.all(SQL.budget_alerts)]


def outages(db: Database, first: date, last: date) -> list[Outage]:
    """The provider-days of a period on which most users had more failures than answers, refused keys left out."""
    params = {"first": first, "last": last, "not_the_provider": list(NOT_THE_PROVIDER)}
    return [Outage(**row) for row in db.all(SQL.outages, params)]


def refused_keys(db: Database, day: date) -> list[Row]:
    """By user and provider: how many prompts of the day a refused or unreadable key left unanswered, and why."""
    return db.all(SQL.refused_keys, {"day": day})


def broken_runs(db: Database) -> list[Row]:
    """The runs of the last week that ended in an error or with their process."""
    return db.all(SQL.broken_runs)


def retiring_models(db: Database) -> list[Row]:
    """The current models that end within 30 days, or that their provider lists no more."""
    return db.all(SQL.retiring_models)


def spend_jumps(db: Database, day: date) -> Iterator[SpendJump]:
    """Users for whom the day cost more than three times their usual day and a dollar more than it.

    The usual day is the median of the days with spend among the 14 before; with fewer than five there is none.
    """
    days: dict[int, dict[date, Decimal]] = defaultdict(dict)
    for row in db.all(SQL.daily_spend, {"first": day - timedelta(days=SPEND_DAYS), "last": day}):
        days[row["user_id"]][row["day"]] = row["usd"]
    for user_id, spent in days.items():
        before = [usd for when, usd in spent.items() if when < day]
        usual = median(before) if len(before) >= SPEND_DAYS_NEEDED else None
        usd = spent.get(day, Decimal(0))
        if usual is not None and usd > SPEND_FACTOR * usual and usd - usual > SPEND_FLOOR_USD:
            yield SpendJump(user_id, usd, usual)


def moves(db: Database, day: date, errors: RowErrors) -> Iterator[Move]:
    """Active projects with a mention rate that moved beyond noise, from the week before to the one that ends on `day`.

    Days on which a provider failed for everyone are left out, and so are answers that were read with other names or
    rules: both would move the figure and say nothing about the brand. A project that cannot be read stays out alone.
    """
    out = outages(db, day - 2 * WINDOW + timedelta(days=1), day)
    for row in projects.active(db):
        move: Move | None = None
        with errors.guard("make_notice", f"Proyecto #{row['id']}", project_id=row["id"]):
            move = move_of(db, row, day, out)
        if move is not None:
            yield move


def move_of(db: Database, row: Row, day: date, out: Sequence[Outage]) -> Move | None:
    """A project's move; None if there is none, or if its row cannot be read, which the run has reported."""
    try:
        project = projects.read_project(row)
    except projects.UnreadableProject:
        return None
    before, after = weeks(db, project, day, out)
    comparison = compare(before, after, [competitor.name for competitor in project.competitors])
    if not is_sure(comparison.mention_rate):
        return None
    return Move(project, comparison, provider_parts(before, after))


def origin_of(change: Change, parts: Sequence[ProviderPart]) -> Origin:
    """Say whether one provider makes up nearly all of a change, every provider shares in it, or some of them do.

    `one_provider`: at least MOST_OF_IT of the difference. `every_provider`: each has at least half of its equal share.
    """
    if len(parts) < 2 or not change.difference:
        return "only_provider"
    shares = [(part.part or Decimal(0)) / change.difference for part in parts]
    if shares[0] >= MOST_OF_IT:
        return "one_provider"
    return "every_provider" if min(shares) >= Decimal(1) / (2 * len(parts)) else "some_providers"


def is_sure(change: Change) -> bool:
    """Whether a change stands out even for one who looks every day at every project.

    The verdict is made for one look: of 95 % sure ones, a project to which nothing happens shows one every other
    month. So the digest asks for DAILY_CONFIDENCE, by widening the interval.
    """
    if change.improved is None or change.difference is None or change.low is None or change.high is None:
        return False
    half = max(change.high - change.difference, change.difference - change.low)  # one side may be cut at 100 points
    degrees = change.prompts - 1
    return float(abs(change.difference)) > float(half) * (
        t_quantile(DAILY_CONFIDENCE, degrees) / t_quantile(CONFIDENCE, degrees)
    )


def weeks(
    db: Database, project: Project, day: date, out: Sequence[Outage]
) -> tuple[list[Observation], list[Observation]]:
    """The comparable answers of the week before the last, and of the week that ends on `day`."""
    params = {
        "project_id": project.id,
        "first": day - 2 * WINDOW + timedelta(days=1),
        "last": day,
        "fingerprint": fingerprints.fingerprint(project),
        "out_providers": [outage.provider for outage in out],
        "out_days": [outage.day for outage in out],
    }
    answers = [snapshots.observation(row, project) for row in db.all(SQL.observations, params)]
    start = day - WINDOW + timedelta(days=1)
    return [answer for answer in answers if answer.day < start], [answer for answer in answers if answer.day >= start]
