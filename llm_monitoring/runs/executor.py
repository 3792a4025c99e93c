"""What a worker does with one job: find model, key and project, pay for the call, store what it brought."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from llm_monitoring import projects, registry
from llm_monitoring.analysis import Analysis, sentiment
from llm_monitoring.answers import store
from llm_monitoring.db.database import Transaction
from llm_monitoring.db.row_errors import RowError, RowErrors
from llm_monitoring.domain import Lease, Task
from llm_monitoring.errors import BadInput
from llm_monitoring.keys.clients import Clients
from llm_monitoring.ledger.budget import Attempt, Budget, Kind, Settlement, new_id
from llm_monitoring.ledger.payment import PaymentService, SettlementDelayed, is_final
from llm_monitoring.logs.redaction import redact
from llm_monitoring.projects.tracked import TrackedProject
from llm_monitoring.providers import Answer, ProviderError, Question, Reply
from llm_monitoring.registry import Catalogue, Model, NotCallable, Tariff
from llm_monitoring.runs import tasks
from llm_monitoring.runs.dispatcher import WorkItem
from llm_monitoring.runs.questions import ask_judge, ask_prompt
from llm_monitoring.settings.fields import Settings


@dataclass(frozen=True)
class TaskExecutor:
    """What the workers of one run share. `lease`: by whose right they call, where the run is on several machines."""

    budget: Budget
    clients: Clients
    catalogue: Catalogue
    projects: Mapping[int, TrackedProject]
    settings: Settings
    run_id: int | None
    lease: Lease | None = None
    errors: RowErrors = field(default_factory=RowErrors)

    @cached_property
    def payments(self) -> PaymentService:
        return PaymentService(self.budget, self.errors, self.settings.base_urls)

    def watched(self, project_id: int) -> TrackedProject | None:
        """A project of the run, or one that is paused or stays out of it; None if it was deleted or cannot be read."""
        if project_id in self.projects:
            return self.projects[project_id]
        try:
            return TrackedProject(projects.find(self.budget.db, project_id))
        except BadInput:
            return None

    def answer(self, job: WorkItem, landed: Callable[[], None] = lambda: None) -> Analysis | None:
        """Ask a task's prompt and store the answer, None if it could not be analysed; `landed` is its `on_reply`.

        Raises Blocked, NotCallable, key and provider errors.
        """
        watched = self.projects[job.task.project_id]
        model = self.catalogue.current(job.provider)
        if model is None:
            raise NotCallable(f"{job.provider} has no current model in llm_model_registry")
        question = ask_prompt(job.task, watched.project, model, self.settings)
        analysed: list[Analysis | None] = []

        def save(tx: Transaction, answer: Answer, reply: Reply, outcome: Settlement, refused: RowError | None) -> None:
            analysed[:] = [self.save_answer(tx, job.task, watched, call, answer, reply, outcome, refused)]

        def save_error(tx: Transaction, error: ProviderError) -> None:
            tasks.record_failure(tx, job.task, failure_of(error, model.model_id), self.run_id)

        call = self.call("answer", job, model, question)
        client = self.clients.get(job.key, job.task.user_id)
        try:
            self.payments.execute(call, question, client, self.tariff(model), save, save_error, landed)
        except SettlementDelayed as exc:
            raise exc.before(lambda: analysed[0]) from exc
        return analysed[0]

    def save_answer(
        self,
        tx: Transaction,
        task: Task,
        watched: TrackedProject | None,
        call: Attempt,
        answer: Answer,
        reply: Reply,
        outcome: Settlement,
        refused: RowError | None = None,
    ) -> Analysis | None:
        """Store an answer as the task's result with its analysis.

        It is stored unread, and None returned, if its project cannot be read, its analysis raises, or storing that
        was `refused` before. Nothing is stored of a prompt that was deleted.
        """
        finding = store.StoredAnswer(
            attempt_id=call.id,
            run_id=call.run_id,
            model_id=call.model_id,
            cost_usd=outcome.cost_usd if outcome.state == "settled" else call.ceiling_usd,
        )
        if watched is None:
            store.save(tx, task, None, answer, reply, replace(finding, unread_reason="project_unreadable"))
            return None
        finding = replace(finding, unread_reason=refused.code) if refused else self.read(finding, task, watched, answer)
        store.save(tx, task, watched.project, answer, reply, finding)
        return finding.analysis

    def read(
        self, finding: store.StoredAnswer, task: Task, watched: TrackedProject, answer: Answer
    ) -> store.StoredAnswer:
        """The finding with the answer's analysis, or with the reason why it could not be analysed."""
        citations = [{"url": c.url, "title": c.title, "domain": c.domain, "cited": c.cited} for c in answer.citations]
        row = f"Proyecto #{task.project_id}, llamada {finding.attempt_id}"
        with self.errors.guard("read_answer", row, project_id=task.project_id, user_id=task.user_id) as work:
            analysis = watched.matcher.analyse(answer.text, citations, task.language)
            finding = replace(
                finding,
                branded=watched.matcher.names_brand(task.prompt, task.language),
                analysis=analysis,
                sentiment_status="pending" if analysis.brand_mentioned and self.settings.sentiment else "none",
            )
        return finding if work.error is None else replace(finding, unread_reason=work.error.code)

    def score(self, job: WorkItem, landed: Callable[[], None] = lambda: None) -> None:
        """Ask the judge for the sentiment of an answer's mentions and store the verdict, or why there is none."""
        watched = self.projects[job.task.project_id]
        model = self.catalogue.judge(frozenset({job.provider}), self.budget.today())
        if model is None:
            raise NotCallable(f"{job.provider} has no approved and priced model to judge sentiment with")
        question = ask_judge(watched.project.brand.name, job.contexts, model)

        def save(tx: Transaction, answer: Answer, reply: Reply, outcome: Settlement, refused: RowError | None) -> None:
            save_verdict(tx, job.task, watched, answer, refused)

        def save_error(tx: Transaction, error: ProviderError) -> None:
            status: store.SentimentStatus = "pending" if error.billed == "no" else "failed"
            store.set_sentiment(tx, job.task, None, status, f"{error.kind}: {redact(str(error))}"[:500])

        call = self.call("sentiment", job, model, question)
        client = self.clients.get(job.key, job.task.user_id)
        self.payments.execute(call, question, client, self.tariff(model), save, save_error, landed)

    def tariff(self, model: Model) -> Tariff:
        """What the model costs at the endpoint that its provider is called at; raises NotCallable."""
        return model.tariff(self.settings.base_urls.get(model.provider))

    def call(self, kind: Kind, job: WorkItem, model: Model, question: Question) -> Attempt:
        quote = self.tariff(model).quote(question, *self.budget.pricing_times())
        return Attempt(
            id=new_id(),
            kind=kind,
            user_id=job.task.user_id,
            provider=job.provider,
            model_id=model.model_id,
            key_source="operator" if job.key.user_id is None else "user",
            ceiling_usd=quote.ceiling_usd,
            run_id=self.run_id,
            task=job.task,
            lease=self.lease,
            rates=registry.write_rates(quote.price),
        )


def save_verdict(
    tx: Transaction, task: Task, watched: TrackedProject | None, answer: Answer, refused: RowError | None = None
) -> None:
    """Store what the judge said; a reply that is no verdict leaves the sentiment empty with its reason.

    Nothing is stored if the project cannot be read, or if storing it was `refused` before.
    """
    if watched is None or refused is not None:
        return
    try:
        verdict = sentiment.read_verdict(answer.text, watched.project.brand.name)
    except sentiment.Unreadable as exc:
        store.set_sentiment(tx, task, None, "failed", f"unreadable: {exc}")
    else:
        store.set_sentiment(tx, task, verdict, "scored")


def failure_of(error: ProviderError, model_id: str) -> tasks.Failure:
    return tasks.Failure(error.kind, redact(str(error)), final=is_final(error), model_id=model_id)
