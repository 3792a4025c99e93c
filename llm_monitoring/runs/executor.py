"""Executes one work item: finds model, key and project, pays for the call, stores its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

from llm_monitoring import projects, registry
from llm_monitoring.analysis import Analysis, UnreadableVerdict, read_verdict
from llm_monitoring.answers import store
from llm_monitoring.db import RowErrors, Transaction
from llm_monitoring.domain import Lease, Mode, ProviderName, Task
from llm_monitoring.errors import BadInput
from llm_monitoring.keys import Clients
from llm_monitoring.ledger import Attempt, Budget, Kind, Paid, Payment, PaymentService, is_final, new_id
from llm_monitoring.logs import redact
from llm_monitoring.projects import TrackedProject
from llm_monitoring.providers import Answer, ProviderError, Question
from llm_monitoring.registry import Catalogue, Model, NotCallable, Quote, Tariff
from llm_monitoring.runs import tasks
from llm_monitoring.runs.dispatcher import WorkItem
from llm_monitoring.runs.present_prices import PresentPrices
from llm_monitoring.runs.questions import first_mode, judge_question, prompt_question
from llm_monitoring.settings import Settings


@dataclass(frozen=True)
class TaskExecutor:
    """What the worker threads of one run share. `lease`: the right to call, if the run is on several machines.

    The answers of `unjudged` projects and days get no sentiment.
    """

    budget: Budget
    clients: Clients
    catalogue: Catalogue
    projects: Mapping[int, TrackedProject]
    settings: Settings
    run_id: int | None
    lease: Lease | None = None
    errors: RowErrors = field(default_factory=RowErrors)
    unjudged: frozenset[tuple[int, date]] = frozenset()

    @cached_property
    def payments(self) -> PaymentService:
        return PaymentService(self.budget, self.errors, self.settings.base_urls)

    @cached_property
    def prices(self) -> PresentPrices:
        return PresentPrices(self.budget.db)

    def find_project(self, project_id: int) -> TrackedProject | None:
        """A project of the run, or one that is paused or stays out of it; None if it was deleted or cannot be read."""
        if project_id in self.projects:
            return self.projects[project_id]
        try:
            return TrackedProject(projects.find(self.budget.db, project_id))
        except BadInput:
            return None

    def ask_prompt(self, item: WorkItem, on_reply: Callable[[], None] = lambda: None) -> Analysis | None:
        """Ask a task's prompt and store the answer; None if it could not be analysed. `on_reply` as in PaymentService.

        Raises NotCallable, key errors, and what PaymentService raises.
        """
        tracked = self.projects[item.task.project_id]
        model = self.catalogue.current(item.provider)
        if model is None:
            raise NotCallable(f"{item.provider} has no current model in llm_model_registry")
        asked = prompt_question(item.task, tracked.project, model, self.settings)
        question, quote = self.quote_in(item.mode, model, asked)

        def save(tx: Transaction, paid: Paid) -> Analysis | None:
            return self.save_answer(tx, item.task, tracked, paid)

        def save_error(tx: Transaction, error: ProviderError) -> None:
            tasks.record_failure(tx, item.task, failure_of(error, model.model_id), self.run_id)

        payment = Payment(self.new_attempt("answer", item, model, quote), quote.price, save, save_error)
        client = self.clients.get(item.key, item.task.user_id, quote.mode)
        return self.payments.execute(payment, question, client, self.tariff(model), on_reply)

    def save_answer(self, tx: Transaction, task: Task, tracked: TrackedProject | None, paid: Paid) -> Analysis | None:
        """Store an answer as the task's result with its analysis.

        It is stored unread, and None returned, if its project cannot be read, its analysis raises, or storing that
        was refused before. Nothing is stored of a prompt that was deleted.
        """
        answer, reply, refused = paid.answer, paid.reply, paid.refused
        stored = store.StoredAnswer(
            attempt_id=paid.attempt.id,
            run_id=paid.attempt.run_id,
            model_id=paid.attempt.model_id,
            cost_usd=paid.charged_usd,
            mode=paid.attempt.mode,
        )
        if tracked is None:
            store.save(tx, task, None, answer, reply, replace(stored, unread_reason="project_unreadable"))
            return None
        stored = replace(stored, unread_reason=refused.code) if refused else self.analyse(stored, task, tracked, answer)
        store.save(tx, task, tracked.project, answer, reply, stored)
        return stored.analysis

    def analyse(
        self, stored: store.StoredAnswer, task: Task, tracked: TrackedProject, answer: Answer
    ) -> store.StoredAnswer:
        """Add the answer's analysis, or the reason why it could not be analysed."""
        row = f"Proyecto #{task.project_id}, llamada {stored.attempt_id}"
        with self.errors.guard("read_answer", row, project_id=task.project_id, user_id=task.user_id) as guarded:
            analysis = analyse_answer(tracked, answer, task.language)
            stored = replace(
                stored,
                branded=tracked.matcher.names_brand(task.prompt, task.language),
                analysis=analysis,
                sentiment_status="pending" if analysis.brand_mentioned and self.judges(task) else "none",
            )
        return stored if guarded.error is None else replace(stored, unread_reason=guarded.error.code)

    def judges(self, task: Task) -> bool:
        """Whether the sentiment of a task's answer is wanted."""
        return self.settings.sentiment and (task.project_id, task.day) not in self.unjudged

    def score_sentiment(self, item: WorkItem, on_reply: Callable[[], None] = lambda: None) -> None:
        """Ask the judge for the sentiment of an answer's mentions and store it, or why there is none."""
        tracked = self.projects[item.task.project_id]
        model = self.catalogue.judge(frozenset({item.provider}), self.budget.today())
        if model is None:
            raise NotCallable(f"{item.provider} has no approved and priced model to judge sentiment with")
        asked = judge_question(tracked.project.brand.name, item.contexts, model)
        question, quote = self.quote_in(item.mode, model, asked)

        def save(tx: Transaction, paid: Paid) -> None:
            save_sentiment(tx, item.task, tracked, paid)

        def save_error(tx: Transaction, error: ProviderError) -> None:
            status: store.SentimentStatus = "pending" if error.billed == "no" else "failed"
            store.set_sentiment(tx, item.task, None, status, sentiment_failure(error))

        payment = Payment(self.new_attempt("sentiment", item, model, quote), quote.price, save, save_error)
        client = self.clients.get(item.key, item.task.user_id, quote.mode)
        self.payments.execute(payment, question, client, self.tariff(model), on_reply)

    def record_failures(self, failed: Sequence[Task], failure: tasks.TaskFailure) -> None:
        """Store why these tasks were not asked; the next start of the day tries them again."""
        tasks.record_failures(self.budget.db, failed, failure, self.run_id)

    def tariff(self, model: Model) -> Tariff:
        """The model's present rates at the endpoint where its provider is called; raises NotCallable."""
        return self.prices.of(model).tariff(self.settings.base_urls.get(model.provider))

    def mode_of(self, project_id: int, provider: ProviderName) -> Mode:
        """How a single call for a project is asked first: one that does not go into a batch is made at once."""
        mode = first_mode(self.projects[project_id].project, provider, self.settings)
        return "standard" if mode == "batch" else mode

    def quote(self, model: Model, question: Question) -> Quote:
        """The ceiling of a question and the price that it is computed with; raises NotCallable."""
        return self.tariff(model).quote(question, *self.budget.pricing_times())

    def quote_in(self, mode: Mode, model: Model, question: Question) -> tuple[Question, Quote]:
        """The question with its quote in a mode, or in standard mode if the model is not sold in it."""
        asked = replace(question, mode=mode)
        try:
            return asked, self.quote(model, asked)
        except NotCallable as exc:
            if exc.code != "mode_not_sold":
                raise
        return question, self.quote(model, question)

    def new_attempt(self, kind: Kind, item: WorkItem, model: Model, quote: Quote) -> Attempt:
        return Attempt(
            id=new_id(),
            kind=kind,
            user_id=item.task.user_id,
            provider=item.provider,
            model_id=model.model_id,
            key_source="operator" if item.key.user_id is None else "user",
            ceiling_usd=quote.ceiling_usd,
            run_id=self.run_id,
            task=item.task,
            lease=self.lease,
            rates=registry.write_rates(quote.price),
            mode=quote.mode,
        )


def analyse_answer(tracked: TrackedProject, answer: Answer, language: str) -> Analysis:
    citations = [{"url": c.url, "title": c.title, "domain": c.domain, "cited": c.cited} for c in answer.citations]
    return tracked.matcher.analyse(answer.text, citations, language)


def save_sentiment(tx: Transaction, task: Task, tracked: TrackedProject | None, paid: Paid) -> None:
    """Store the judge's verdict; a reply that is not one leaves the sentiment empty, with the reason.

    Nothing is stored if the project cannot be read. If the database refuses it, the call stays open with its receipt:
    a verdict that is not there would be asked and paid again by each start.
    """
    if tracked is None:
        return
    try:
        verdict = read_verdict(paid.answer.text, tracked.project.brand.name)
    except UnreadableVerdict as exc:
        store.set_sentiment(tx, task, None, "failed", f"unreadable: {exc}")
    else:
        store.set_sentiment(tx, task, verdict, "scored")


def sentiment_failure(error: ProviderError) -> str:
    return f"{error.kind}: {redact(str(error))}"[:500]


def failure_of(error: ProviderError, model_id: str) -> tasks.TaskFailure:
    return tasks.TaskFailure(error.kind, redact(str(error)), final=is_final(error), model_id=model_id)
