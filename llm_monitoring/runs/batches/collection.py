"""Collects batches: looks how far each is and closes its calls by what the provider reports.

Every start collects first, before recovery, so that no call of a batch is taken for one of a dead run; a run collects
while it waits, and `python -m llm_monitoring collect` at any other time. It needs the run lock. Each step is safe to
repeat after a kill: a call is closed in one transaction that requires its open state, and a batch is closed only when
none of its calls is open.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

from llm_monitoring import failpoints, registry
from llm_monitoring.db import Row
from llm_monitoring.errors import MonitoringError
from llm_monitoring.keys import KeyUnreadable, NoKey
from llm_monitoring.ledger import Payment, redact_bytes
from llm_monitoring.logs import redact
from llm_monitoring.providers import ProviderError, ProviderUnavailable, Reply, read_batch_line
from llm_monitoring.providers.batches import BatchClient, BatchLine, BatchMissing, RemoteBatch, missing_outcome
from llm_monitoring.runs.batches import records
from llm_monitoring.runs.batches.lookup import find_remote
from llm_monitoring.runs.batches.records import Batch, Outcome, Trouble, TroubleCode
from llm_monitoring.runs.batches.texts import trouble_text
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.recovery import payment_of

log = logging.getLogger(__name__)

LONGEST_LIFE: Final = timedelta(hours=49)  # from the POST: a day to run, a day of grace, and an hour
DOWNLOADED: Final = 200  # the status of the results in which a line is that has none of its own
NOT_YET: Final = timedelta(hours=1)  # in which a provider may not know a new batch


class NotAsked(ProviderUnavailable):
    """The batch ended before this request ran."""

    kind = "expired"


@dataclass(slots=True)
class Collected:
    """What was collected: calls by how they ended, the days and runs that they belong to, and what is still out.

    `still_open`: the batches that are not collected; `troubles`: what keeps some of them from it.
    """

    answers: int = 0
    failed: int = 0
    not_billed: int = 0
    unknown: int = 0
    batches: int = 0
    days: set[tuple[int, date]] = field(default_factory=set)
    run_ids: set[int] = field(default_factory=set)
    still_open: list[Batch] = field(default_factory=list)
    troubles: list[tuple[Batch, Trouble]] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return self.answers + self.failed + self.not_billed + self.unknown

    def add(self, other: Collected) -> None:
        """Add what a later collection of the same run brought; what is still out is as it says."""
        self.answers += other.answers
        self.failed += other.failed
        self.not_billed += other.not_billed
        self.unknown += other.unknown
        self.batches += other.batches
        self.days |= other.days
        self.run_ids |= other.run_ids
        self.still_open, self.troubles = other.still_open, other.troubles


def collect(
    executor: TaskExecutor,
    on_batch: Callable[[Batch], None] = lambda batch: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Collected:
    """Go on with every batch that is not collected; needs the run lock.

    A batch that cannot be collected now stays as it is, with its calls open, for the next time.
    """
    collected = Collected()
    with executor.errors.guard("collect_batch", "Horas de envío de lotes"):
        records.bring_back(executor.budget.db)
    for batch in records.uncollected(executor.budget.db):
        if should_stop():
            collected.still_open.append(batch)
            continue
        on_batch(batch)
        with executor.errors.guard("collect_batch", batch.label, user_id=batch.group.key.user_id) as guarded:
            if Collection(executor, batch, collected, should_stop).advance():
                collected.batches += 1
            else:
                collected.still_open.append(batch)
        if guarded.error is not None:
            collected.still_open.append(batch)
    if not should_stop():
        forget(executor)
    if collected.run_ids:
        with executor.errors.guard("finish_run", "Ejecuciones de lotes"):
            records.add_to_runs(executor.budget.db, list(collected.run_ids))
    return collected


def forget(executor: TaskExecutor) -> None:
    """Have the providers delete collected batches; one that refuses is asked again for some days."""
    for batch in records.unforgotten(executor.budget.db):
        try:
            with open_client(executor, batch) as client:
                client.forget(batch.remote if batch.remote_id is None else client.get(batch.remote_id))
        except BatchMissing:
            pass  # it is deleted already
        except (ProviderError, KeyUnreadable, NoKey) as exc:
            log.info(
                "%s: el proveedor aún no lo borra: %s",
                batch.label,
                redact(str(exc)),
                extra={"event": "batch.kept", "batch_id": str(batch.id)},
            )
            continue
        records.mark_forgotten(executor.budget.db, batch)
        failpoints.reach("batch_forgotten")


@contextmanager
def open_client(executor: TaskExecutor, batch: Batch) -> Iterator[BatchClient]:
    """The client of the batch's key; raises NoKey or KeyUnreadable."""
    yield executor.clients.batch_of_key(batch.group.key)


