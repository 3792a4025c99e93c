"""Which tasks may share a batch, and which of them are asked one by one at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from llm_monitoring.domain import PROVIDERS, KeyId, ProviderName
from llm_monitoring.projects import TrackedProject
from llm_monitoring.providers import asks_in
from llm_monitoring.registry import Model
from llm_monitoring.runs.batches import records
from llm_monitoring.runs.batches.records import Experience, Group
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.settings import Settings

FEWEST_CALLS: Final = 20  # below which a batch is not worth its wait
MOST_FAILURES: Final = 2  # batches of a key in a week that expired or failed: then its calls are made at once

Keys = Mapping[tuple[int, ProviderName], KeyId]


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """A group with the model and the projects that it is of."""

    group: Group
    model: Model
    projects: tuple[TrackedProject, ...]


def group_plans(executor: TaskExecutor, keys: Keys) -> Iterator[GroupPlan]:
    """The groups of the run's projects at providers that LLM_ECONOMY allows to be asked in batches."""
    for provider in PROVIDERS:
        model = executor.catalogue.current(provider)
        if model is None or executor.settings.economy.get(provider) != "batch" or not asks_in(provider, "batch"):
            continue
        found: dict[Group, list[TrackedProject]] = {}
        for tracked in executor.projects.values():
            group = group_of(executor.settings, keys, tracked, model)
            if group is not None:
                found.setdefault(group, []).append(tracked)
        yield from (GroupPlan(group, model, tuple(each)) for group, each in found.items())


def group_of(settings: Settings, keys: Keys, tracked: TrackedProject, model: Model) -> Group | None:
    """The group of a project's calls to a model; None if they are made at once."""
    project = tracked.project
    if project.user_id is None or project.pace == "prompt" or model.provider not in project.providers:
        return None
    key = keys.get((project.user_id, model.provider))
    if key is None:
        return None
    searches = model.searches(project.web_search, settings.max_searches)
    return Group(key, model.model_id, searches > 0, project.pace)


def takes_batches(experience: Experience, tasks: int) -> bool:
    """Whether so many open tasks of a group go into batches, by what became of earlier ones."""
    usable = experience.proven or not experience.tried
    return tasks >= FEWEST_CALLS and experience.failures < MOST_FAILURES and usable


def held_cells(executor: TaskExecutor, keys: Keys) -> set[tuple[ProviderName, int]]:
    """The providers and projects of which a batch of this run is out: their other tasks wait for it."""
    if executor.run_id is None or "batch" not in executor.settings.economy.values():
        return set()
    held = records.held(executor.budget.db, executor.run_id)
    return {
        (plan.model.provider, tracked.project.id)
        for plan in group_plans(executor, keys)
        if plan.group in held
        for tracked in plan.projects
    }
