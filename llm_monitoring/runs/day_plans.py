"""The paced days of users: each is planned once, by the first run of the day, and every later run asks the same.

What a plan leaves out is neither open work nor a failure. A change of a user's pacing or budget holds from the next day
that is planned. A day that is over and was not planned is asked in full, as is a project of which an analysis was
ordered: the days that follow have so much less.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from llm_monitoring.app import App, schedule_day
from llm_monitoring.db import Database, Row, RowErrors, Transaction, load
from llm_monitoring.ledger import Standing, read_pacings
from llm_monitoring.projects import TrackedProject
from llm_monitoring.runs.held_steps import PacedDay, paced_days
from llm_monitoring.runs.pacing import (
    Allowance,
    Choice,
    DayPlan,
    MonthLeft,
    ProjectDay,
    PromptTurn,
    TaskCost,
    allow,
    plan_day,
)
from llm_monitoring.runs.plan import Plan
from llm_monitoring.runs.task_costs import Cell, answer_ceiling, task_costs

SQL = load("paced_days")

CERTAINTY_DAYS: Final = 28
"""Days of answers from which it is known how certain the mention rate of a prompt is."""

Choices = Mapping[int, Choice]
"""What is asked of a day, by project; a project without one is asked in full."""


@dataclass(frozen=True, slots=True)
class UserDay:
    """A user's day that is to be planned, with what is open of it."""

    user_id: int
    day: date
    prompts: Mapping[int, Sequence[Row]]
    ordered: frozenset[int]


def plan_paced_days(app: App, plan: Plan, standings: Sequence[Standing], day: date) -> Choices:
    """Plan the day of every user who paces and has none planned, store it, and return what was chosen of the day.

    `plan` has all projects of these users, whichever of them are asked now.
    """
    ordered = frozenset(row["project_id"] for row in app.db.all(SQL.ordered, {"day": day}))
    if ordered:
        app.db.execute(SQL.ask_in_full, {"day": day, "projects": sorted(ordered)})
    for user_id, made in new_day_plans(app, plan, standings, day, ordered).items():
        with app.errors.guard("plan_pacing", f"User #{user_id}", user_id=user_id):
            store(app, user_id, day, made)
    return read_choices(app.db, list(plan.projects), day, app.errors)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a run would ask of a day: the plan with its choices, and the days of the users who pace."""

    plan: Plan
    days: Sequence[PacedDay]


def foresee(app: App, plan: Plan, standings: Sequence[Standing], day: date) -> Foreseen:
    """What a run of the day would ask; nothing is stored."""
    ordered = frozenset(row["project_id"] for row in app.db.all(SQL.ordered, {"day": day}))
    choices = read_choices(app.db, list(plan.projects), day, app.errors)
    days = paced_days(app.db, day, day)
    for user_id, made in new_day_plans(app, plan, standings, day, ordered).items():
        allowed = made.allowance
        choices |= {choice.project_id: choice for choice in made.choices}
        days[user_id] = PacedDay(user_id, day, allowed.share_usd, allowed.day_usd, made.full_usd, made.expected_usd)
    return Foreseen(with_choices(plan, choices), list(days.values()))


def new_day_plans(
    app: App, plan: Plan, standings: Sequence[Standing], day: date, ordered: frozenset[int] = frozenset()
) -> dict[int, DayPlan]:
    """The plans of the day that are not made yet, by user. Nothing is stored."""
    made: dict[int, DayPlan] = {}
    if is_over(app, day):
        return made
    pacings = {user_id: pacing for user_id, pacing in read_pacings(app.db).items() if pacing.is_on}
    planned = {row["user_id"] for row in app.db.all(SQL.planned_users, {"day": day})} if pacings else set()
    for standing in standings:
        pacing = pacings.get(standing.user_id)
        if pacing is None or standing.user_id in planned or standing.blocked:
            continue
        with app.errors.guard("plan_pacing", f"User #{standing.user_id}", user_id=standing.user_id):
            user_day = read_day(app, standing.user_id, day, ordered)
            costs = task_costs(app, plan, standing.user_id, day, user_day.prompts)
            found = project_days(plan, user_day, costs)
            allowance = allowance_of(app, plan, standing, user_day, found)
            made[standing.user_id] = plan_day(allowance, found, pacing.steps)
    return made


def is_over(app: App, day: date) -> bool:
    """Whether a day is past by the ledger's clock and by this machine's."""
    return day < min(app.budget.clock().astimezone(app.settings.timezone).date(), schedule_day(app.settings))


def days_left(month: date, today: date) -> int:
    """The days that are left of the ledger's month, today included."""
    last = month.replace(day=monthrange(month.year, month.month)[1])
    return max(1, (last - max(today, month)).days + 1)


def allowance_of(
    app: App, plan: Plan, standing: Standing, user_day: UserDay, projects: Sequence[ProjectDay]
) -> Allowance:
    """What a user's day may cost, by what the month has left."""
    month = app.budget.month()
    before = app.db.one(SQL.day_before, {"user_id": standing.user_id, "month": month, "day": user_day.day})
    left = MonthLeft(
        standing.budget_usd,
        standing.spent_usd + standing.reserved_usd,
        days_left(month, app.budget.today()),
        kept_usd(app, plan, user_day, projects),
    )
    return allow(left, None if before is None else Allowance(**before))


