"""One paid call from reservation to settlement: nothing is sent unreserved, nothing that arrived is lost."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Literal

from llm_monitoring import failpoints, registry
from llm_monitoring.db.database import BrokenOff, Conflict, DatabaseUnavailable, Locked, Transaction
from llm_monitoring.db.row_errors import RowError, RowErrors, Stage
from llm_monitoring.domain import ProviderName, Usage
from llm_monitoring.errors import MonitoringError
from llm_monitoring.ledger.budget import Attempt, Budget, BudgetReserved, OperatorExhausted, RunSuperseded, Settlement
from llm_monitoring.logs.redaction import SECRETS, redact
from llm_monitoring.providers import (
    Answer,
    BadResponse,
    Provider,
    ProviderError,
    ProviderUnavailable,
    Question,
    Reply,
    read_reply,
)
from llm_monitoring.registry import NotCallable, Price, Tariff, Unpriced

log = logging.getLogger(__name__)

LONGEST_NAME: Final = 100  # characters of what a reply named that a log line holds

# With an error, storing the answer's analysis was refused before: the answer is stored unread.
Save = Callable[[Transaction, Answer, Reply, Settlement, RowError | None], None]
SaveError = Callable[[Transaction, ProviderError], None]


BlockedBy = Literal["budget", "operator_budget", "lock"]


class BudgetExceeded(MonitoringError):
    """The budget does not cover the call's ceiling."""

    def __init__(self, message: str = "", *, by: BlockedBy = "budget", for_now: bool = False) -> None:
        super().__init__(message)
        self.by = by
        self.for_now = for_now  # other calls may give back what is missing, another session may let go of the account


class Withdrawn(MonitoringError):
    """Another run has answered the task or taken over, so the call does not go out."""


class Unsettled(MonitoringError):
    """A reply was received and kept, and the database refuses its settlement; the next start tries again."""


class SettlementDelayed(Locked):
    """The call was made, but another session holds what its end is entered in: the next start settles it."""

    def __init__(self, finish: Callable[[], object]) -> None:
        super().__init__()
        self.finish = finish  # tries again; ends as the call would have ended

    def before(self, result: Callable[[], object]) -> SettlementDelayed:
        """The same, with `result` read once it is settled."""

        def finish() -> object:
            self.finish()
            return result()

        return SettlementDelayed(finish)


@dataclass(frozen=True, slots=True)
class Paid:
    """A call that brought an answer, and what it cost its user in USD."""

    answer: Answer
    reply: Reply
    charged_usd: Decimal


