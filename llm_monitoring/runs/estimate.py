"""What a run would ask and cost at most, before a cent of it is spent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from llm_monitoring.app import App
from llm_monitoring.domain import ProviderName
from llm_monitoring.registry import NotCallable
from llm_monitoring.runs import tasks as tasks_module
from llm_monitoring.runs.plan import Plan
from llm_monitoring.runs.questions import prompt_question


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a project's open tasks at one provider cost at most, in USD; `problem` says why they cannot be asked."""

    project_id: int
    name: str
    user_id: int
    provider: ProviderName
    model_id: str | None
    tasks: int
    ceiling_usd: Decimal
    problem: str | None = None


def estimate(app: App, plan: Plan, day: date) -> Iterator[Estimate]:
    """What a run of the day would ask, and its ceiling cost without sentiment; nothing is reserved or sent."""
    for tracked in plan.projects.values():
        project = tracked.project
        for provider in plan.providers(tracked):
            tasks, total, problem = 0, Decimal(0), None
            model, endpoint = plan.catalogue.current(provider), app.settings.base_urls.get(provider)
            for task in tasks_module.pending_tasks(app.db, provider, day, [project.id]):
                tasks += 1
                try:
                    if model is None:
                        raise NotCallable(f"{provider} has no current model in llm_model_registry")
                    question = prompt_question(task, project, model, app.settings)
                    total += model.tariff(endpoint).quote(question, *app.budget.pricing_times()).ceiling_usd
                except NotCallable as exc:
                    problem = str(exc)
            assert project.user_id is not None
            model_id = None if model is None else model.model_id
            yield Estimate(project.id, project.name, project.user_id, provider, model_id, tasks, total, problem)
