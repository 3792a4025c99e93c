"""Trial calls: one question to one model, or a project's prompts to two; paid as the daily run pays, never a result."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from threading import Event
from typing import Final

from llm_monitoring import model_admin, registry
from llm_monitoring.analysis.comparison import Comparison, compare
from llm_monitoring.analysis.figures import Observation
from llm_monitoring.asking import Desk, NoKey, Watched, ask_prompt
from llm_monitoring.budget import Call, Outcome
from llm_monitoring.calls import Blocked, Paid, Withdrawn
from llm_monitoring.crypto import KeyUnreadable
from llm_monitoring.db.database import Row, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.domain import Task
from llm_monitoring.errors import MonitoringError
from llm_monitoring.limits import KeyId
from llm_monitoring.model_admin import Author
from llm_monitoring.providers import (
    Answer,
    AuthFailed,
    BadRequest,
    ModelNotFound,
    ProviderError,
    ProviderUnavailable,
    Question,
    RateLimited,
    Reply,
)
from llm_monitoring.registry import Model

SQL = load("trial")

PROBE_PROMPT: Final = "Name three well-known accounting programs for small companies, one short line each."
PROBE_OUTPUT_TOKENS: Final = 1000  # a model that reasons first needs room for it
LONGEST_PAUSE_SECONDS: Final = 60.0
FATAL: Final = (AuthFailed, ModelNotFound, BadRequest, Blocked, NoKey, KeyUnreadable)

Progress = Callable[[], None]


def probe_question(model: Model) -> Question:
    """The question that a model has to answer before it may answer every day; raises NotCallable."""
    searches = model.searches(web_search=False, wanted=1)
    return Question(
        prompt=PROBE_PROMPT,
        model_id=model.model_id,
        max_output_tokens=min(PROBE_OUTPUT_TOKENS, model.max_output_tokens or PROBE_OUTPUT_TOKENS),
        language="en",
        web_search=searches > 0,
        max_searches=searches,
        reasoning_effort=model.reasoning_effort,
    )


class NoAnswer(MonitoringError):
    """The model did not answer the trial question."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A model's answer to the trial question, and what its user was charged for it in USD."""

    answer: Answer
    charged_usd: Decimal


def probe(desk: Desk, row: Row, author: Author, user_id: int) -> Probe:
    """Ask an approved and priced model one small question at the user's expense, and note that it answered.

    Raises BadInput, NotCallable, Blocked, NoKey, KeyUnreadable, NoAnswer.
    """
    model = model_admin.require_ready(row)
    question = probe_question(model)
    call_id = uuid.uuid4()
    try:
        paid = pay(desk, model, question, user_id, call_id)
    except ProviderError as exc:
        cost = sum(charged(desk, [call_id]).values(), Decimal(0))
        raise NoAnswer(
            f"{model.provider}/{model.model_id} gave no answer ({exc.kind}: {exc}); cost {cost} USD"
        ) from exc
    model_admin.mark_validated(desk.budget.db, row, author)
    return Probe(paid.answer, charged(desk, [call_id])[model.model_id])


def charged(desk: Desk, call_ids: Sequence[uuid.UUID]) -> dict[str, Decimal]:
    """What the ledger says that these calls cost, by model, in USD; calls that were never admitted are not in it."""
    rows = desk.budget.db.all(SQL.charged, {"ids": [str(call_id) for call_id in call_ids]})
    return {row["model_id"]: row["usd"] for row in rows}


def pay(desk: Desk, model: Model, question: Question, user_id: int, call_id: uuid.UUID) -> Paid:
    """One call of kind `probe`: without a task, so that nothing takes it for a day's answer."""
    key = key_for(desk, model, user_id)
    call = Call(
        id=call_id,
        kind="probe",
        user_id=user_id,
        provider=model.provider,
        model_id=model.model_id,
        key_source="operator" if key.user_id is None else "user",
        ceiling_usd=registry.ceiling(model.priced(), question),
    )
    client = desk.clients.get(key, user_id)
    return desk.till.pay(call, question, client, model.priced(), keep_no_answer, keep_no_error)


def keep_no_answer(tx: Transaction, answer: Answer, reply: Reply, outcome: Outcome) -> None:
    """A trial leaves its attempt and its receipt, no result."""


def keep_no_error(tx: Transaction, error: ProviderError) -> None:
    """A trial that failed leaves its attempt, no failed task."""


