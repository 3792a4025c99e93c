"""One paid call from reservation to settlement: every sent call is reserved, every received reply is kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Generic, TypeVar

from llm_monitoring import failpoints, registry
from llm_monitoring.db import BrokenOff, DatabaseUnavailable, Locked, RowError, RowErrors, Stage, Transaction
from llm_monitoring.domain import ProviderName
from llm_monitoring.errors import MonitoringError
from llm_monitoring.ledger.attempts import Attempt, Settlement
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.charges import Charges, report_overrun
from llm_monitoring.ledger.errors import Withdrawn, WithdrawnFor
from llm_monitoring.logs import SECRETS
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
from llm_monitoring.registry import Price, Tariff

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Paid:
    """A call that brought an answer, as it is stored.

    `refused`: the database has refused to store the analysis of this answer, which is then stored unread.
    """

    attempt: Attempt
    answer: Answer
    reply: Reply
    settlement: Settlement
    refused: RowError | None = None

    @property
    def charged_usd(self) -> Decimal:
        return self.settlement.cost_usd if self.settlement.state == "settled" else self.attempt.ceiling_usd


Save = Callable[[Transaction, Paid], T]
SaveError = Callable[[Transaction, ProviderError], None]


@dataclass(frozen=True, slots=True)
class Payment(Generic[T]):
    """An attempt with its price, and what stores its answer or its failure in the transaction that settles it."""

    attempt: Attempt
    price: Price
    save: Save[T]
    save_error: SaveError


class Unsettled(MonitoringError):
    """A reply was received and kept, and the database refuses its settlement; the next start tries again."""

    def __init__(self, attempt_id: uuid.UUID, cause: RowError) -> None:
        super().__init__(f"call {attempt_id} stays open: {cause.code}: {cause.message}")
        self.attempt_id = attempt_id
        self.cause = cause


class SettlementDelayed(Locked):
    """The call was made, but another session holds a row of its settlement: `finish` tries again, as the next start."""

    def __init__(self, finish: Callable[[], object]) -> None:
        super().__init__()
        self.finish = finish


class PaymentService:
    """Makes calls and pays for them."""

    def __init__(
        self, budget: Budget, errors: RowErrors, base_urls: Mapping[ProviderName, str] = MappingProxyType({})
    ) -> None:
        self.budget = budget
        self.errors = errors
        self.charges = Charges(budget, base_urls)

    def execute(
        self,
        payment: Payment[T],
        question: Question,
        provider: Provider,
        tariff: Tariff,
        on_reply: Callable[[], None] = lambda: None,
    ) -> T:
        """Reserve, send, keep the receipt, settle; return what `save` returned.

        `payment.price` is the price that the attempt is admitted with; it is settled at the dearer of that and the
        tariff's price at sending. `on_reply` is called when the provider has replied.

        Raises BudgetExceeded, Withdrawn, the provider's error once settled, Unsettled or SettlementDelayed.
        """
        failpoints.reach("reserve")
        self.budget.reserve(payment.attempt)
        failpoints.reach("reserved")
        payment = self.priced_at_sending(payment, question, tariff)
        self.mark_sent(payment.attempt, payment.price)
        reply = self.send(payment, question, provider)
        on_reply()
        failpoints.reach("replied")

        def finish() -> T:
            self.keep_receipt(payment.attempt, reply)
            failpoints.reach("receipt_kept")
            return self.settle(payment, reply)

        try:
            return finish()
        except SettlementDelayed:
            raise
        except Locked as exc:
            raise SettlementDelayed(finish) from exc

    def priced_at_sending(self, payment: Payment[T], question: Question, tariff: Tariff) -> Payment[T]:
        """The payment at the dearer of its price and the price in force now.

        Raises Withdrawn if a price has begun since then that the ceiling does not cover: the call is asked again.
        """
        price = registry.dearest(payment.price, tariff.at(*self.budget.pricing_times()))
        if price != payment.price and registry.ceiling(price, question) > payment.attempt.ceiling_usd:
            self.budget.release(payment.attempt.id, "price_changed", "a dearer price began before the call was sent")
            raise Withdrawn(WithdrawnFor.PRICE_CHANGED)
        return replace(payment, price=price)

    def mark_sent(self, attempt: Attempt, price: Price) -> None:
        """Commit that the call goes out at this price; raises Withdrawn if it may not."""
        try:
            if not self.budget.mark_sent(attempt, registry.write_rates(price)):
                self.budget.release(attempt.id, "withdrawn", "another run has asked the task or taken over")
                raise Withdrawn(WithdrawnFor.TASK_TAKEN)
        except Locked as exc:  # what stays reserved is released by the next start
            raise Withdrawn(WithdrawnFor.ENTRY_LOCKED) from exc
        failpoints.reach("sent")

    def send(self, payment: Payment[T], question: Question, provider: Provider) -> Reply:
        with self.closing_on_failure(payment, ProviderUnavailable("the call broke off unexpectedly", billed="maybe")):
            return provider.send(question)

    def keep_receipt(self, attempt: Attempt, reply: Reply) -> None:
        """Store the reply before it is read; if the database refuses it, its answer is stored without a receipt."""
        with self.errors.guard("keep_receipt", label(attempt), passes=is_held, user_id=attempt.user_id):
            self.budget.keep_receipt(attempt.id, reply, redact_bytes(reply.body))

    def settle(self, payment: Payment[T], reply: Reply) -> T:
        """Read a kept reply and charge what it says; also for receipts of a dead run."""
        attempt = payment.attempt
        with self.closing_on_failure(payment, BadResponse("the reply broke the code that reads it", billed="maybe")):
            answer = read_reply(attempt.provider, reply)
            settlement = self.charges.of_answer(attempt, payment.price, answer)
        saved = self.store(payment, Paid(attempt, answer, reply, settlement))
        report_overrun(attempt, settlement)
        return saved

    @contextmanager
    def closing_on_failure(self, payment: Payment[T], unexpected: ProviderError) -> Iterator[None]:
        """Close the attempt if the block raises, and raise the error again.

        The attempt is closed with the provider's error; any other error closes it with `unexpected`, as `unknown` at
        its ceiling, so that recovery does not meet it again. If the database is away it stays open, and the next start
        settles it from its receipt.
        """
        try:
            yield
        except DatabaseUnavailable:
            raise
        except ProviderError as exc:
            self.close_failed(payment, exc)
            raise
        except BaseException:
            self.close_failed(payment, unexpected)
            raise

    def close_failed(self, payment: Payment[T], error: ProviderError) -> None:
        """Settle an attempt without an answer; raises SettlementDelayed if another session holds a row of it."""

        def finish() -> None:
            self.store_failure(payment, error)
            raise error

        try:
            self.store_failure(payment, error)
        except Locked as exc:
            raise SettlementDelayed(finish) from exc

    def store(self, payment: Payment[T], paid: Paid) -> T:
        """Store answer and settlement in one transaction; raises Unsettled if the database also refuses it unread."""

        def close(paid: Paid) -> Callable[[Transaction], T]:
            def work(tx: Transaction) -> T:
                saved = payment.save(tx, paid)
                self.budget.close(tx, paid.attempt.id, paid.settlement)
                failpoints.reach("settling")
                return saved

            return work

        saved = self.close_in_transaction("store_answer", paid.attempt, close(paid))
        if isinstance(saved, RowError):
            refused = saved
            saved = self.close_in_transaction("settle_attempt", paid.attempt, close(replace(paid, refused=refused)))
            self.errors.add(saved if isinstance(saved, RowError) else refused)
            if isinstance(saved, RowError):
                raise Unsettled(paid.attempt.id, saved)
        failpoints.reach("settled")
        return saved

    def store_failure(self, payment: Payment[T], error: ProviderError) -> None:
        """Settle an attempt together with its failure, or alone if the database refuses the failure; raises Locked."""
        attempt = payment.attempt
        settlement = self.charges.of_error(attempt, payment.price, error)

        def close_with_failure(tx: Transaction) -> None:
            payment.save_error(tx, error)
            close(tx)

        def close(tx: Transaction) -> None:
            self.budget.close(tx, attempt.id, settlement)
            failpoints.reach("failing")

        refused = self.close_in_transaction("record_failure", attempt, close_with_failure)
        if refused is not None:
            still_open = self.close_in_transaction("settle_attempt", attempt, close)
            self.errors.add(still_open or refused)
        report_overrun(attempt, settlement)
        failpoints.reach("failed")

    def close_in_transaction(self, stage: Stage, attempt: Attempt, close: Callable[[Transaction], T]) -> T | RowError:
        """Run `close` in one transaction; return its result, or the error that refused it. Raises Locked."""
        with self.errors.guard(stage, label(attempt), keep=False, passes=is_locked, user_id=attempt.user_id) as work:
            closed = self.budget.db.transact(close)
        return closed if work.error is None else work.error


def is_locked(error: BaseException) -> bool:
    """Whether another session holds what was to be written: nothing is refused, and the same will do later."""
    return isinstance(error, Locked)


def is_held(error: BaseException) -> bool:
    """Whether trying again later helps: not if the database breaks the statement off each time."""
    return isinstance(error, Locked) and not isinstance(error, BrokenOff)


def label(attempt: Attempt) -> str:
    """An attempt's name in row errors."""
    return f"Llamada {attempt.id}"


def redact_bytes(body: bytes) -> bytes:
    """The body without any known key; bytes that are not UTF-8 are kept as received."""
    text = body.decode("utf-8", "surrogateescape")
    return SECRETS.hide(text).encode("utf-8", "surrogateescape")


def is_final(error: ProviderError) -> bool:
    """Whether an error ends the task for the day: it was billed and answered, so asking again would pay twice."""
    return error.billed == "yes" and error.usage is not None