def kept_usd(app: App, plan: Plan, user_day: UserDay, projects: Sequence[ProjectDay]) -> Decimal:
    """What the dearest call needs to be admitted beyond what it costs."""
    most = Decimal(0)
    for each in projects:
        longest = max(user_day.prompts[each.project_id], key=lambda row: len(row["query_text"]))
        for provider, cost in each.costs.items():
            tracked = plan.projects[each.project_id]
            ceiling = answer_ceiling(app, plan.catalogue.current(provider), tracked.project, provider, longest)
            most = max(most, (ceiling or Decimal(0)) - cost.answer_usd)
    return most


def read_day(app: App, user_id: int, day: date, ordered: frozenset[int]) -> UserDay:
    """What a user's projects have open on a day."""
    prompts: dict[int, list[Row]] = defaultdict(list)
    first = day - timedelta(days=CERTAINTY_DAYS)
    for row in app.db.all(SQL.turns, {"user_id": user_id, "day": day, "first": first}):
        prompts[row["project_id"]].append(row)
    return UserDay(user_id, day, prompts, ordered)


def project_days(plan: Plan, user_day: UserDay, costs: Mapping[Cell, TaskCost]) -> list[ProjectDay]:
    """The user's projects that can be asked, each with its costs and with the prompts that are not answered whole."""
    found = []
    for number, tracked in sorted(plan.projects.items()):
        own = {provider: cost for (project_id, provider), cost in costs.items() if project_id == number}
        if own:
            project = tracked.project
            wanted = project.samples_per_query * len(own)
            rows = [row for row in user_day.prompts[number] if row["answered"] < wanted]
            turns = [turn_of(row, user_day.day) for row in rows]
            in_full = number in user_day.ordered
            found.append(ProjectDay(number, project.samples_per_query, own, turns, in_full))
    return found


def turn_of(row: Row, day: date) -> PromptTurn:
    """How urgent a prompt is; one without an answer in the last weeks is as uncertain as can be."""
    from llm_monitoring.figures import wilson  # a start without paced users does without figures

    low, high = wilson(row["mentions"], row["answers"])
    width = Decimal(1) if low is None or high is None else (high - low) / 100
    last = row["last_asked"]
    days = CERTAINTY_DAYS + 1 if last is None else (day - last).days
    return PromptTurn(row["query_id"], days, width, row["answers"])


def store(app: App, user_id: int, day: date, made: DayPlan) -> None:
    """Store a user's day in one transaction."""
    allowed = made.allowance

    def insert(tx: Transaction) -> None:
        tx.execute(
            SQL.store_day,
            {
                "user_id": user_id,
                "day": day,
                "month": app.budget.month(),
                "budget_usd": allowed.budget_usd,
                "committed_usd": allowed.committed_usd,
                "share_usd": allowed.share_usd,
                "day_usd": allowed.day_usd,
                "full_usd": made.full_usd,
                "expected_usd": made.expected_usd,
            },
        )
        for choice in made.choices:
            tx.execute(SQL.store_project, {"day": day, **fields_of(choice)})

    app.db.transact(insert)


def fields_of(choice: Choice) -> dict[str, object]:
    return {
        "project_id": choice.project_id,
        "steps": list(choice.steps),
        "samples": choice.samples,
        "left_out": list(choice.left_out),
        "resting": sorted(choice.resting),
        "prompts": choice.prompts,
        "expected_usd": choice.expected_usd,
    }


def read_choices(db: Database, project_ids: Sequence[int], day: date, errors: RowErrors) -> dict[int, Choice]:
    """What was chosen of a day, without projects that were not planned or of which the row cannot be read."""
    choices: dict[int, Choice] = {}
    for row in db.all(SQL.choices, {"day": day, "projects": list(project_ids)}):
        project_id = row["project_id"]
        with errors.guard("plan_pacing", f"Proyecto #{project_id}", project_id=project_id):
            choices[project_id] = read_choice(row)
    return choices


def unjudged_days(app: App, day: date) -> frozenset[tuple[int, date]]:
    """The projects and days of which the sentiment is left out: answers of earlier days may still come in batches."""
    return frozenset((row["project_id"], row["day"]) for row in app.db.all(SQL.unjudged, {"day": day}))


def read_choice(row: Row) -> Choice:
    return Choice(
        project_id=row["project_id"],
        samples=row["samples"],
        prompts=row["prompts"],
        expected_usd=row["expected_usd"],
        steps=tuple(row["steps"]),
        left_out=tuple(row["left_out"]),
        resting=frozenset(row["resting"]),
    )


def with_choices(plan: Plan, choices: Choices) -> Plan:
    """The plan of what was chosen: no judge where sentiment is left out, the cheaper mode where that is a step."""
    paced = replace(plan, choices=choices)
    cheaper = {number for number, choice in choices.items() if "mode" in choice.steps}
    return replace(
        paced,
        projects={number: punctual(item) if number in cheaper else item for number, item in plan.projects.items()},
        judges={number: judge for number, judge in plan.judges.items() if number not in paced.unjudged},
    )


def punctual(item: TrackedProject) -> TrackedProject:
    return TrackedProject(replace(item.project, pace="punctual"))
