"""Submits batches: reserves each call with its own ceiling, then creates the batch by one request.

What is committed before the next step shows how far it was: the batch, its reservations, its uploaded requests, that
it is posted now, and the provider's id. A kill between two of them loses no paid answer: see `collection`.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Final

from llm_monitoring import failpoints, registry
from llm_monitoring.domain import Task
from llm_monitoring.keys import KeyUnreadable, NoKey
from llm_monitoring.ledger import Attempt, BlockedBy, BudgetExceeded, Settlement, Standing, Withdrawn
from llm_monitoring.logs import redact
from llm_monitoring.providers import ProviderError, Question
from llm_monitoring.providers.batches import BatchClient, BatchRequest
from llm_monitoring.registry import NotCallable, Price
from llm_monitoring.runs import tasks
from llm_monitoring.runs.batches import records
from llm_monitoring.runs.batches.groups import FEWEST_CALLS, MOST_FAILURES, GroupPlan
from llm_monitoring.runs.batches.records import Batch
from llm_monitoring.runs.dispatcher import WorkItem
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.questions import prompt_question

log = logging.getLogger(__name__)

ROOM: Final = 2  # batches reserve at most one part in so many of what a user has left: other calls need the rest


@dataclass(frozen=True, slots=True)
class Prepared:
    """A reserved call of a batch, with the price that it was admitted with."""

    attempt: Attempt
    question: Question
    price: Price

    @property
    def request(self) -> BatchRequest:
        return BatchRequest(str(self.attempt.id), self.question)


class Room:
    """What batches may still reserve of each user's budget, in USD."""

    def __init__(self, standings: Iterable[Standing], default_budget_usd: Decimal) -> None:
        self.default = default_budget_usd / ROOM
        self.left = {
            each.user_id: max(Decimal(0), (each.budget_usd - each.spent_usd - each.reserved_usd) / ROOM)
            for each in standings
        }

    def take(self, user_id: int, ceiling_usd: Decimal) -> bool:
        """Take a ceiling; False, from then on for every call of the user, if it does not fit."""
        left = self.left.get(user_id, self.default)
        fits = ceiling_usd <= left
        self.left[user_id] = left - ceiling_usd if fits else Decimal(0)
        return fits

    def close(self, user_id: int) -> None:
        """Take no more calls of a user into batches."""
        self.left[user_id] = Decimal(0)

    def is_open(self, user_id: int) -> bool:
        return self.left.get(user_id, self.default) > 0


