"""The work items of a day, provider by provider, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from llm_monitoring.answers import store
from llm_monitoring.domain import PROVIDERS, KeyId, ProviderName, Task
from llm_monitoring.runs import tasks
from llm_monitoring.runs.dispatcher import WorkItem
from llm_monitoring.runs.executor import TaskExecutor


def work_items_by_provider(
    executor: TaskExecutor, day: date, keys: Mapping[tuple[int, ProviderName], KeyId], judges: Mapping[int, KeyId]
) -> dict[ProviderName, Iterator[WorkItem]]:
    """Each provider's items of the day: first the answers that were never scored, then the unanswered tasks."""
    newest = store.newest(executor.budget.db)
    return {provider: plan(executor, provider, day, keys, judges, newest) for provider in PROVIDERS}


def plan(
    executor: TaskExecutor,
    provider: ProviderName,
    day: date,
    keys: Mapping[tuple[int, ProviderName], KeyId],
    judges: Mapping[int, KeyId],
    newest: int,
) -> Iterator[WorkItem]:
    scored = [project_id for project_id, judge in judges.items() if judge.provider == provider]
    if scored and executor.settings.sentiment:
        for task, contexts in store.pending_sentiment(executor.budget.db, day, scored, newest, executor.errors):
            if has_planned_user(executor, task):
                mode = executor.mode_of(task.project_id, provider)
                yield WorkItem(task, provider, judges[task.project_id], contexts=contexts, mode=mode)
    projects = [
        tracked.project.id
        for tracked in executor.projects.values()
        if provider in tracked.project.providers and (tracked.project.user_id, provider) in keys
    ]
    if projects:
        for task in tasks.pending_tasks(executor.budget.db, provider, day, projects):
            if has_planned_user(executor, task):
                mode = executor.mode_of(task.project_id, provider)
                yield WorkItem(task, provider, keys[task.user_id, provider], mode=mode)


def has_planned_user(executor: TaskExecutor, task: Task) -> bool:
    """Whether a task's project still has the planned user; one that got another user is left to the next start."""
    return task.user_id == executor.projects[task.project_id].project.user_id
