"""A bridge between two models: a project's prompts asked to both, and what a switch would change by itself."""

from __future__ import annotations

import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from threading import Condition, Event
from typing import Final

from llm_monitoring.db.database import Row
from llm_monitoring.domain import Task
from llm_monitoring.errors import MonitoringError
from llm_monitoring.figures.comparison import Comparison, compare
from llm_monitoring.figures.observations import Observation
from llm_monitoring.keys.clients import NoKey
from llm_monitoring.keys.encryption import KeyUnreadable
from llm_monitoring.ledger.budget import new_id
from llm_monitoring.ledger.errors import BudgetExceeded, Withdrawn
from llm_monitoring.ledger.payment import Paid
from llm_monitoring.model_review.probe import charged, pay
from llm_monitoring.projects.tracked import TrackedProject
from llm_monitoring.providers import (
    AuthFailed,
    BadRequest,
    ModelNotFound,
    ProviderError,
    ProviderUnavailable,
    Question,
    QuotaExhausted,
    RateLimited,
)
from llm_monitoring.registry import Model
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.questions import prompt_question

LONGEST_PAUSE_SECONDS: Final = 60.0  # a provider that asks for more ends the comparison
FATAL: Final = (AuthFailed, QuotaExhausted, ModelNotFound, BadRequest, BudgetExceeded, NoKey, KeyUnreadable)

Progress = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt to one of the two models, and the most that it can cost in USD."""

    task: Task
    model: Model
    question: Question
    ceiling_usd: Decimal


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """What a comparison asks, the two models in turns; branded prompts, which no figure counts, are left out."""

    watched: TrackedProject
    user_id: int
    old: Model
    new: Model
    asks: tuple[Ask, ...]
    prompts: int
    branded: int

    @property
    def ceiling_usd(self) -> Decimal:
        return sum((ask.ceiling_usd for ask in self.asks), Decimal(0))


@dataclass(frozen=True, slots=True)
class ComparisonStats:
    """What the calls for one model came to, failed ones included, in USD."""

    model_id: str
    answers: int
    failures: int
    charged_usd: Decimal


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Two models on the same prompts: `comparison` goes from the old to the new. `stopped` says why it ended early."""

    old: ComparisonStats
    new: ComparisonStats
    comparison: Comparison
    stopped: str | None


def make_plan(
    desk: TaskExecutor, watched: TrackedProject, prompts: Sequence[Row], old: Model, new: Model, samples: int, day: date
) -> ComparisonPlan:
    """Plan every unbranded prompt for both models; raises MonitoringError without an owner, NotCallable."""
    project = watched.project
    if project.user_id is None:
        raise MonitoringError(f"project {project.id} has no user to pay for it")
    named = watched.matcher.names_brand
    unbranded = [row for row in prompts if not named(row["query_text"], row["language"] or project.language)]
    asks = [
        Ask(task, model, question, desk.tariff(model).quote(question, *desk.budget.pricing_times()).ceiling_usd)
        for row in unbranded
        for sample in range(1, samples + 1)
        for model in (old, new)
        for task in [trial_task(row, watched, model, sample, day)]
        for question in [prompt_question(task, project, model, desk.settings)]
    ]
    return ComparisonPlan(
        watched, project.user_id, old, new, tuple(asks), len(unbranded), len(prompts) - len(unbranded)
    )


def trial_task(row: Row, watched: TrackedProject, model: Model, sample: int, day: date) -> Task:
    project = watched.project
    assert project.user_id is not None
    return Task(
        user_id=project.user_id,
        project_id=project.id,
        query_id=row["id"],
        provider=model.provider,
        day=day,
        sample=sample,
        prompt=row["query_text"],
        language=row["language"] or project.language,
    )


