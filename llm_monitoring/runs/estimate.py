"""What a run would ask and cost at most, without a call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from llm_monitoring.app import App
from llm_monitoring.domain import Mode, ProviderName, Task
from llm_monitoring.projects import Project
from llm_monitoring.registry import Model, NotCallable, saving_percent
from llm_monitoring.runs import tasks
from llm_monitoring.runs.batches.groups import group_of, takes_batches
from llm_monitoring.runs.batches.records import Group, experience
from llm_monitoring.runs.plan import Plan
from llm_monitoring.runs.questions import first_mode, prompt_question
from llm_monitoring.runs.reasons import Cause


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a project's open tasks at one provider cost at most, in USD; `problem`: why they cannot be asked.

    `mode` is how they are asked first, and `saving_percent` about how much less an answer costs then.
    """

    project_id: int
    name: str
    user_id: int
    provider: ProviderName
    model_id: str | None
    tasks: int
    ceiling_usd: Decimal
    problem: Cause | None = None
    mode: Mode = "standard"
    saving_percent: Decimal | None = None


def estimate(app: App, plan: Plan, day: date, *, in_full: bool = False) -> list[Estimate]:
    """What a run of the day would ask, and its ceiling cost without sentiment; nothing is reserved or sent.

    `in_full`: what the plan of a paced day leaves out is counted as well, as an order asks it.
    """
    return without_small_batches(app, plan, list(estimate_cells(app, plan, day, in_full=in_full)))


def without_small_batches(app: App, plan: Plan, cells: list[Estimate]) -> list[Estimate]:
    """The estimates with those in standard mode that would be in batches, but are too few or failed in them."""
    groups: dict[tuple[int, ProviderName], Group] = {}
    tasks_of = Counter[Group]()
    for cell in cells:
        model, tracked = plan.catalogue.current(cell.provider), plan.projects[cell.project_id]
        group = None if model is None else group_of(app.settings, plan.keys, tracked, model)
        if cell.mode == "batch" and group is not None:
            groups[cell.project_id, cell.provider] = group
            tasks_of[group] += cell.tasks
    small = {group for group, count in tasks_of.items() if not takes_batches(experience(app.db, group), count)}
    return [
        replace(cell, mode="standard", saving_percent=None)
        if groups.get((cell.project_id, cell.provider)) in small
        else cell
        for cell in cells
    ]


def estimate_cells(app: App, plan: Plan, day: date, *, in_full: bool) -> Iterator[Estimate]:
    """The estimate of each project and provider."""
    for tracked in plan.projects.values():
        for provider in plan.providers(tracked):
            open_tasks = tasks.pending_tasks(app.db, provider, day, [tracked.project.id], in_full=in_full)
            wanted = (task for task in open_tasks if plan.asks(task))
            yield estimate_cell(app, plan.catalogue.current(provider), tracked.project, provider, wanted)


def estimate_cell(
    app: App, model: Model | None, project: Project, provider: ProviderName, wanted: Iterable[Task]
) -> Estimate:
    """The open tasks of a project at one provider."""
    assert project.user_id is not None
    open_tasks, ceiling_usd = 0, Decimal(0)
    problem = None if model else Cause(provider, "no_current_model", None)
    for task in wanted:
        open_tasks += 1
        if model is not None:
            try:
                question = prompt_question(task, project, model, app.settings)
                tariff = model.tariff(app.settings.base_urls.get(provider))
                ceiling_usd += tariff.quote(question, *app.budget.pricing_times()).ceiling_usd
            except NotCallable as exc:
                problem = Cause(provider, "not_callable", str(exc))
    mode = first_mode(project, provider, app.settings)
    return Estimate(
        project.id,
        project.name,
        project.user_id,
        provider,
        None if model is None else model.model_id,
        open_tasks,
        ceiling_usd,
        problem if open_tasks else None,
        mode,
        saving(model, project, mode, app.budget.today()),
    )


def saving(model: Model | None, project: Project, mode: Mode, day: date) -> Decimal | None:
    """About how much less an answer costs in a mode, in percent; None in standard mode and without a price for it."""
    if model is None or model.prices is None or mode == "standard":
        return None
    return saving_percent(model.prices.on(day), mode, searches=int(project.web_search))
