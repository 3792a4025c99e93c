"""Compares two models: asks a project's prompts to both, and measures what a switch would change by itself.

The questions are work items of a runner of their own, so that pauses, retries, budget and settlement are those of a
daily run. Each call is a probe: its answer is kept in memory and becomes no result of the day.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Event
from typing import Final

from llm_monitoring import projects, registry
from llm_monitoring.app import App
from llm_monitoring.db import Row
from llm_monitoring.domain import KeyId, Task
from llm_monitoring.errors import Invalid, NotReady
from llm_monitoring.figures import Comparison, Observation, compare
from llm_monitoring.keys import Clients
from llm_monitoring.ledger import Paid, SettlementDelayed
from llm_monitoring.model_review.probe import charged, find_key, new_probe_attempt, probe_payment
from llm_monitoring.projects import TrackedProject
from llm_monitoring.providers import Question
from llm_monitoring.registry import Catalogue, Model, NotCallable, admin
from llm_monitoring.runs.call_errors import POSSIBLY_BILLED_ATTEMPTS
from llm_monitoring.runs.dispatcher import Dispatcher, WorkItem
from llm_monitoring.runs.executor import TaskExecutor, analyse_answer
from llm_monitoring.runs.limits import Limits
from llm_monitoring.runs.questions import prompt_question
from llm_monitoring.runs.runner import Runner
from llm_monitoring.runs.stats import RunStats
from llm_monitoring.runs.stop_check import StopCheck
from llm_monitoring.runs.tasks import TaskFailure

LONGEST_PAUSE_SECONDS: Final = 60.0  # a person waits: a provider that asks for more ends the comparison

Progress = Callable[[int], None]
"""Called with the number of questions that ended since the last call."""


@dataclass(frozen=True, slots=True)
class ComparisonQuestion:
    """One prompt to one of the two models, and the most that it can cost in USD."""

    task: Task
    model: Model
    question: Question
    ceiling_usd: Decimal


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """What a comparison asks, the two models in turns. `branded`: prompts that are left out, as figures do."""

    tracked: TrackedProject
    user_id: int
    key: KeyId
    old: Model
    new: Model
    questions: tuple[ComparisonQuestion, ...]
    prompts: int
    branded: int

    @property
    def ceiling_usd(self) -> Decimal:
        return sum((question.ceiling_usd for question in self.questions), Decimal(0))


@dataclass(frozen=True, slots=True)
class ComparisonStats:
    """What the calls to one model came to, in USD. `failures`: questions without an answer, those not asked too."""

    model_id: str
    answers: int
    failures: int
    charged_usd: Decimal


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Two models on the same prompts; `comparison` goes from the old one to the new one.

    `stopped` is the code for why questions were left out: a StopReason, a ClosedReason or a reason of a task.
    """

    old: ComparisonStats
    new: ComparisonStats
    comparison: Comparison
    stopped: str | None


def plan_comparison(app: App, project_id: int, old: str, new: str, samples: int) -> ComparisonPlan:
    """Plan every active unbranded prompt of a project for both models.

    Raises BadInput if the models or the project do not fit, NoKey.
    """
    before, after = (registry.read_model(admin.find(app.db, None, name)) for name in (old, new))
    refuse_pair(before, after)
    tracked = TrackedProject(projects.find(app.db, project_id))
    project = tracked.project
    if project.user_id is None:
        raise NotReady("project", project_id, f"project {project_id} has no user to pay for it")
    prompts = [row for row in projects.list_prompts(app.db, project_id) if row["is_active"]]
    unbranded = [row for row in prompts if not names_brand(tracked, row)]
    if not unbranded:
        message = f"project {project_id} has no active prompt without the brand's name in it"
        raise NotReady("project", project_id, message)
    try:
        questions = [
            plan_question(app, tracked, row, model, sample)
            for row in unbranded
            for sample in range(1, samples + 1)
            for model in (before, after)
        ]
    except NotCallable as exc:
        raise NotReady("model", new, str(exc), code=exc.code, **exc.facts) from exc
    key = find_key(app, before, project.user_id)
    branded = len(prompts) - len(unbranded)
    return ComparisonPlan(
        tracked, project.user_id, key, before, after, tuple(questions), prompts=len(unbranded), branded=branded
    )


def refuse_pair(old: Model, new: Model) -> None:
    if old.provider != new.provider:
        names = f"{old.model_id} and {new.model_id}"
        raise Invalid("model", f"{names} are of two providers: a switch is between models of one")
    if old.model_id == new.model_id:
        raise Invalid("model", "a model is compared with another one, not with itself")


def names_brand(tracked: TrackedProject, prompt: Row) -> bool:
    return tracked.matcher.names_brand(prompt["query_text"], prompt["language"] or tracked.project.language)


def plan_question(app: App, tracked: TrackedProject, prompt: Row, model: Model, sample: int) -> ComparisonQuestion:
    """Raises NotCallable."""
    project = tracked.project
    assert project.user_id is not None
    task = Task(
        user_id=project.user_id,
        project_id=project.id,
        query_id=prompt["id"],
        provider=model.provider,
        day=datetime.now(UTC).date(),
        sample=sample,
        prompt=prompt["query_text"],
        language=prompt["language"] or project.language,
    )
    question = prompt_question(task, project, model, app.settings)
    tariff = model.tariff(app.settings.base_urls.get(model.provider))
    return ComparisonQuestion(task, model, question, tariff.quote(question, *app.budget.pricing_times()).ceiling_usd)