def error_of(line: BatchLine) -> ProviderError:
    """Why a request has no reply."""
    if line.outcome == "not_billed" and (line.error is None or type(line.error) is ProviderUnavailable):
        return NotAsked(str(line.error or "the batch ended before this request ran"), billed="no")
    return line.error or ProviderUnavailable("the batch has no reply to this request", billed="maybe")


class Collection:
    """The collection of one batch; `collected` counts what became of its calls."""

    def __init__(
        self, executor: TaskExecutor, batch: Batch, collected: Collected, should_stop: Callable[[], bool]
    ) -> None:
        self.executor = executor
        self.db = executor.budget.db
        self.batch = batch
        self.collected = collected
        self.should_stop = should_stop

    def advance(self) -> bool:
        """Go on from the batch's state; True if it is collected now."""
        if self.batch.state == "preparing":
            return self.withdraw()
        try:
            with open_client(self.executor, self.batch) as client:
                return self.ask(client)
        except BatchMissing as exc:
            if self.age() < NOT_YET:
                return False
            return self.give_up("not_known", exc)
        except ProviderError as exc:
            if self.should_stop():  # which may be why: it says nothing of the batch
                return False
            return self.give_up("provider_error", exc)
        except (KeyUnreadable, NoKey) as exc:
            return self.give_up("key_unusable", exc)

    def has_other_key(self) -> bool:
        """Whether the key is another one than the batch was made with, which may explain that it is not known."""
        try:
            return records.hash_of(self.executor.clients.secret(self.batch.group.key)) != self.batch.key_hash
        except (KeyUnreadable, NoKey):
            return False

    def age(self) -> timedelta:
        posted: datetime | None = self.batch.posted_at
        return timedelta(0) if posted is None else self.executor.budget.database_clock() - posted

    def give_up(self, code: TroubleCode, error: MonitoringError) -> bool:
        """Keep a batch that cannot be looked at, or after LONGEST_LIFE charge the ceilings of its calls."""
        trouble = Trouble(code, redact(str(error)), self.has_other_key())
        records.mark_looked(self.db, self.batch, trouble)
        if self.age() >= LONGEST_LIFE:
            return self.lose(trouble)
        self.collected.troubles.append((self.batch, trouble))
        fields = {"event": "batch.not_collected", "batch_id": str(self.batch.id), "reason": code}
        text = trouble_text(trouble, "es")
        log.warning("⚠️ %s: aún no se puede recoger: %s", self.batch.label, text, extra=fields)
        return False

    def withdraw(self) -> bool:
        """Release the calls of a batch that was never posted."""
        for row in records.open_calls(self.db, self.batch):
            self.executor.budget.release(row["id"], "withdrawn", "its batch was not posted")
        return records.mark_collected(self.db, self.batch, "withdrawn")

    def ask(self, client: BatchClient) -> bool:
        """Look at the batch at its provider; True if it is collected now."""
        if self.batch.state == "posting":
            remote, absent = find_remote(self.executor, client, self.batch)
            if absent:
                return self.close_absent()
            if remote is None:
                return self.age() >= LONGEST_LIFE and self.lose(Trouble("in_doubt"))
            self.batch = replace(self.batch, state="running", remote_id=remote.remote_id, expires_at=remote.expires_at)
        assert self.batch.remote_id is not None
        remote = client.get(self.batch.remote_id)
        records.mark_looked(self.db, self.batch)
        if remote.state in ("running", "ending"):
            return self.age() >= LONGEST_LIFE and self.lose(Trouble("not_ended", remote.status))
        records.mark_ended(self.db, self.batch)
        failpoints.reach("batch_ended")
        return self.download(client, remote)

    def download(self, client: BatchClient, remote: RemoteBatch) -> bool:
        """Close the calls by the lines of the results; those without a line only after a complete download."""
        rows = {str(row["id"]): row for row in records.open_calls(self.db, self.batch)}
        ours, replied = records.call_ids(self.db, self.batch), 0
        for line in client.lines(remote):
            if self.should_stop():  # the rest is downloaded again
                return False
            replied += line.outcome == "replied" and line.custom_id in ours
            row = rows.pop(line.custom_id, None)
            if row is not None:
                self.settle(row, line)
        outcome = missing_outcome(remote, replied)
        why = f"{remote.error_code or 'no_result'}: {remote.error_message or remote.status}"
        error: ProviderError = ProviderUnavailable(f"the batch has no result for this request ({why})", billed="maybe")
        if outcome == "not_billed":
            error = NotAsked(str(error), billed="no")
        for row in rows.values():
            self.close(row, error)
        failpoints.reach("batch_settled")
        return self.finish(self.outcome_of(remote), remote.error_message)

    def settle(self, row: Row, line: BatchLine) -> None:
        """Close one call by its line; if the database refuses it, the call stays open for the next collection."""
        if row["user_id"] in self.executor.errors.hanging:
            return
        if line.reply is None:
            self.close(row, error_of(line), line.raw if line.outcome == "failed" else None)
            return
        with self.guarded(row):
            payment = self.payment(row)
            self.executor.budget.keep_receipt(payment.attempt.id, line.reply, redact_bytes(line.raw))
            failpoints.reach("batch_receipt_kept")
            try:
                self.executor.payments.settle(payment, line.reply)
                self.collected.answers += 1
            except ProviderError:
                self.collected.failed += 1
            self.touch(row)
            failpoints.reach("batch_line_settled")

    @contextmanager
    def guarded(self, row: Row) -> Iterator[None]:
        with self.executor.errors.guard("settle_attempt", f"Llamada {row['id']}", user_id=row["user_id"]):
            yield

    def close(self, row: Row, error: ProviderError, raw: bytes | None = None) -> None:
        """Close a call without an answer: void if it is surely not charged, else at its ceiling.

        `raw`: the line of a call that is perhaps charged, which is its receipt.
        """
        if row["user_id"] in self.executor.errors.hanging:
            return
        with self.guarded(row):
            payment = self.payment(row)
            if raw is not None:
                receipt = Reply(error.status or DOWNLOADED, raw, latency_ms=0)
                self.executor.budget.keep_receipt(payment.attempt.id, receipt, redact_bytes(raw))
            self.executor.payments.store_failure(payment, error)
            self.collected.not_billed += error.billed == "no"
            self.collected.unknown += error.billed != "no"
            self.touch(row)
            failpoints.reach("batch_line_settled")

    def payment(self, row: Row) -> Payment[None]:
        return payment_of(self.executor, row, registry.read_rates(row["rates"]))

    def touch(self, row: Row) -> None:
        """Remember the day and the run of a call that was closed."""
        if row["project_id"] is not None and isinstance(row["analysis_date"], date):
            self.collected.days.add((row["project_id"], row["analysis_date"]))
        if row["run_id"] is not None:
            self.collected.run_ids.add(row["run_id"])

    def outcome_of(self, remote: RemoteBatch) -> Outcome:
        charged, void = records.counts(self.db, self.batch)
        if self.batch.cancelled_at is not None:
            return "cancelled"
        if remote.state == "failed" or charged == 0:
            return "expired" if remote.status == "expired" else "failed"
        return "expired" if remote.status == "expired" or void > charged else "completed"

    def close_absent(self) -> bool:
        """Void the calls of a batch that was not made."""
        error = ProviderUnavailable("the batch was not made", billed="no")
        for row in records.open_calls(self.db, self.batch):
            self.close(row, error)
        return self.finish("absent")

    def lose(self, trouble: Trouble) -> bool:
        """Close the calls of a batch that can no longer be looked at: by their receipts, or else at their ceilings."""
        error = ProviderUnavailable(f"the batch is lost: {trouble_text(trouble, 'en')}", billed="maybe")
        for row in records.open_calls(self.db, self.batch):
            if row["body"] is None:
                self.close(row, error)
            else:
                self.settle(row, read_batch_line(self.batch.group.key.provider, bytes(row["body"])))
        log.error(
            "❌ %s se da por perdido, sus llamadas quedan cobradas a su techo: %s",
            self.batch.label,
            trouble_text(trouble, "es"),
            extra={"event": "batch.lost", "batch_id": str(self.batch.id), "reason": trouble.code},
        )
        return self.finish("lost")

    def finish(self, outcome: Outcome, error: str | None = None) -> bool:
        """Close the batch, unless the database has refused one of its calls."""
        collected = records.mark_collected(self.db, self.batch, outcome, error)
        if collected:
            failpoints.reach("batch_collected")
            log.info(
                "📦 %s recogido (%s)",
                self.batch.label,
                outcome,
                extra={"event": "batch.collected", "batch_id": str(self.batch.id), "outcome": outcome},
            )
        return collected
