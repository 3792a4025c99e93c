"""Settles the calls that a dead run left open; the first thing that a start does (design, section 5.6).

A call is closed by how far it got, which its attempt and receipt show:

- `reserved`: it was never sent. Released, nothing is charged.
- with a receipt: its reply is read now, as the dead run would have done, charged and stored, at the rates that the
  attempt was admitted with.
- `sent` without a receipt: it may have been billed. Closed as `unknown` at its ceiling, which the month keeps; the task
  is open again and may be asked a second time, as a lost answer is worse than a second price.

The end of a run does the same for calls with a receipt. The commit of a settlement does not wait for the disk, as that
of its receipt did: a crash of the database during the run may have taken it back.

It is safe to run again after a kill at any point: each attempt is closed in one transaction that requires its open
state, and one that was `unknown` is settled later if a receipt turns up. It needs the lock of the run (or chunk), since
the owner of an open attempt might otherwise still be waiting for the reply.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from threading import Event
from typing import Final

from llm_monitoring import failpoints, registry
from llm_monitoring.answers import store
from llm_monitoring.db import BrokenOff, Database, Locked, Row, TableLocked, Transaction
from llm_monitoring.domain import Task, provider_name, read_task
from llm_monitoring.errors import MonitoringError
from llm_monitoring.ledger import Attempt, Paid, Payment, Settlement, SettlementDelayed
from llm_monitoring.providers import ProviderError, ProviderUnavailable, Reply
from llm_monitoring.registry import Price
from llm_monitoring.runs import chunks, tasks
from llm_monitoring.runs.executor import TaskExecutor, failure_of, save_sentiment, sentiment_failure

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.5
HELD_CODES: Final = tuple(each.__name__ for each in (Locked, TableLocked, BrokenOff, SettlementDelayed))


class StillAtWork(MonitoringError):
    """Workers are still at work on a run that is over."""

    def __init__(self, owners: Sequence[str]) -> None:
        super().__init__(
            f"the last run is over, but {', '.join(owners)} still work on it: stop these worker processes, start again"
        )


@dataclass(slots=True)
class Recovered:
    """How many calls were released, settled from their receipts, or charged in doubt, and which days have changed."""

    released: int = 0
    settled: int = 0
    unknown: int = 0
    days: set[tuple[int, date]] = field(default_factory=set)

    @property
    def total(self) -> int:
        return self.released + self.settled + self.unknown

    def add(self, more: Recovered) -> None:
        self.released += more.released
        self.settled += more.settled
        self.unknown += more.unknown
        self.days |= more.days


def recover(executor: TaskExecutor, chunk_id: int | None = None, *, received: bool = False) -> Recovered:
    """Close every open attempt, those of one chunk, or those `received`; needs the run's or the chunk's lock.

    One that cannot be closed stays open with its ceiling reserved, for the next start; so do all others of the user if
    another session holds the account, as each try would wait for the whole lock timeout.
    """
    recovered, after, held = Recovered(), None, set[int]()
    while rows := executor.budget.open_attempts(chunk_id, after, received=received):
        for row in rows:
            failpoints.reach("recovery_step")
            if row["user_id"] in held | executor.errors.hanging:
                continue
            with executor.errors.guard("settle_attempt", f"Llamada {row['id']}", user_id=row["user_id"]) as guarded:
                recover_one(executor, row, recovered)
            if guarded.error is not None and guarded.error.code in HELD_CODES:
                held.add(row["user_id"])
            failpoints.reach("recovery_stepped")
        after = rows[-1]
    if recovered.total:
        report(recovered, chunk_id, received=received)
    return recovered


def settle_received(executor: TaskExecutor) -> Recovered:
    """Settle the calls with a receipt that a crash of the database has opened again during the run.

    It looks again until a state that is on the disk has none: a crash may take back these settlements as well.
    """
    settled = Recovered()
    while True:
        executor.budget.flush()
        more = recover(executor, received=True)
        settled.add(more)
        if not more.total:
            return settled


def report(recovered: Recovered, chunk_id: int | None, *, received: bool) -> None:
    what = "Ejecución anterior interrumpida" if chunk_id is None else f"Tramo #{chunk_id} interrumpido"
    log.warning(
        "♻️ %s: %d llamada(s) liberadas, %d cobradas por su recibo, %d dudosas",
        "La base de datos perdió cierres de llamadas" if received else what,
        recovered.released,
        recovered.settled,
        recovered.unknown,
        extra={"event": "run.recovered", "calls": recovered.total, "chunk_id": chunk_id},
    )


def wait_for_owners(db: Database, seconds: float, stop: Event) -> None:
    """Wait until no worker has a chunk of an ended run: its calls in flight would be asked and paid twice.

    Workers notice within seconds that the run is over and let their calls end. Raises StillAtWork after `seconds`, or
    once `stop` is set.
    """
    deadline, logged = time.monotonic() + seconds, False
    while owners := chunks.owners_of_ended_runs(db):
        if stop.is_set() or time.monotonic() >= deadline:
            raise StillAtWork(owners)
        if not logged:
            log.warning(
                "⏳ Se espera a que acaben las llamadas de la ejecución anterior: %s",
                ", ".join(owners),
                extra={"event": "run.waiting", "workers": owners},
            )
            logged = True
        time.sleep(POLL_SECONDS)
    with suppress(Locked):  # no worker takes chunks of ended runs; the next start closes them
        chunks.close_ended(db)


def recover_one(executor: TaskExecutor, row: Row, recovered: Recovered) -> None:
    if row["project_id"] is not None and isinstance(row["analysis_date"], date):
        recovered.days.add((row["project_id"], row["analysis_date"]))
    if row["state"] == "reserved":
        executor.budget.release(row["id"], "owner_dead", "the run that reserved it ended before sending it")
        recovered.released += 1
    elif row["body"] is not None and settle_from_receipt(executor, row):
        recovered.settled += 1
    elif row["state"] == "sent":
        close_as_unknown(executor, row)
        recovered.unknown += 1


def settle_from_receipt(executor: TaskExecutor, row: Row) -> bool:
    """Charge and store what a kept reply says; False if neither the attempt nor the registry has its rates."""
    price = price_of(executor, row)
    if price is None:
        return False
    reply = Reply(row["http_status"], bytes(row["body"]), row["latency_ms"], row["request_id"], row["service_tier"])
    try:
        executor.payments.settle(payment_of(executor, row, price), reply)
    except ProviderError as exc:
        log.info(
            "El recibo de la llamada %s no contiene respuesta: %s",
            row["id"],
            exc,
            extra={"event": "receipt.error"},
        )
    return True


def payment_of(executor: TaskExecutor, row: Row, price: Price) -> Payment[None]:
    """An attempt of an earlier run or of a batch, as its own run would have settled it."""
    attempt = read_attempt(row)
    task, tracked = attempt.task, None if attempt.task is None else executor.find_project(attempt.task.project_id)

    def save(tx: Transaction, paid: Paid) -> None:
        if task is None:
            return
        if attempt.kind == "sentiment":
            save_sentiment(tx, task, tracked, paid)
        else:
            executor.save_answer(tx, task, tracked, paid)

    def save_error(tx: Transaction, error: ProviderError) -> None:
        if task is not None:
            save_failure(tx, attempt, task, error)

    return Payment(attempt, price, save, save_error)


def price_of(executor: TaskExecutor, row: Row) -> Price | None:
    """The rates that the attempt keeps; for one of an older release, those in force when it was sent."""
    if row["rates"] is not None:
        return registry.read_rates(row["rates"])
    model = registry.find_model(executor.budget.db, provider_name(row["llm_provider"]), row["model_id"])
    return None if model is None or model.prices is None else executor.tariff(model).at(row["sent_at"])


def save_failure(tx: Transaction, attempt: Attempt, task: Task, error: ProviderError) -> None:
    if attempt.kind == "sentiment":
        store.set_sentiment(tx, task, None, "failed", sentiment_failure(error))
    else:
        tasks.record_failure(tx, task, failure_of(error, attempt.model_id), attempt.run_id)


def close_as_unknown(executor: TaskExecutor, row: Row) -> None:
    """Close a call that may have been billed: its ceiling is charged, and the task may be asked again."""
    settlement = Settlement("unknown", error_kind="owner_dead", error_message="the run ended before the reply was kept")
    attempt = read_attempt(row)

    def close(tx: Transaction) -> None:
        if attempt.task is not None and attempt.kind == "answer":
            error = ProviderUnavailable("the run ended before the reply was kept", billed="maybe")
            save_failure(tx, attempt, attempt.task, error)
        executor.budget.close(tx, attempt.id, settlement)

    executor.budget.db.transact(close)


def read_attempt(row: Row) -> Attempt:
    """The attempt of a row; without a task if its prompt was deleted."""
    return Attempt(
        id=uuid.UUID(str(row["id"])),
        kind=row["kind"],
        user_id=row["user_id"],
        provider=provider_name(row["llm_provider"]),
        model_id=row["model_id"],
        key_source=row["key_source"],
        ceiling_usd=row["ceiling_usd"],
        run_id=row["run_id"],
        task=None if row["query_text"] is None else read_task(row),
        mode=row["mode"],
    )
