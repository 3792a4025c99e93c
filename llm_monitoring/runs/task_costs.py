"""What a task is expected to cost: what those of its project and provider have cost, at today's prices and mode.

Without any answer in the last weeks it is the ceiling of the call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from llm_monitoring.app import App
from llm_monitoring.db import Row, load
from llm_monitoring.domain import Mode, ProviderName, Task
from llm_monitoring.projects import Project
from llm_monitoring.providers import Question
from llm_monitoring.registry import Model, NotCallable
from llm_monitoring.runs.call_costs import CallCosts
from llm_monitoring.runs.pacing import TaskCost
from llm_monitoring.runs.plan import Plan
from llm_monitoring.runs.questions import first_mode, judge_question, prompt_question

SQL = load("paced_days")

MOST_DAYS: Final = 14
"""Days with answers of a provider that its costs rest on."""
LONGEST_AGO: Final = timedelta(days=60)
CONTEXTS: Final = ("x" * 400,) * 5
"""The longest mentions that a judge reads."""

Cell = tuple[int, ProviderName]
"""A project at one provider."""


@dataclass(frozen=True, slots=True)
class CellHistory:
    """A project at one provider: its longest prompt, the part of answers that mention the brand, its past calls."""

    project: Project
    provider: ProviderName
    longest: Row
    mentioned: Decimal
    rows: Sequence[Row]


def mention_rate(prompts: Sequence[Row]) -> Decimal:
    """The part of a project's answers that mention the brand; all, before there is an answer."""
    answers = sum(row["answers"] for row in prompts)
    return Decimal(sum(row["mentions"] for row in prompts)) / answers if answers else Decimal(1)


def task_costs(
    app: App, plan: Plan, user_id: int, day: date, prompts: Mapping[int, Sequence[Row]]
) -> dict[Cell, TaskCost]:
    """The costs of a user's cells that can be called; `prompts` are the active ones, by project."""
    history: dict[Cell, list[Row]] = defaultdict(list)
    params = {"user_id": user_id, "day": day, "first": day - LONGEST_AGO, "days": MOST_DAYS}
    for row in app.db.all(SQL.calls, params):
        history[row["project_id"], row["task_provider"]].append(row)
    found: dict[Cell, TaskCost] = {}
    for tracked in plan.projects.values():
        project = tracked.project
        if project.user_id == user_id and prompts.get(project.id):
            longest = max(prompts[project.id], key=lambda row: len(row["query_text"]))
            for provider in plan.providers(tracked):
                cell = project.id, provider
                mentioned = mention_rate(prompts[project.id])
                made = cell_cost(app, plan, CellHistory(project, provider, longest, mentioned, history[cell]))
                if made is not None:
                    found[cell] = made
    return found


def cell_cost(app: App, plan: Plan, cell: CellHistory) -> TaskCost | None:
    """The cost of a task of one cell; None if its model cannot be called, so that nothing of it is asked."""
    project, provider, rows = cell.project, cell.provider, cell.rows
    model, today = plan.catalogue.current(provider), app.budget.today()
    ceiling = answer_ceiling(app, model, project, provider, cell.longest)
    if model is None or ceiling is None:
        return None
    costs = CallCosts(plan.catalogue, today)
    plain, cheaper = (
        sold_mode(model, each, provider, app, today) for each in (project, replace(project, pace="punctual"))
    )
    answer_usd = answer_cost(costs, rows, model, plain) or ceiling
    return TaskCost(
        answer_usd,
        cheaper_usd=answer_cost(costs, rows, model, cheaper) or ceiling,
        sentiment_usd=sentiment_cost(app, plan, costs, cell, answer_usd / ceiling),
    )


def sold_mode(model: Model, project: Project, provider: ProviderName, app: App, day: date) -> Mode:
    """How the project's answers are asked first, as the model is sold."""
    mode = first_mode(project, provider, app.settings)
    return mode if model.sells(mode, day) else "standard"


def answer_cost(costs: CallCosts, rows: Sequence[Row], model: Model, mode: Mode) -> Decimal:
    """What an answer has cost; 0 without one."""
    usd = sum((costs.at_present(row, model, mode) for row in rows if row["kind"] == "answer"), Decimal(0))
    return usd / max(1, answers_of(rows))


def sentiment_cost(app: App, plan: Plan, costs: CallCosts, cell: CellHistory, used: Decimal) -> Decimal:
    """What the sentiment of an answer has cost on days on which it was judged, answers without a mention included.

    Without such days: the ceiling of the judge's call, for so many answers as mention the brand, of which as much is
    `used` as of an answer's ceiling.
    """
    project = cell.project
    judge = plan.judges.get(project.id)
    model = None if judge is None else plan.catalogue.judge(frozenset({judge.provider}), costs.day)
    if judge is None or model is None or not app.settings.sentiment:
        return Decimal(0)
    judged = [row for row in cell.rows if not row["unjudged"]]
    if not judged:
        ceiling = ceiling_of(app, model, judge_question(project.brand.name, CONTEXTS, model)) or Decimal(0)
        return ceiling * used * cell.mentioned
    mode = sold_mode(model, project, judge.provider, app, costs.day)
    usd = sum((costs.at_present(row, model, mode) for row in judged if row["kind"] == "sentiment"), Decimal(0))
    return usd / answers_of(judged)


def answers_of(rows: Sequence[Row]) -> int:
    """How many tasks were answered; several rows speak of one day."""
    return sum({row["day"]: int(row["answers"]) for row in rows}.values())


def answer_ceiling(
    app: App, model: Model | None, project: Project, provider: ProviderName, longest: Row
) -> Decimal | None:
    """The ceiling of the project's longest prompt; None if it cannot be asked."""
    if model is None or project.user_id is None:
        return None
    task = Task(
        project.user_id, project.id, longest["query_id"], provider, app.budget.today(), 1, longest["query_text"],
        longest["language"] or "",
    )  # fmt: skip
    try:
        question = prompt_question(task, project, model, app.settings)
    except NotCallable:
        return None
    return ceiling_of(app, model, question)


def ceiling_of(app: App, model: Model, question: Question) -> Decimal | None:
    try:
        tariff = model.tariff(app.settings.base_urls.get(model.provider))
        return tariff.quote(question, *app.budget.pricing_times()).ceiling_usd
    except NotCallable:
        return None