class PaymentService:
    """Makes calls and pays for them. `save` and `save_error` run in the transaction that settles."""

    def __init__(
        self, budget: Budget, errors: RowErrors, base_urls: Mapping[ProviderName, str] = MappingProxyType({})
    ) -> None:
        self.budget = budget
        self.errors = errors
        self.base_urls = base_urls

    def execute(
        self,
        call: Attempt,
        question: Question,
        provider: Provider,
        tariff: Tariff,
        save: Save,
        save_error: SaveError,
        on_reply: Callable[[], None] = lambda: None,
    ) -> Paid:
        """Reserve, send, keep the receipt, settle.

        Raises Blocked, Withdrawn, the provider's error once settled, Unsettled or SettlementDelayed.

        `on_reply` is called when the reply is there: from there on the provider has nothing more to do with the call.
        """
        self.reserve(call)
        price = self.price_at_sending(call, question, tariff)
        self.mark_sent(call, price)
        reply = self.send(call, question, provider, price, save_error)
        on_reply()
        failpoints.reach("replied")

        def finish() -> Paid:
            self.keep_receipt(call, reply)
            failpoints.reach("receipt_kept")
            return self.settle(call, reply, price, save, save_error)

        try:
            return finish()
        except Locked as exc:
            raise SettlementDelayed(finish) from exc

    def keep_receipt(self, call: Attempt, reply: Reply) -> None:
        """Store the reply before anything reads it; if the database refuses that, its answer is stored all the same."""
        held: Locked | None = None
        with self.errors.guard("keep_receipt", label(call), user_id=call.user_id):
            try:
                self.budget.keep_receipt(call.id, reply, redact_bytes(reply.body))
            except BrokenOff:
                raise  # trying later will not help
            except Locked as exc:
                held = exc
        if held is not None:
            raise held

    def mark_sent(self, call: Attempt, price: Price) -> None:
        try:
            if not self.budget.mark_sent(call, registry.write_rates(price)):
                self.budget.release(call.id, "withdrawn", "another run has asked the task or taken over")
                raise Withdrawn
        except Locked as exc:  # what stays reserved is released by the next start
            raise Withdrawn("another session holds the call's own entry") from exc
        failpoints.reach("sent")

    def reserve(self, call: Attempt) -> None:
        failpoints.reach("reserve")
        try:
            admitted = self.budget.reserve(call)
        except (Conflict, RunSuperseded) as exc:
            raise Withdrawn("the task is being asked by another run") from exc
        except BudgetReserved as exc:
            raise BudgetExceeded(for_now=True) from exc
        except Locked as exc:
            raise BudgetExceeded(
                f"otra aplicación retiene la cuenta del usuario: {exc}", by="lock", for_now=True
            ) from exc
        except OperatorExhausted as exc:
            told = f"el techo de la llamada, {call.ceiling_usd:.4f} USD, no cabe en LLM_OPERATOR_MONTHLY_BUDGET_USD"
            raise BudgetExceeded(told, by="operator_budget") from exc
        if not admitted:
            raise BudgetExceeded(f"el techo de la llamada, {call.ceiling_usd:.4f} USD, no cabe en lo que queda del mes")
        failpoints.reach("reserved")

    def price_at_sending(self, call: Attempt, question: Question, tariff: Tariff) -> Price:
        """The dearer of the rates that the call was admitted with and those in force now.

        Raises Withdrawn if another price has begun since that the ceiling does not cover: the call is asked again.
        """
        now = tariff.at(*self.budget.pricing_times())
        admitted = now if call.rates is None else registry.read_rates(json.loads(call.rates))
        price = registry.dearest(admitted, now)
        if price != admitted and registry.ceiling(price, question) > call.ceiling_usd:
            self.budget.release(call.id, "price_changed", "a dearer price began before the call was sent")
            raise Withdrawn("a dearer price began before the call was sent")
        return price

    def send(self, call: Attempt, question: Question, provider: Provider, price: Price, save_error: SaveError) -> Reply:
        error: ProviderError | None = ProviderUnavailable("the call broke off unexpectedly", billed="maybe")
        try:
            reply = provider.send(question)
            error = None
            return reply
        except ProviderError as exc:
            error = exc
            raise
        finally:
            if error is not None:
                self.fail(call, price, error, save_error)

    def fail(self, call: Attempt, price: Price, error: ProviderError, save_error: SaveError) -> None:
        """End a call that brought no reply; raises SettlementDelayed if another session holds what it is entered in."""

        def finish() -> None:
            self.close_failed(call, price, error, save_error)
            raise error

        try:
            self.close_failed(call, price, error, save_error)
        except Locked as exc:
            raise SettlementDelayed(finish) from exc

    def settle(self, call: Attempt, reply: Reply, price: Price, save: Save, save_error: SaveError) -> Paid:
        """Read a reply that was kept, and charge what it says; also for receipts that a dead run left."""
        answer, outcome = self.read(call, reply, price, save_error)
        charged = self.store(call, answer, reply, outcome, save)
        report_overrun(call, outcome)
        return Paid(answer, reply, charged)

    def read(self, call: Attempt, reply: Reply, price: Price, save_error: SaveError) -> tuple[Answer, Settlement]:
        """A reply that breaks its reader in a way nobody foresaw is charged its ceiling, and never met again."""
        error: ProviderError | None = BadResponse("the reply broke the code that reads it", billed="maybe")
        try:
            answer = read_reply(call.provider, reply)
            outcome = self.outcome_of(call, answer, price)
            error = None
        except ProviderError as exc:
            error = exc
            raise
        except DatabaseUnavailable:
            error = None  # the next start settles it from its receipt
            raise
        finally:
            if error is not None:
                self.close_failed(call, price, error, save_error)
        return answer, outcome

    def store(self, call: Attempt, answer: Answer, reply: Reply, outcome: Settlement, save: Save) -> Decimal:
        """Result and settlement in one transaction; raises Unsettled where the database refuses both forms of it."""
        refused: RowError | None = None

        def close(tx: Transaction) -> Decimal | None:
            save(tx, answer, reply, outcome, refused)
            charged = self.budget.close(tx, call.id, outcome)
            failpoints.reach("settling")
            return charged

        charged, refused = self.attempt("store_answer", call, close)
        if refused is not None:
            charged, unread = self.attempt("settle_attempt", call, close)
            self.errors.add(unread or refused)
            if unread is not None:
                raise Unsettled(f"call {call.id} stays open: {unread.code}: {unread.message}")
        failpoints.reach("settled")
        return charged or Decimal(0)

    def attempt(
        self, stage: Stage, call: Attempt, close: Callable[[Transaction], Decimal | None]
    ) -> tuple[Decimal | None, RowError | None]:
        """Close a call in one transaction; return its charge, or the error that refused it. Raises Locked."""
        charged, held = None, None
        with self.errors.guard(stage, label(call), keep=False, user_id=call.user_id) as work:
            try:
                charged = self.budget.db.transact(close)
            except Locked as exc:  # it refuses nothing: the same will do later
                held = exc
        if held is not None:
            raise held
        return charged, work.error

    def close_failed(self, call: Attempt, price: Price, error: ProviderError, save_error: SaveError) -> None:
        """Settle a call that brought no answer, with its failure where that can be stored; else it stays open."""
        outcome = self.outcome_of_error(call, error, price)

        def close(tx: Transaction) -> Decimal | None:
            save_error(tx, error)
            return close_alone(tx)

        def close_alone(tx: Transaction) -> Decimal | None:
            charged = self.budget.close(tx, call.id, outcome)
            failpoints.reach("failing")
            return charged

        _, refused = self.attempt("record_failure", call, close)
        if refused is not None:
            _, open_still = self.attempt("settle_attempt", call, close_alone)
            self.errors.add(open_still or refused)
        report_overrun(call, outcome)
        failpoints.reach("failed")

    def outcome_of(self, call: Attempt, answer: Answer, price: Price) -> Settlement:
        """What an answer costs; without usage to be trusted, or a price for it, its ceiling."""
        if answer.usage is None:
            return Settlement("unknown", model_served=answer.model, error_kind="usage_missing")
        state, cost = self.charge(call, price, answer.usage, answer.model)
        kind = "unpriced" if state == "unknown" else None
        return Settlement(state, cost, answer.usage, answer.model, kind)

    def outcome_of_error(self, call: Attempt, error: ProviderError, price: Price) -> Settlement:
        """What a failed call costs: nothing, its usage, or in doubt its ceiling (design, section 5.5)."""
        message = redact(str(error))
        if error.billed == "no":
            return Settlement("void", error_kind=error.kind, error_message=message)
        if error.billed == "yes" and error.usage is not None:
            state, cost = self.charge(call, price, error.usage, error.model or "")
            return Settlement(state, cost, error.usage, error.model, error.kind, message)
        return Settlement("unknown", error_kind=error.kind, error_message=message)

    def charge(
        self, call: Attempt, price: Price, usage: Usage, served: str
    ) -> tuple[Literal["settled", "unknown"], Decimal]:
        """What a usage costs; without a price for it the ceiling, or what it costs at least if that is more."""
        cost = self.cost(call, price, usage, served)
        if cost is not None:
            return "settled", cost
        least = registry.least_cost(price, usage)
        return ("settled", least) if least > call.ceiling_usd else ("unknown", Decimal(0))

    def cost(self, call: Attempt, price: Price, usage: Usage, served: str) -> Decimal | None:
        """What a usage costs by the model that was served; None, and logged, if that has no price."""
        if usage.cost_usd:
            return registry.cost(price, usage)
        found = self.served_price(call, price, served)
        try:
            if found is not None:
                return registry.cost(found, usage)
            part, value = "model", served
        except Unpriced as exc:
            part, value = exc.part, exc.value
        log.warning(
            "⚠️ %s/%s: la respuesta nombra lo que no tiene precio (%s %s); se cobra el techo de la llamada, %s USD",
            call.provider, call.model_id, part, redact(value)[:LONGEST_NAME], call.ceiling_usd,
            extra={"event": "call.unpriced", "user_id": call.user_id, "provider": call.provider,
                   "model_id": call.model_id, "part": part, "value": redact(value)[:LONGEST_NAME]},
        )  # fmt: skip
        return None

    def served_price(self, call: Attempt, price: Price, served: str) -> Price | None:
        """The price of the model that was asked, or of another one that was served if that is dearer, part by part.

        None: the registry has no price for the model that was served.
        """
        if registry.is_same_model(call.model_id, served):
            return price
        try:
            model = registry.find_served(self.budget.db, call.provider, served)
        except NotCallable:
            return None
        if model is None or model.prices is None:
            return None
        log.warning(
            "⚠️ %s/%s: respondió %s; se cobra al más caro de los dos precios",
            call.provider, call.model_id, model.model_id,
            extra={"event": "call.other_model", "user_id": call.user_id, "provider": call.provider,
                   "model_id": call.model_id, "served": model.model_id},
        )  # fmt: skip
        tariff = model.tariff(self.base_urls.get(call.provider))
        return registry.dearest(price, tariff.at(*self.budget.sending_times(call.id), *self.budget.pricing_times()))


def report_overrun(call: Attempt, outcome: Settlement) -> None:
    """Say that a call cost more than its ceiling, e.g. by fees of tools that it did not offer: all of it is charged."""
    if outcome.state == "settled" and outcome.cost_usd > call.ceiling_usd:
        log.error(
            "❌ La llamada %s costó %s USD, por encima de su techo de %s USD",
            call.id, outcome.cost_usd, call.ceiling_usd,
            extra={"event": "call.over_ceiling", "user_id": call.user_id, "provider": call.provider},
        )  # fmt: skip


def label(call: Attempt) -> str:
    """A call's name in reports of errors."""
    return f"Llamada {call.id}"


def redact_bytes(body: bytes) -> bytes:
    """The body without any known key; bytes that are no UTF-8 are kept as they came."""
    text = body.decode("utf-8", "surrogateescape")
    return SECRETS.hide(text).encode("utf-8", "surrogateescape")


def is_final(error: ProviderError) -> bool:
    """Whether an error ends the task for the day: it was billed and answered, so asking again would pay twice."""
    return error.billed == "yes" and error.usage is not None