@dataclass(slots=True)
class Submitter:
    """Submits the batches of one run and day. `trials`: the groups that wait for their first answer from a batch.

    `should_stop`: nothing more is posted.
    """

    executor: TaskExecutor
    day: date
    room: Room
    should_stop: Callable[[], bool] = lambda: False
    trials: list[GroupPlan] = field(default_factory=list)
    calls: int = 0

    def submit(self, plan: GroupPlan) -> None:
        """Submit a group's open tasks; those that do not go into a batch are left to be asked one by one.

        A group that never brought an answer from a batch sends one task alone first.
        """
        experience = records.experience(self.executor.budget.db, plan.group)
        if experience.failures >= MOST_FAILURES or not self.is_sold(plan):
            return
        most = self.executor.settings.batch_requests
        for part in self.parts(plan, most):
            if len(part) < FEWEST_CALLS or self.should_stop():
                return
            if not experience.proven:
                if not experience.tried and self.submit_part(plan, part[:1], fewest=1):
                    self.trials.append(plan)
                return
            if not self.submit_part(plan, part, fewest=FEWEST_CALLS):
                return

    def submit_proven(self) -> None:
        """Submit the groups with a trial that has brought an answer since."""
        waiting, self.trials = self.trials, []
        for plan in waiting:
            if records.experience(self.executor.budget.db, plan.group).proven:
                self.submit(plan)
            elif plan.group in records.held(self.executor.budget.db, self.executor.run_id or 0):
                self.trials.append(plan)

    def is_sold(self, plan: GroupPlan) -> bool:
        """Whether the model is sold in batches now."""
        try:
            price = self.executor.tariff(plan.model).at(*self.executor.budget.pricing_times())
        except NotCallable:
            return False
        return price.factor("batch") is not None

    def parts(self, plan: GroupPlan, most: int) -> Iterator[list[Task]]:
        """The group's open tasks, so many at a time, without those of users with no room left."""
        numbers = [tracked.project.id for tracked in plan.projects]
        owners = {tracked.project.id: tracked.project.user_id for tracked in plan.projects}
        provider = plan.model.provider
        found = (
            task
            for task in tasks.pending_tasks(self.executor.budget.db, provider, self.day, numbers)
            if task.user_id == owners[task.project_id] and self.room.is_open(task.user_id)
        )
        while part := list(islice(found, most)):
            yield part

    def submit_part(self, plan: GroupPlan, part: Sequence[Task], *, fewest: int) -> bool:
        """Submit one batch; False if none was made: then its tasks are asked one by one."""
        executor, key = self.executor, plan.group.key
        try:
            client = executor.clients.batch(key, part[0].user_id)
            key_hash = records.hash_of(executor.clients.secret(key))
        except (KeyUnreadable, NoKey, ProviderError):  # its calls one by one report the same
            return False
        batch = records.open_batch(executor.budget.db, plan.group, key_hash, executor.run_id)
        failpoints.reach("batch_opened")
        prepared = self.reserve(plan, batch, part)
        failpoints.reach("batch_reserved")
        if len(prepared) < fewest or self.should_stop():
            self.withdraw(batch, prepared)
            return False
        return self.post(client, plan, batch, prepared)

    def reserve(self, plan: GroupPlan, batch: Batch, part: Sequence[Task]) -> list[Prepared]:
        """Reserve the calls that fit the users' budgets."""
        prepared: list[Prepared] = []
        for task in part:
            if self.should_stop():
                break
            if not self.room.is_open(task.user_id):
                continue
            try:
                each = self.prepare(plan, batch, task)
                if self.room.take(task.user_id, each.attempt.ceiling_usd):
                    self.executor.budget.reserve(each.attempt)
                    prepared.append(each)
            except BudgetExceeded as exc:
                self.room.close(task.user_id)
                if exc.by == BlockedBy.OPERATOR_BUDGET:
                    break
            except (Withdrawn, NotCallable):
                continue
        return prepared

    def prepare(self, plan: GroupPlan, batch: Batch, task: Task) -> Prepared:
        tracked = self.executor.projects[task.project_id]
        asked = prompt_question(task, tracked.project, plan.model, self.executor.settings)
        question = replace(asked, mode="batch")
        quote = self.executor.quote(plan.model, question)
        item = WorkItem(task, plan.model.provider, plan.group.key, mode="batch")
        attempt = replace(self.executor.new_attempt("answer", item, plan.model, quote), batch_id=batch.id)
        return Prepared(attempt, question, quote.price)

    def withdraw(self, batch: Batch, prepared: Sequence[Prepared], error: str | None = None) -> None:
        """Release the calls of a batch that is not posted."""
        for each in prepared:
            self.executor.budget.release(each.attempt.id, "withdrawn", "its batch was not posted")
        records.mark_collected(self.executor.budget.db, batch, "withdrawn", error)

    def post(self, client: BatchClient, plan: GroupPlan, batch: Batch, prepared: Sequence[Prepared]) -> bool:
        """Upload the requests, mark the calls as sent, and create the batch by one request."""
        db = self.executor.budget.db
        try:
            input_file = self.upload(client, batch, prepared)
        except ProviderError as exc:
            self.log_trouble(batch, "rechazado, sus preguntas se hacen una a una", exc)
            self.withdraw(batch, prepared, redact(str(exc)))
            return False
        failpoints.reach("batch_uploaded")
        priced = self.priced_at_sending(plan, prepared)
        sent, posted_at = records.mark_posting(db, batch, priced) if priced else (set[uuid.UUID](), None)
        wanted = [each for each in prepared if each.attempt.id in sent]
        self.release_unwanted(prepared, sent)
        if posted_at is None:
            self.withdraw(batch, [])
            return False
        failpoints.reach("batch_posting")
        batch = replace(batch, state="posting", requests=len(wanted), posted_at=posted_at)
        return self.create(client, batch, wanted, input_file, is_whole=len(wanted) == len(prepared))

    def upload(self, client: BatchClient, batch: Batch, prepared: Sequence[Prepared]) -> str | None:
        input_file = client.upload(batch.id, [each.request for each in prepared])
        if input_file is not None:
            records.keep_input_file(self.executor.budget.db, batch, input_file)
        return input_file

    def priced_at_sending(self, plan: GroupPlan, prepared: Sequence[Prepared]) -> Mapping[uuid.UUID, str]:
        """The rates of each call, at the dearer of its price and the price now, without calls that would exceed it."""
        now = self.executor.tariff(plan.model).at(*self.executor.budget.pricing_times())
        written: dict[Price, str] = {}
        rates: dict[uuid.UUID, str] = {}
        for each in prepared:
            price = registry.dearest(each.price, now)
            if price == each.price or registry.ceiling(price, each.question) <= each.attempt.ceiling_usd:
                rates[each.attempt.id] = written.setdefault(price, registry.write_rates(price))
        return rates

    def release_unwanted(self, prepared: Sequence[Prepared], sent: set[uuid.UUID]) -> None:
        """Release the calls that are not part of the request after all."""
        for each in prepared:
            if each.attempt.id not in sent:
                self.executor.budget.release(each.attempt.id, "withdrawn", "answered, or dearer than reserved")

    def create(
        self, client: BatchClient, batch: Batch, wanted: Sequence[Prepared], input_file: str | None, *, is_whole: bool
    ) -> bool:
        """Create the batch; False if there is none. Without a clear reply it is in doubt, and looked for later.

        `is_whole`: what was uploaded is what is wanted.
        """
        if input_file is not None and not is_whole:
            try:
                input_file = self.upload(client, batch, wanted)
            except ProviderError as exc:
                return self.refuse(batch, wanted, exc)
        try:
            remote = client.create(batch.id, [each.request for each in wanted], input_file)
        except ProviderError as exc:
            if exc.billed == "no":
                return self.refuse(batch, wanted, exc)
            self.log_trouble(batch, "no se sabe si se creó, se buscará", exc)
            return True
        failpoints.reach("batch_posted")
        records.mark_running(self.executor.budget.db, batch, remote)
        failpoints.reach("batch_running")
        self.calls += len(wanted)
        fields = {"event": "batch.submitted", "batch_id": str(batch.id), "calls": len(wanted)}
        log.info("📮 %s enviado: %d llamada(s)", batch.label, len(wanted), extra=fields)
        return True

    def refuse(self, batch: Batch, wanted: Sequence[Prepared], error: ProviderError) -> bool:
        """Void the calls of a batch that was surely not made; they are asked one by one."""
        self.log_trouble(batch, "rechazado, sus preguntas se hacen una a una", error)
        budget, message = self.executor.budget, redact(str(error))
        settlement = Settlement("void", error_kind=error.kind, error_message=message)
        for each in wanted:
            budget.db.transact(partial(budget.close, attempt_id=each.attempt.id, settlement=settlement))
        records.mark_collected(budget.db, batch, "refused", message)
        return False

    def log_trouble(self, batch: Batch, what: str, error: ProviderError) -> None:
        fields = {"event": "batch.trouble", "batch_id": str(batch.id), "reason": error.kind}
        log.warning("⚠️ %s: %s: %s", batch.label, what, redact(str(error)), extra=fields)