@dataclass(frozen=True)
class ComparisonExecutor(TaskExecutor):
    """Makes each call a probe and keeps its answer in memory; of a question that is not asked it keeps the reason."""

    tracked: TrackedProject = field(kw_only=True)
    questions: Mapping[WorkItem, ComparisonQuestion] = field(kw_only=True)
    observations: list[Observation] = field(default_factory=list)
    attempt_ids: list[uuid.UUID] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def ask_prompt(self, item: WorkItem, on_reply: Callable[[], None] = lambda: None) -> None:
        """Ask one question; raises what PaymentService raises."""
        planned = self.questions[item]
        quote = self.quote(planned.model, planned.question)
        attempt = new_probe_attempt(planned.model, item.key, item.task.user_id, quote)
        self.attempt_ids.append(attempt.id)
        client = self.clients.get(item.key, item.task.user_id)
        try:
            paid = self.payments.execute(
                probe_payment(attempt, quote.price), planned.question, client, self.tariff(planned.model), on_reply
            )
        except SettlementDelayed as exc:
            finish = exc.finish
            raise SettlementDelayed(lambda: self.observe(planned, finish())) from exc
        self.observe(planned, paid)

    def observe(self, planned: ComparisonQuestion, paid: object) -> None:
        """Keep an answer as the day's figures would count it."""
        assert isinstance(paid, Paid)
        task = planned.task
        analysis = analyse_answer(self.tracked, paid.answer, task.language)
        self.observations.append(
            Observation(
                query_id=task.query_id,
                provider=task.provider,
                model_id=planned.model.model_id,
                day=task.day,
                sample=task.sample,
                branded=False,
                brand_mentioned=analysis.brand_mentioned,
                competitors=frozenset(analysis.competitors_mentioned),
                position=analysis.position_in_list,
                competitor_positions=analysis.competitor_positions,
                brand_cited=analysis.brand_cited if self.tracked.matcher.entities[0].domains else None,
                sentiment=None,
                sentiment_score=None,
            )
        )

    def record_failures(self, failed: Sequence[Task], failure: TaskFailure) -> None:
        """Keep why questions were not asked; nothing is stored."""
        self.reasons.append(failure.reason)


def compare_models(app: App, plan: ComparisonPlan, on_progress: Progress = lambda done: None) -> ModelComparison:
    """Ask everything within the budget and compare; a budget, key or model that fails ends it early."""
    # A call that may have been billed is not repeated, so that the plan's ceiling holds.
    questions = {
        WorkItem(planned.task, planned.model.provider, plan.key, possibly_billed=POSSIBLY_BILLED_ATTEMPTS - 1): planned
        for planned in plan.questions
    }
    limits = Limits(app.settings.concurrency, LONGEST_PAUSE_SECONDS)
    deadline = time.monotonic() + 60 * app.settings.run_deadline_minutes

    done = 0

    def report(stats: RunStats) -> None:
        nonlocal done
        before, done = done, stats.answered + stats.failed
        on_progress(done - before)

    with closing(Clients(app.keys, app.settings)) as clients:
        executor = ComparisonExecutor(
            app.budget,
            clients,
            Catalogue(()),
            {},
            app.settings,
            run_id=None,
            errors=app.errors,
            tracked=plan.tracked,
            questions=questions,
        )
        dispatcher = Dispatcher(limits, {plan.old.provider: iter(questions)})
        stop_check = StopCheck(Event(), deadline, owns_run=lambda: True)
        stats = Runner(executor, dispatcher, {}, stop_check, on_progress=report).run()
    closed = limits.admit(plan.key, time.monotonic()).closed
    stopped: str | None = stats.stopped or closed or (executor.reasons[0] if executor.reasons else None)
    costs = charged(app.db, executor.attempt_ids)
    old, new = (stats_of(model, plan, executor, costs) for model in (plan.old, plan.new))
    return ModelComparison(old, new, compare_observations(plan, executor.observations), stopped)


def stats_of(
    model: Model, plan: ComparisonPlan, executor: ComparisonExecutor, costs: Mapping[str, Decimal]
) -> ComparisonStats:
    name = model.model_id
    asked = sum(planned.model == model for planned in plan.questions)
    answers = sum(each.model_id == name for each in executor.observations)
    return ComparisonStats(name, answers, asked - answers, costs.get(name, Decimal(0)))


def compare_observations(plan: ComparisonPlan, observations: Sequence[Observation]) -> Comparison:
    """The paired differences. Two models on one day stand for two periods, which have to follow each other."""
    old = [each for each in observations if each.model_id == plan.old.model_id]
    new = [replace(each, day=next_day(each.day)) for each in observations if each.model_id == plan.new.model_id]
    return compare(old, new, [entity.name for entity in plan.tracked.project.competitors])


def next_day(day: date) -> date:
    return day + timedelta(days=1)
