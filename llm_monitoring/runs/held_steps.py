"""Which steps of a ladder hold, for which project and since when, and what a user's paced day may cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from llm_monitoring.app import App, schedule_day
from llm_monitoring.db import Database, load
from llm_monitoring.domain import PacingStep
from llm_monitoring.ledger import Pacing, read_pacings
from llm_monitoring.runs.pacing import Choice

SQL = load("paced_days")

LATEST_DAYS: Final = 2
"""A planned day that is longer ago says nothing of the present."""


@dataclass(frozen=True, slots=True)
class HeldStep:
    """A step that leaves something out of a project's day, on every planned day `since` then; None: on no day yet.

    Of `prompts`, `asked` are asked, in as many as `samples` samples, and none by the providers `left_out`.
    """

    project_id: int
    user_id: int
    day: date
    step: PacingStep
    since: date | None
    samples: int
    left_out: tuple[str, ...]
    asked: int
    prompts: int


@dataclass(frozen=True, slots=True)
class LeftOutDays:
    """On how many planned days a provider was not asked so that the budget lasts, and the last of them."""

    days: int
    last: date


@dataclass(frozen=True, slots=True)
class PacedDay:
    """What a user's planned day may cost, is expected to cost and would cost in full, in USD."""

    user_id: int
    day: date
    share_usd: Decimal
    day_usd: Decimal
    full_usd: Decimal
    expected_usd: Decimal

    @property
    def suffices(self) -> bool:
        """Whether the ladder saves enough for the budget to last the month."""
        return self.expected_usd <= self.day_usd


@dataclass(frozen=True, slots=True)
class PacingState:
    """A user's pacing, the latest planned day if it is of the present, and what is left out of it."""

    pacing: Pacing = field(default_factory=Pacing)
    day: PacedDay | None = None
    held: Sequence[HeldStep] = ()


def pacing_states(app: App, user_ids: Sequence[int]) -> dict[int, PacingState]:
    """The pacing of these users."""
    today = schedule_day(app.settings)
    first = today - timedelta(days=LATEST_DAYS)
    pacings = read_pacings(app.db)
    paced = [user_id for user_id in user_ids if user_id in pacings and pacings[user_id].is_on]
    days, held = paced_days(app.db, first, today), held_of_users(app.db, paced, first, today)
    return {
        user_id: PacingState(
            pacings.get(user_id, Pacing()),
            days.get(user_id) if user_id in paced else None,
            [each for each in held if each.user_id == user_id],
        )
        for user_id in user_ids
    }


def held_steps(db: Database, project_ids: Sequence[int], first: date, last: date) -> list[HeldStep]:
    """The steps that hold on the latest planned day of each project between two days, in the order of the ladder."""
    params = {"projects": list(project_ids), "first": first, "last": last}
    return [
        HeldStep(
            project_id=row["project_id"],
            user_id=row["user_id"],
            day=row["day"],
            step=row["step"],
            since=row["since"],
            samples=row["samples"],
            left_out=tuple(row["left_out"]),
            asked=row["prompts"] - row["resting"],
            prompts=row["prompts"],
        )
        for row in db.all(SQL.held_steps, params)
    ]


def left_out_days(db: Database, project_id: int, first: date, last: date) -> dict[str, LeftOutDays]:
    """The providers that pacing left out of planned days of a project between two days."""
    rows = db.all(SQL.left_out_days, {"project_id": project_id, "first": first, "last": last})
    return {row["provider"]: LeftOutDays(row["days"], row["last"]) for row in rows}


def steps_of(choice: Choice, user_id: int, day: date) -> list[HeldStep]:
    """The steps of a choice that is not stored."""
    return [
        HeldStep(
            choice.project_id,
            user_id,
            day,
            step,
            None,
            samples=choice.samples,
            left_out=choice.left_out,
            asked=choice.asked,
            prompts=choice.prompts,
        )
        for step in choice.steps
    ]


def by_project(steps: Sequence[HeldStep]) -> dict[int, list[HeldStep]]:
    found: dict[int, list[HeldStep]] = defaultdict(list)
    for held in steps:
        found[held.project_id].append(held)
    return found


def held_of_users(db: Database, user_ids: Sequence[int], first: date, last: date) -> list[HeldStep]:
    """The steps that hold for the projects of users."""
    rows = db.all(SQL.paced_projects, {"users": list(user_ids), "first": first, "last": last})
    return held_steps(db, [row["project_id"] for row in rows], first, last)


def paced_days(db: Database, first: date, last: date, user_id: int | None = None) -> dict[int, PacedDay]:
    """The latest planned day between two days, by user."""
    rows = db.all(SQL.latest_days, {"first": first, "last": last, "user_id": user_id})
    return {row["user_id"]: PacedDay(**row) for row in rows}
