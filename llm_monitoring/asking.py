"""What a worker does with one job: find model, key and project, pay for the call, store what it brought."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock
from typing import Final

from llm_monitoring import projects, registry, results, runs
from llm_monitoring.analysis import Analysis, Matcher, sentiment
from llm_monitoring.budget import Budget, Call, Kind, Outcome, new_id
from llm_monitoring.calls import SettlementDelayed, Till, is_final
from llm_monitoring.db.database import Transaction
from llm_monitoring.domain import Lease, Secret, Task
from llm_monitoring.errors import BadInput, MonitoringError
from llm_monitoring.keys import KeyStore
from llm_monitoring.limits import KeyId
from llm_monitoring.logs import redact
from llm_monitoring.projects import Project
from llm_monitoring.providers import Answer, Provider, ProviderError, Question, Reply, open_provider
from llm_monitoring.registry import Catalogue, Model, NotCallable, Tariff
from llm_monitoring.row_errors import RowError, RowErrors
from llm_monitoring.schedule import Job
from llm_monitoring.settings import Settings

JUDGE_OUTPUT_TOKENS: Final = 400


class NoKey(MonitoringError):
    """There is no API key for this provider."""


class WrongKey(NoKey):
    """The key at hand is not the one that this call is to be made with."""


@dataclass(slots=True)
class Watched:
    """A project with its matcher, which is compiled when the project's first answer comes."""

    project: Project
    lock: Lock = field(default_factory=Lock)
    compiled: Matcher | None = None

    @property
    def matcher(self) -> Matcher:
        with self.lock:
            if self.compiled is None:
                self.compiled = Matcher(self.project.brand, self.project.competitors)
            return self.compiled


@dataclass(frozen=True, slots=True)
class Client:
    """An open provider and whose key it holds."""

    key: KeyId
    provider: Provider


class Clients:
    """One open provider a key; a key is decrypted by the worker that first needs it."""

    def __init__(self, keys: KeyStore, settings: Settings) -> None:
        self.keys = keys
        self.settings = settings
        self.lock = Lock()
        self.locks: dict[KeyId, Lock] = {}
        self.open: dict[KeyId, Client] = {}

    def get(self, key: KeyId, user_id: int) -> Provider:
        """The provider of `key` for a call that `user_id` pays; a mix-up is refused, not charged to another.

        Raises KeyUnreadable, NoKey where the key was removed meanwhile, or WrongKey.
        """
        if key.user_id not in (None, user_id):
            raise WrongKey(f"la API key de {key.provider} no es del usuario {user_id}")
        if (
            key.user_id is None
            and key.provider in self.keys.operator_keys
            and not self.keys.operator_key(key.provider, user_id)
        ):
            raise WrongKey(f"LLM_OPERATOR_KEYS_FOR no incluye al usuario {user_id}")
        with self.lock:
            lock = self.locks.setdefault(key, Lock())
        with lock:
            if key not in self.open:
                self.open[key] = Client(key, self.connect(key))
            client = self.open[key]
        if client.key != key:
            raise WrongKey(f"la API key de {key.provider} a mano es de otro")
        return client.provider

    def connect(self, key: KeyId) -> Provider:
        return open_provider(
            key.provider,
            self.secret(key),
            base_url=self.settings.base_urls.get(key.provider),
            timeout_seconds=self.settings.timeout_seconds[key.provider],
        )

    def secret(self, key: KeyId) -> Secret:
        """The key itself; the operator's also where the user whose call comes first has stored one meanwhile."""
        if key.user_id is None:
            secret = self.keys.operator_keys.get(key.provider)
        else:
            found = self.keys.find(key.user_id, key.provider)
            secret = found.secret if found is not None and found.source == "user" else None
        if secret is None:
            raise NoKey(f"la API key de {key.provider} cambió durante la ejecución")
        return secret

    def close(self) -> None:
        for client in self.open.values():
            client.provider.close()


