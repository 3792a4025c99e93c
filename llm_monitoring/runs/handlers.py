"""The two kinds of work items: how each is asked, and what its end means for the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from llm_monitoring import failpoints
from llm_monitoring.analysis import Analysis
from llm_monitoring.domain import KeyId
from llm_monitoring.runs import tasks
from llm_monitoring.runs.call_errors import FailureLog, log_without_sentiment
from llm_monitoring.runs.dispatcher import WorkItem
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.limits import Use
from llm_monitoring.runs.stats import RunStats


class Handler(Protocol):
    """One kind of work item. `execute` runs in a worker thread, everything else in the runner's."""

    def execute(self, item: WorkItem, on_reply: Callable[[], None]) -> Analysis | None:
        """Make the item's call; return the analysis of its answer if there is one."""

    def on_success(self, item: WorkItem, analysis: Analysis | None) -> WorkItem | None:
        """Count a success; return the item that follows from it."""

    def on_failure(self, item: WorkItem, reason: str, message: str) -> None:
        """Count and report an item that ended without success and is recorded already."""

    def give_up(self, item: WorkItem, reason: str, message: str) -> None:
        """Record, count and report an item that is not asked; the next start of the day tries it again."""


@dataclass(slots=True)
class AnswerHandler:
    """Answers to tasks. A judge (by project) scores those that mention the brand."""

    executor: TaskExecutor
    stats: RunStats
    judges: Mapping[int, KeyId]
    failure_log: FailureLog = field(default_factory=FailureLog)

    def execute(self, item: WorkItem, on_reply: Callable[[], None]) -> Analysis | None:
        return self.executor.ask_prompt(item, on_reply)

    def on_success(self, item: WorkItem, analysis: Analysis | None) -> WorkItem | None:
        self.stats.answered += 1
        self.failure_log.answered(item.task.provider)
        judge = self.judges.get(item.task.project_id)
        if judge is None or analysis is None or not analysis.brand_mentioned or not self.executor.settings.sentiment:
            return None
        mode = self.executor.mode_of(item.task.project_id, judge.provider)
        return WorkItem(item.task, judge.provider, judge, contexts=tuple(analysis.mention_contexts), mode=mode)

    def on_failure(self, item: WorkItem, reason: str, message: str) -> None:
        self.stats.failed += 1
        self.stats.reasons[reason] += 1
        self.failure_log.failed(item.task, reason, message)

    def give_up(self, item: WorkItem, reason: str, message: str) -> None:
        task, executor = item.task, self.executor
        failpoints.reach("giving_up")
        row = f"Proyecto #{task.project_id}, {task.provider}, prompt {task.query_id}"
        if task.user_id not in executor.errors.hanging:
            with executor.errors.guard("record_failure", row, project_id=task.project_id, user_id=task.user_id):
                executor.record_failures([task], tasks.TaskFailure(reason, message))
        failpoints.reach("gave_up")
        self.on_failure(item, reason, message)


@dataclass(slots=True)
class SentimentHandler:
    """Sentiment of answers. Without it an answer is still valid, so that a failure is reported and not counted."""

    executor: TaskExecutor
    stats: RunStats

    def execute(self, item: WorkItem, on_reply: Callable[[], None]) -> Analysis | None:
        self.executor.score_sentiment(item, on_reply)
        return None

    def on_success(self, item: WorkItem, analysis: Analysis | None) -> WorkItem | None:
        self.stats.scored += 1
        return None

    def on_failure(self, item: WorkItem, reason: str, message: str) -> None:
        log_without_sentiment(item.task, reason, message)

    def give_up(self, item: WorkItem, reason: str, message: str) -> None:
        self.on_failure(item, reason, message)


def make_handlers(executor: TaskExecutor, stats: RunStats, judges: Mapping[int, KeyId]) -> dict[Use, Handler]:
    return {"answer": AnswerHandler(executor, stats, judges), "sentiment": SentimentHandler(executor, stats)}