@dataclass(slots=True)
class ComparisonRun:
    """A comparison under way: answers and failures by model, and the calls that were tried."""

    stop: Event = field(default_factory=Event)
    stopped: str | None = None
    paying: int = 0
    paid: int = 0
    paused_until: float = 0.0
    changed: Condition = field(default_factory=Condition)
    seen: dict[str, list[Observation]] = field(default_factory=lambda: defaultdict(list))
    failures: Counter[str] = field(default_factory=Counter)
    calls: list[uuid.UUID] = field(default_factory=list)

    def failed(self, ask: Ask, error: MonitoringError) -> None:
        self.failures[ask.model.model_id] += 1
        if (isinstance(error, FATAL) or asked_wait(error) > LONGEST_PAUSE_SECONDS) and self.stopped is None:
            self.stopped = str(error)
            self.halt()

    def pause(self, seconds: float) -> None:
        """Leave the provider alone; every ask of the comparison goes out with the same key."""
        self.paused_until = max(self.paused_until, time.monotonic() + seconds)

    def wait_out_pause(self) -> None:
        while (left := self.paused_until - time.monotonic()) > 0 and not self.stop.wait(left):
            pass

    def halt(self) -> None:
        self.stop.set()
        with self.changed:
            self.changed.notify_all()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count a call as under way and, unless it was blocked, as one that gave back what it had reserved."""
        with self.changed:
            self.paying += 1
        blocked = False
        try:
            yield
        except BudgetExceeded:
            blocked = True
            raise
        finally:
            with self.changed:
                self.paying -= 1
                self.paid += not blocked
                self.changed.notify_all()

    def may_fit(self, paid_before: int) -> bool:
        """Wait for a call under way to end; False where none can give anything back any more."""
        with self.changed:
            self.changed.wait_for(lambda: self.paid != paid_before or not self.paying or self.stop.is_set())
            return self.paid != paid_before


def run(desk: TaskExecutor, plan: ComparisonPlan, on_progress: Progress = lambda: None) -> ModelComparison:
    """Ask everything within the budget and compare; a budget, key or model that fails ends it early."""
    course = ComparisonRun()
    for ask, done in answers(desk, plan, course):
        try:
            paid = done.result()
        except (ProviderError, BudgetExceeded, Withdrawn, NoKey, KeyUnreadable) as exc:
            course.failed(ask, exc)
        else:
            if paid is not None:
                course.seen[ask.model.model_id].append(observe(plan, ask, paid))
        on_progress()
    costs = charged(desk, course.calls)
    old, new = (tally(model, course, costs) for model in (plan.old, plan.new))
    return ModelComparison(old, new, compared(plan, course), course.stopped)


def tally(model: Model, course: ComparisonRun, costs: Mapping[str, Decimal]) -> ComparisonStats:
    name = model.model_id
    return ComparisonStats(name, len(course.seen[name]), course.failures[name], costs.get(name, Decimal(0)))


def compared(plan: ComparisonPlan, course: ComparisonRun) -> Comparison:
    """The paired differences. Two models on one day stand for two periods, which have to follow each other."""
    later = [replace(each, day=each.day + timedelta(days=1)) for each in course.seen[plan.new.model_id]]
    competitors = [entity.name for entity in plan.watched.project.competitors]
    return compare(course.seen[plan.old.model_id], later, competitors)


def answers(
    desk: TaskExecutor, plan: ComparisonPlan, course: ComparisonRun
) -> Iterator[tuple[Ask, Future[Paid | None]]]:
    """Every ask with its outcome as it comes; after a stop the rest comes as None, unasked."""
    settings = desk.settings
    workers = min(settings.max_workers, settings.concurrency[plan.old.provider])
    with ThreadPoolExecutor(workers, thread_name_prefix="trial") as pool:
        futures = {pool.submit(ask_with_retries, desk, ask, plan.user_id, course): ask for ask in plan.asks}
        try:
            for future in as_completed(futures):
                yield futures[future], future
        finally:
            course.halt()


def ask_with_retries(desk: TaskExecutor, ask: Ask, user_id: int, course: ComparisonRun) -> Paid | None:
    """Pay for one ask; a provider that asks to wait, and did not bill, is asked again. None: it was stopped before."""
    for attempt in range(1, desk.settings.max_attempts + 1):
        course.wait_out_pause()
        try:
            return ask_when_budget_allows(desk, ask, user_id, course)
        except (RateLimited, ProviderUnavailable) as exc:
            wait = asked_wait(exc)
            given_up = exc.billed != "no" or attempt == desk.settings.max_attempts or wait > LONGEST_PAUSE_SECONDS
            course.pause(wait if given_up else wait or 2.0**attempt)
            if given_up:
                raise
    return None


def asked_wait(error: MonitoringError) -> float:
    """Seconds for which the provider asked to be left alone."""
    return error.retry_after or 0.0 if isinstance(error, RateLimited | ProviderUnavailable) else 0.0


def ask_when_budget_allows(desk: TaskExecutor, ask: Ask, user_id: int, course: ComparisonRun) -> Paid | None:
    """Pay for one call; what does not fit beside the calls under way waits for what they give back."""
    while not course.stop.is_set():
        paid_before = course.paid
        call_id = new_id()
        course.calls.append(call_id)
        try:
            with course.call():
                return pay(desk, ask.model, ask.question, user_id, call_id)
        except BudgetExceeded:
            if not course.may_fit(paid_before):
                raise
    return None


def observe(plan: ComparisonPlan, ask: Ask, paid: Paid) -> Observation:
    """The answer as the day's figures see one."""
    citations = [{"url": c.url, "title": c.title, "domain": c.domain, "cited": c.cited} for c in paid.answer.citations]
    analysis = plan.watched.matcher.analyse(paid.answer.text, citations, ask.task.language)
    return Observation(
        query_id=ask.task.query_id,
        provider=ask.task.provider,
        model_id=ask.model.model_id,
        day=ask.task.day,
        sample=ask.task.sample,
        branded=False,
        brand_mentioned=analysis.brand_mentioned,
        competitors=frozenset(analysis.competitors_mentioned),
        position=analysis.position_in_list,
        competitor_positions=analysis.competitor_positions,
        brand_cited=analysis.brand_cited if plan.watched.matcher.entities[0].domains else None,
        sentiment=None,
        sentiment_score=None,
    )