@dataclass(frozen=True)
class Desk:
    """What the workers of one run share. `lease`: by whose right they call, where the run is on several machines."""

    budget: Budget
    clients: Clients
    catalogue: Catalogue
    projects: Mapping[int, Watched]
    settings: Settings
    run_id: int | None
    lease: Lease | None = None
    errors: RowErrors = field(default_factory=RowErrors)

    @cached_property
    def till(self) -> Till:
        return Till(self.budget, self.errors, self.settings.base_urls)

    def watched(self, project_id: int) -> Watched | None:
        """A project of the run, or one that is paused or stays out of it; None if it was deleted or cannot be read."""
        if project_id in self.projects:
            return self.projects[project_id]
        try:
            return Watched(projects.find(self.budget.db, project_id))
        except BadInput:
            return None

    def answer(self, job: Job, landed: Callable[[], None] = lambda: None) -> Analysis | None:
        """Ask a task's prompt and store the answer, None if it could not be analysed; `landed` as in Till.pay.

        Raises Blocked, NotCallable, key and provider errors.
        """
        watched = self.projects[job.task.project_id]
        model = self.catalogue.current(job.provider)
        if model is None:
            raise NotCallable(f"{job.provider} has no current model in llm_model_registry")
        question = ask_prompt(job.task, watched.project, model, self.settings)
        analysed: list[Analysis | None] = []

        def save(tx: Transaction, answer: Answer, reply: Reply, outcome: Outcome, refused: RowError | None) -> None:
            analysed[:] = [self.save_answer(tx, job.task, watched, call, answer, reply, outcome, refused)]

        def save_error(tx: Transaction, error: ProviderError) -> None:
            runs.record_failure(tx, job.task, failure_of(error, model.model_id), self.run_id)

        call = self.call("answer", job, model, question)
        client = self.clients.get(job.key, job.task.user_id)
        try:
            self.till.pay(call, question, client, self.tariff(model), save, save_error, landed)
        except SettlementDelayed as exc:
            raise exc.before(lambda: analysed[0]) from exc
        return analysed[0]

    def save_answer(
        self,
        tx: Transaction,
        task: Task,
        watched: Watched | None,
        call: Call,
        answer: Answer,
        reply: Reply,
        outcome: Outcome,
        refused: RowError | None = None,
    ) -> Analysis | None:
        """Store an answer as the task's result with its analysis.

        It is stored unread, and None returned, if its project cannot be read, its analysis raises, or storing that
        was `refused` before. Nothing is stored of a prompt that was deleted.
        """
        finding = results.Finding(
            attempt_id=call.id,
            run_id=call.run_id,
            model_id=call.model_id,
            cost_usd=outcome.cost_usd if outcome.state == "settled" else call.ceiling_usd,
        )
        if watched is None:
            results.save(tx, task, None, answer, reply, replace(finding, unread_reason="project_unreadable"))
            return None
        finding = replace(finding, unread_reason=refused.code) if refused else self.read(finding, task, watched, answer)
        results.save(tx, task, watched.project, answer, reply, finding)
        return finding.analysis

    def read(self, finding: results.Finding, task: Task, watched: Watched, answer: Answer) -> results.Finding:
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

    def score(self, job: Job, landed: Callable[[], None] = lambda: None) -> None:
        """Ask the judge for the sentiment of an answer's mentions and store the verdict, or why there is none."""
        watched = self.projects[job.task.project_id]
        model = self.catalogue.judge(frozenset({job.provider}), self.budget.today())
        if model is None:
            raise NotCallable(f"{job.provider} has no approved and priced model to judge sentiment with")
        question = ask_judge(watched.project.brand.name, job.contexts, model)

        def save(tx: Transaction, answer: Answer, reply: Reply, outcome: Outcome, refused: RowError | None) -> None:
            save_verdict(tx, job.task, watched, answer, refused)

        def save_error(tx: Transaction, error: ProviderError) -> None:
            status: results.SentimentStatus = "pending" if error.billed == "no" else "failed"
            results.set_sentiment(tx, job.task, None, status, f"{error.kind}: {redact(str(error))}"[:500])

        call = self.call("sentiment", job, model, question)
        client = self.clients.get(job.key, job.task.user_id)
        self.till.pay(call, question, client, self.tariff(model), save, save_error, landed)

    def tariff(self, model: Model) -> Tariff:
        """What the model costs at the endpoint that its provider is called at; raises NotCallable."""
        return model.tariff(self.settings.base_urls.get(model.provider))

    def call(self, kind: Kind, job: Job, model: Model, question: Question) -> Call:
        quote = self.tariff(model).quote(question, *self.budget.pricing_times())
        return Call(
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
    tx: Transaction, task: Task, watched: Watched | None, answer: Answer, refused: RowError | None = None
) -> None:
    """Store what the judge said; a reply that is no verdict leaves the sentiment empty with its reason.

    Nothing is stored if the project cannot be read, or if storing it was `refused` before.
    """
    if watched is None or refused is not None:
        return
    try:
        verdict = sentiment.read_verdict(answer.text, watched.project.brand.name)
    except sentiment.Unreadable as exc:
        results.set_sentiment(tx, task, None, "failed", f"unreadable: {exc}")
    else:
        results.set_sentiment(tx, task, verdict, "scored")


def failure_of(error: ProviderError, model_id: str) -> runs.Failure:
    return runs.Failure(error.kind, redact(str(error)), final=is_final(error), model_id=model_id)


def ask_prompt(task: Task, project: Project, model: Model, settings: Settings) -> Question:
    """The user's prompt as written, in the prompt's language and the project's country."""
    searches = model.searches(project.web_search, settings.max_searches)
    return Question(
        prompt=task.prompt,
        model_id=model.model_id,
        max_output_tokens=min(settings.max_output_tokens, model.max_output_tokens or settings.max_output_tokens),
        language=task.language,
        country=project.country,
        web_search=searches > 0,
        max_searches=searches,
        reasoning_effort=model.reasoning_effort,
    )


def ask_judge(brand: str, contexts: tuple[str, ...], model: Model) -> Question:
    return Question(
        prompt=sentiment.judge_prompt(brand, contexts, secrets.token_hex(16)),
        model_id=model.model_id,
        max_output_tokens=min(JUDGE_OUTPUT_TOKENS, model.max_output_tokens or JUDGE_OUTPUT_TOKENS),
        instructions=sentiment.INSTRUCTIONS,
        reasoning_effort=model.reasoning_effort,
    )
