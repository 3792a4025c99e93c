"""The work items of a day, provider by provider, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date

from llm_monitoring.answers import store
from llm_monitoring.domain import PROVIDERS, KeyId, ProviderName, Task
from llm_monitoring.runs import tasks
from llm_monitoring.runs.batches.records import late_days
from llm_monitoring.runs.dispatcher import WorkItem
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.plan import Plan

Keys = Mapping[tuple[int, ProviderName], KeyId]
Wants = Callable[[ProviderName, int], bool]
"""Whether the tasks of a provider and project are asked in this part of the run."""


def wants_all(provider: ProviderName, project_id: int) -> bool:
    return True


def work_items_by_provider(
    executor: TaskExecutor, day: date, plan: Plan, wants: Wants = wants_all
) -> dict[ProviderName, Iterator[WorkItem]]:
    """Each provider's items of the day: first the answers that were never scored, then the unanswered tasks.

    Late answers of other days, which came in batches, are scored with them, as the plans of their own days say.
    """
    newest = store.newest(executor.budget.db)
    late = sorted({each for _, each in late_days(executor.budget.db, day)})
    judges = {day: plan.judges} | {each: judges_of(executor, plan, each) for each in late}

    def items(provider: ProviderName) -> Iterator[WorkItem]:
        for each in (day, *late):
            yield from unscored_items(executor, provider, each, judges[each], newest)
        yield from task_items(executor, provider, day, plan.keys, wants)

    return {provider: items(provider) for provider in PROVIDERS}


def judges_of(executor: TaskExecutor, plan: Plan, late: date) -> dict[int, KeyId]:
    """The judges of the projects of which an earlier day gets a sentiment."""
    return {number: judge for number, judge in plan.late_judges.items() if (number, late) not in executor.unjudged}


def unscored_items(
    executor: TaskExecutor, provider: ProviderName, day: date, judges: Mapping[int, KeyId], newest: int
) -> Iterator[WorkItem]:
    """The answers of a day that a provider's model is to score."""
    scored = [project_id for project_id, judge in judges.items() if judge.provider == provider]
    if scored and executor.settings.sentiment:
        for task, contexts in store.pending_sentiment(executor.budget.db, day, scored, newest, executor.errors):
            if has_planned_user(executor, task):
                mode = executor.mode_of(task.project_id, provider)
                yield WorkItem(task, provider, judges[task.project_id], contexts=contexts, mode=mode)


def task_items(
    executor: TaskExecutor, provider: ProviderName, day: date, keys: Keys, wants: Wants
) -> Iterator[WorkItem]:
    """The unanswered tasks of a day at a provider."""
    projects = [
        tracked.project.id
        for tracked in executor.projects.values()
        if provider in tracked.project.providers
        and (tracked.project.user_id, provider) in keys
        and wants(provider, tracked.project.id)
    ]
    if projects:
        for task in tasks.pending_tasks(executor.budget.db, provider, day, projects):
            if has_planned_user(executor, task):
                mode = executor.mode_of(task.project_id, provider)
                yield WorkItem(task, provider, keys[task.user_id, provider], mode=mode)


def has_planned_user(executor: TaskExecutor, task: Task) -> bool:
    """Whether a task's project still has the planned user; one that got another user is left to the next start."""
    return task.user_id == executor.projects[task.project_id].project.user_id
