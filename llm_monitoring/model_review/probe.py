"""Probes: paid calls to a model by an admin, outside the daily run. A probe is never a task's answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from llm_monitoring import projects, registry
from llm_monitoring.app import App
from llm_monitoring.db import Database, load
from llm_monitoring.domain import KeyId
from llm_monitoring.errors import Invalid, MonitoringError, NotReady
from llm_monitoring.keys import Clients, NoKey
from llm_monitoring.ledger import Attempt, Paid, Payment, PaymentService, new_id
from llm_monitoring.providers import Answer, ProviderError, Question
from llm_monitoring.registry import Model, NotCallable, Price, Quote, RegistryEntry, admin
from llm_monitoring.registry.admin import Author

SQL = load("probe")

PROBE_PROMPT: Final = "Name three well-known accounting programs for small companies, one short line each."
PROBE_OUTPUT_TOKENS: Final = 1000  # a model that reasons first needs room for it


class NoAnswer(MonitoringError):
    """The model did not answer the probe."""


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """A probe before it is made: the question, the user who pays, and the most that it can cost in USD."""

    entry: RegistryEntry
    model: Model
    question: Question
    user_id: int
    ceiling_usd: Decimal


@dataclass(frozen=True, slots=True)
class Probe:
    """A model's answer to the probe, and what its user was charged for it in USD."""

    answer: Answer
    charged_usd: Decimal


@dataclass(frozen=True, slots=True)
class Activation:
    """A probe and what followed from it: the model that was current before, and whether it was replaced."""

    probe: Probe
    before: RegistryEntry | None
    switched: bool


Confirm = Callable[[Probe, RegistryEntry | None], bool]


def plan_probe(app: App, entry: RegistryEntry, user: str | None = None) -> ProbePlan:
    """Plan the probe of an approved and priced model; `user` pays, by default the operator's own user.

    Raises NotReady, Invalid without a user, NotFound for an unknown one.
    """
    model = admin.require_ready(entry)
    user_id = find_payer(app, user)
    try:
        question = probe_question(model)
        tariff = model.tariff(app.settings.base_urls.get(model.provider))
        ceiling = tariff.quote(question, *app.budget.pricing_times()).ceiling_usd
    except NotCallable as exc:
        raise NotReady("model", entry.name, str(exc), code=exc.code, **exc.facts) from exc
    return ProbePlan(entry, model, question, user_id, ceiling)


def find_payer(app: App, user: str | None) -> int:
    wanted = user if user is not None else app.settings.operator_user_id
    if wanted is None:
        raise Invalid("user", "say who pays for the question", code="payer_missing")
    return int(projects.find_user(app.db, str(wanted))["id"])


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


def probe(app: App, plan: ProbePlan, author: Author) -> Probe:
    """Make a probe and record that the model answered it.

    Raises BudgetExceeded, NoKey, KeyUnreadable, NoAnswer.
    """
    model = plan.model
    key, tariff = find_key(app, model, plan.user_id), model.tariff(app.settings.base_urls.get(model.provider))
    quote = tariff.quote(plan.question, *app.budget.pricing_times())
    attempt = new_probe_attempt(model, key, plan.user_id, quote)
    payments = PaymentService(app.budget, app.errors, app.settings.base_urls)
    with closing(Clients(app.keys, app.settings)) as clients:
        try:
            client = clients.get(key, plan.user_id)
            paid = payments.execute(probe_payment(attempt, quote.price), plan.question, client, tariff)
        except ProviderError as exc:
            cost = sum(charged(app.db, [attempt.id]).values(), Decimal(0))
            message = f"{plan.entry.name} gave no answer, which cost {cost:f} USD ({exc.kind}: {exc})"
            raise NoAnswer(message) from exc
    admin.mark_validated(app.db, plan.entry, author)
    return Probe(paid.answer, charged(app.db, [attempt.id])[model.model_id])


def activate(app: App, plan: ProbePlan, author: Author, confirm: Confirm) -> Activation:
    """Probe a model and, if it answers and `confirm` agrees, make it its provider's current one; raises as `probe`."""
    answered = probe(app, plan, author)
    before = admin.current(app.db, plan.model.provider)
    switched = confirm(answered, before)
    if switched:
        admin.switch(app.db, plan.entry, author)
    return Activation(answered, before, switched)


def find_key(app: App, model: Model, user_id: int) -> KeyId:
    """The key with which a user's probe is made; raises NoKey."""
    found = app.keys.find(user_id, model.provider)
    if found is None:
        message = f"user {user_id} has no {model.provider} API key"
        raise NoKey(message, code="key_missing", user_id=user_id, provider=model.provider)
    return KeyId(model.provider, user_id if found.source == "user" else None)


def new_probe_attempt(model: Model, key: KeyId, user_id: int, quote: Quote) -> Attempt:
    """An attempt of kind `probe`: it has no task, so that nothing takes it for a day's answer."""
    return Attempt(
        id=new_id(),
        kind="probe",
        user_id=user_id,
        provider=model.provider,
        model_id=model.model_id,
        key_source="operator" if key.user_id is None else "user",
        ceiling_usd=quote.ceiling_usd,
        rates=registry.write_rates(quote.price),
    )


def probe_payment(attempt: Attempt, price: Price) -> Payment[Paid]:
    """A payment that leaves its attempt and its receipt, no result and no failed task."""
    return Payment(attempt, price, save=lambda tx, paid: paid, save_error=lambda tx, error: None)


def charged(db: Database, attempt_ids: Iterable[uuid.UUID]) -> dict[str, Decimal]:
    """What these attempts were charged in the ledger, by model, in USD; those never reserved are not in it."""
    rows = db.all(SQL.charged, {"ids": [str(attempt_id) for attempt_id in attempt_ids]})
    return {row["model_id"]: row["usd"] for row in rows}