def key_for(desk: Desk, model: Model, user_id: int) -> KeyId:
    found = desk.clients.keys.find(user_id, model.provider)
    if found is None:
        raise NoKey(
            f"user {user_id} has no {model.provider} API key: store one with "
            f"`python -m llm_monitoring keys set {user_id} {model.provider}`"
        )
    return KeyId(model.provider, user_id if found.source == "user" else None)


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt to one of the two models."""

    task: Task
    model: Model
    question: Question


@dataclass(frozen=True, slots=True)
class Plan:
    """What a comparison asks, the two models in turns; branded prompts, which no figure counts, are left out."""

    watched: Watched
    user_id: int
    old: Model
    new: Model
    asks: tuple[Ask, ...]
    prompts: int
    branded: int

    @property
    def ceiling_usd(self) -> Decimal:
        return sum((registry.ceiling(ask.model.priced(), ask.question) for ask in self.asks), Decimal(0))


@dataclass(frozen=True, slots=True)
class Tally:
    """What the calls for one model came to, failed ones included, in USD."""

    model_id: str
    answers: int
    failures: int
    charged_usd: Decimal


@dataclass(frozen=True, slots=True)
class Bridge:
    """Two models on the same prompts: `comparison` goes from the old to the new. `stopped` says why it ended early."""

    old: Tally
    new: Tally
    comparison: Comparison
    stopped: str | None


def make_plan(
    desk: Desk, watched: Watched, prompts: Sequence[Row], old: Model, new: Model, samples: int, day: date
) -> Plan:
    """Plan every unbranded prompt for both models; raises MonitoringError without an owner, NotCallable."""
    project = watched.project
    if project.user_id is None:
        raise MonitoringError(f"project {project.id} has no user to pay for it")
    unbranded = [row for row in prompts if not watched.matcher.names_brand(row["query_text"])]
    asks = [
        Ask(task, model, ask_prompt(task, project, model, desk.settings))
        for row in unbranded
        for sample in range(1, samples + 1)
        for model in (old, new)
        for task in [trial_task(row, watched, model, sample, day)]
    ]
    return Plan(watched, project.user_id, old, new, tuple(asks), len(unbranded), len(prompts) - len(unbranded))


def trial_task(row: Row, watched: Watched, model: Model, sample: int, day: date) -> Task:
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
class Course:
    """A comparison under way: answers and failures by model, and the calls that were tried."""

    stop: Event = field(default_factory=Event)
    stopped: str | None = None
    seen: dict[str, list[Observation]] = field(default_factory=lambda: defaultdict(list))
    failures: Counter[str] = field(default_factory=Counter)
    calls: list[uuid.UUID] = field(default_factory=list)

    def failed(self, ask: Ask, error: MonitoringError) -> None:
        self.failures[ask.model.model_id] += 1
        if isinstance(error, FATAL) and self.stopped is None:
            self.stopped = str(error)
            self.stop.set()


def run(desk: Desk, plan: Plan, on_progress: Progress = lambda: None) -> Bridge:
    """Ask everything within the budget and compare; a budget, key or model that fails ends it early."""
    course = Course()
    for ask, done in answers(desk, plan, course):
        try:
            paid = done.result()
        except (ProviderError, Blocked, Withdrawn, NoKey, KeyUnreadable) as exc:
            course.failed(ask, exc)
        else:
            if paid is not None:
                course.seen[ask.model.model_id].append(observe(plan, ask, paid))
        on_progress()
    costs = charged(desk, course.calls)
    old, new = (tally(model, course, costs) for model in (plan.old, plan.new))
    return Bridge(old, new, compared(plan, course), course.stopped)


def tally(model: Model, course: Course, costs: Mapping[str, Decimal]) -> Tally:
    name = model.model_id
    return Tally(name, len(course.seen[name]), course.failures[name], costs.get(name, Decimal(0)))


def compared(plan: Plan, course: Course) -> Comparison:
    """The paired differences. Two models on one day stand for two periods, which have to follow each other."""
    later = [replace(each, day=each.day + timedelta(days=1)) for each in course.seen[plan.new.model_id]]
    competitors = [entity.name for entity in plan.watched.project.competitors]
    return compare(course.seen[plan.old.model_id], later, competitors)


def answers(desk: Desk, plan: Plan, course: Course) -> Iterator[tuple[Ask, Future[Paid | None]]]:
    """Every ask with its outcome as it comes; after a stop the rest comes as None, unasked."""
    settings = desk.settings
    workers = min(settings.max_workers, settings.concurrency[plan.old.provider])
    with ThreadPoolExecutor(workers, thread_name_prefix="trial") as pool:
        futures = {pool.submit(patient, desk, ask, plan.user_id, course): ask for ask in plan.asks}
        try:
            for future in as_completed(futures):
                yield futures[future], future
        finally:
            course.stop.set()


def patient(desk: Desk, ask: Ask, user_id: int, course: Course) -> Paid | None:
    """Pay for one ask; a provider that asks to wait, and did not bill, is asked again. None: it was stopped before."""
    for attempt in range(1, desk.settings.max_attempts + 1):
        if course.stop.is_set():
            return None
        call_id = uuid.uuid4()
        course.calls.append(call_id)
        try:
            return pay(desk, ask.model, ask.question, user_id, call_id)
        except (RateLimited, ProviderUnavailable) as exc:
            if exc.billed != "no" or attempt == desk.settings.max_attempts:
                raise
            wanted = exc.retry_after if isinstance(exc, RateLimited) else None
            course.stop.wait(min(wanted or 2.0**attempt, LONGEST_PAUSE_SECONDS))
    return None


def observe(plan: Plan, ask: Ask, paid: Paid) -> Observation:
    """The answer as the day's figures see one."""
    citations = [{"url": c.url, "title": c.title, "domain": c.domain} for c in paid.answer.citations]
    analysis = plan.watched.matcher.analyse(paid.answer.text, citations)
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
        brand_cited=analysis.brand_cited,
        sentiment=None,
        sentiment_score=None,
    )
