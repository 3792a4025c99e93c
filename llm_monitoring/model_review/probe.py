"""Trial calls: a question to a model outside the daily run, paid as the daily run pays, and never a day's result."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from llm_monitoring import registry
from llm_monitoring.db.database import Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.domain import KeyId
from llm_monitoring.errors import MonitoringError
from llm_monitoring.keys.clients import NoKey
from llm_monitoring.ledger.budget import Attempt, new_id
from llm_monitoring.ledger.payment import Paid, Payment
from llm_monitoring.providers import (
    Answer,
    ProviderError,
    Question,
)
from llm_monitoring.registry import Model, RegistryEntry, admin
from llm_monitoring.registry.admin import Author
from llm_monitoring.runs.executor import TaskExecutor

SQL = load("probe")

PROBE_PROMPT: Final = "Name three well-known accounting programs for small companies, one short line each."
PROBE_OUTPUT_TOKENS: Final = 1000  # a model that reasons first needs room for it


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


def probe(desk: TaskExecutor, entry: RegistryEntry, author: Author, user_id: int) -> Probe:
    """Ask an approved and priced model one small question at the user's expense, and note that it answered.

    Raises BadInput, NotCallable, BudgetExceeded, NoKey, KeyUnreadable, NoAnswer.
    """
    model = admin.require_ready(entry)
    question = probe_question(model)
    call_id = new_id()
    try:
        paid = pay(desk, model, question, user_id, call_id)
    except ProviderError as exc:
        cost = sum(charged(desk, [call_id]).values(), Decimal(0))
        name = f"{model.provider}/{model.model_id}"
        raise NoAnswer(f"{name} gave no answer, which cost {cost:f} USD ({exc.kind}: {exc})") from exc
    admin.mark_validated(desk.budget.db, entry, author)
    return Probe(paid.answer, charged(desk, [call_id])[model.model_id])


def charged(desk: TaskExecutor, call_ids: Sequence[uuid.UUID]) -> dict[str, Decimal]:
    """What the ledger says that these calls cost, by model, in USD; calls that were never admitted are not in it."""
    rows = desk.budget.db.all(SQL.charged, {"ids": [str(call_id) for call_id in call_ids]})
    return {row["model_id"]: row["usd"] for row in rows}


def pay(desk: TaskExecutor, model: Model, question: Question, user_id: int, call_id: uuid.UUID) -> Paid:
    """One call of kind `probe`: without a task, so that nothing takes it for a day's answer."""
    key, tariff = key_for(desk, model, user_id), desk.tariff(model)
    quote = tariff.quote(question, *desk.budget.pricing_times())
    call = Attempt(
        id=call_id,
        kind="probe",
        user_id=user_id,
        provider=model.provider,
        model_id=model.model_id,
        key_source="operator" if key.user_id is None else "user",
        ceiling_usd=quote.ceiling_usd,
        rates=registry.write_rates(quote.price),
    )
    client = desk.clients.get(key, user_id)
    return desk.payments.execute(Payment(call, quote.price, keep_no_answer, keep_no_error), question, client, tariff)


def keep_no_answer(tx: Transaction, paid: Paid) -> Paid:
    """A probe leaves its attempt and its receipt, no result."""
    return paid


def keep_no_error(tx: Transaction, error: ProviderError) -> None:
    """A probe that failed leaves its attempt, no failed task."""


def key_for(desk: TaskExecutor, model: Model, user_id: int) -> KeyId:
    found = desk.clients.keys.find(user_id, model.provider)
    if found is None:
        raise NoKey(
            f"user {user_id} has no {model.provider} API key: store one with "
            f"`python -m llm_monitoring keys set {user_id} {model.provider}`"
        )
    return KeyId(model.provider, user_id if found.source == "user" else None)
