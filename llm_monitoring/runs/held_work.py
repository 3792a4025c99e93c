"""Work of a run that waits for another session: items of an account that it holds, calls that cannot be settled yet.

`Dispatcher` keeps the items of such an account parked and lets one of them try again; this module decides when, and
keeps the settlements that were refused. Both are tried less and less often, and end once nothing else has been left to
do for a grace period: the next start finds the tasks open and the calls with their receipts.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from llm_monitoring.db import RowError, table_holder
from llm_monitoring.ledger import BlockedBy
from llm_monitoring.runs import tasks
from llm_monitoring.runs.dispatcher import Dispatcher, WorkItem
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.stats import RunStats

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS: Final = 1.0  # after which a budget that others reserved, or an account that they hold, is tried
LONGEST_RETRY_SECONDS: Final = 10.0  # a try of an account that is held occupies a worker thread for the lock timeout
HELD_GRACE_SECONDS: Final = 60.0  # once nothing else is left to do, before held tasks are left to the next start


@dataclass(frozen=True, slots=True)
class PendingSettlement:
    """The end of a call that was made, which cannot be stored yet: `finish` tries again."""

    item: WorkItem
    finish: Callable[[], object]


@dataclass(slots=True)
class HeldWork:
    """The items and settlements of one run that wait for other sessions. For one thread.

    `retries`, `settle_at` and `causes` are by user; `settling` is with a worker thread now; `idle_since` is when
    nothing else was left to do.
    """

    executor: TaskExecutor
    dispatcher: Dispatcher
    stats: RunStats
    clock: Callable[[], float]
    unsettled: deque[PendingSettlement] = field(default_factory=deque)
    settling: PendingSettlement | None = None
    retries: Counter[int] = field(default_factory=Counter)
    settle_at: dict[int, float] = field(default_factory=dict)
    causes: dict[int, BlockedBy] = field(default_factory=dict)
    idle_since: float | None = None

    def retry_at(self, item: WorkItem, by: BlockedBy) -> float:
        """When the budget retry of a user is due: an account that stays held is tried less and less often."""
        user = item.task.user_id
        self.causes[user] = by
        self.retries[user] += by == BlockedBy.LOCK and self.dispatcher.is_budget_retry(item)
        return self.clock() + self.pause(self.retries[user])

    def pause(self, retries: int) -> float:
        return min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0**retries)

    def on_account_free(self, item: WorkItem) -> None:
        """An item got access to its user's account: no other session holds it."""
        self.retries.pop(item.task.user_id, None)
        self.settle_at.pop(item.task.user_id, None)

    def add_settlement(self, item: WorkItem, finish: Callable[[], object], *, again: bool) -> None:
        """Keep a call that was made until its settlement can be stored; the user's other settlements wait as well."""
        self.report_lock(item)
        user = item.task.user_id
        self.causes[user] = BlockedBy.LOCK
        self.retries[user] += again
        self.settle_at[user] = self.clock() + self.pause(self.retries[user])
        self.unsettled.append(PendingSettlement(item, finish))

    def next_settlement(self) -> PendingSettlement | None:
        """The settlement to try now, one at a time."""
        if self.settling is not None:
            return None
        now = self.clock()
        due = (each for each in self.unsettled if self.settle_at.get(each.item.task.user_id, now) <= now)
        self.settling = next(due, None)
        if self.settling is not None:
            self.unsettled.remove(self.settling)
        return self.settling

    def end_settlement(self, item: WorkItem) -> PendingSettlement | None:
        """Remove and return the settlement that was tried; None if the item was not being settled."""
        pending = self.settling if self.settling is not None and self.settling.item is item else None
        if pending is not None:
            self.settling = None
        return pending

    def report_lock(self, item: WorkItem) -> None:
        """Log once a user that another application holds the account."""
        user = item.task.user_id
        if user not in self.stats.locked_users:
            self.stats.locked_users.add(user)
            log.warning(
                "🔒 User #%s: otra aplicación retiene su cuenta (%s); se reintenta, los demás siguen",
                user,
                self.holder(),
                extra={"event": "budget.locked", "user_id": user},
            )

    def holder(self) -> str:
        return str(table_holder(self.executor.budget.db, "user_llm_api_keys") or "no se ve quién")

    def time_is_up(self, working: Collection[WorkItem], deadline: float) -> bool:
        """Whether only held work has been left for the whole grace, or is left at the deadline."""
        if not self.only_held_left(working):
            self.idle_since = None
            return False
        now = self.clock()
        self.idle_since = now if self.idle_since is None else self.idle_since
        return now >= min(self.idle_since + self.grace_seconds(), deadline)

    def only_held_left(self, working: Collection[WorkItem]) -> bool:
        """Whether every item that is left waits for another session, those of worker threads included."""
        settling = None if self.settling is None else self.settling.item
        if not all(item is settling or self.dispatcher.is_budget_retry(item) for item in working):
            return False
        left = bool(working or self.unsettled or not self.dispatcher.empty)
        return left and self.dispatcher.only_budget_retries_left()

    def grace_seconds(self) -> float:
        """How long held work may wait: calls of other machines end, or are found dead, within the longest call."""
        if all(self.causes.get(user) == BlockedBy.LOCK for user in self.dispatcher.budget_retries):
            return HELD_GRACE_SECONDS
        return HELD_GRACE_SECONDS + self.executor.settings.longest_call_seconds

    def give_up(self) -> None:
        """Leave all held work to the next start; recorded and reported once a user."""
        items = self.dispatcher.drain()
        settlements = Counter(each.item.task.user_id for each in self.unsettled)
        for user in sorted({item.task.user_id for item in items} | settlements.keys()):
            own = [item for item in items if item.task.user_id == user and item.use == "answer"]
            self.give_up_user(user, own, settlements[user])
        self.leave_unsettled()

    def give_up_user(self, user: int, items: Sequence[WorkItem], settlements: int) -> None:
        held = settlements > 0 or self.causes.get(user) == BlockedBy.LOCK
        code = "account_held" if held else "budget_reserved"
        cause = "otras llamadas abiertas reservan lo que queda del presupuesto"
        if held:
            cause = f"otra aplicación retiene la cuenta del usuario ({self.holder()})"
        failure = tasks.TaskFailure(code, code)
        if user not in self.executor.errors.hanging:
            with self.executor.errors.guard("record_failure", f"User #{user}", user_id=user):
                self.executor.record_failures([item.task for item in items], failure)
        self.stats.failed += len(items)
        self.stats.reasons[code] += len(items)
        detail = f"{len(items)} pregunta(s) y {settlements} liquidación(es) pendientes; {cause}"
        self.executor.errors.add(RowError("reserve_call", f"User #{user}", code, detail, (("user_id", user),)))

    def leave_unsettled(self) -> None:
        """Count and report the calls that another session keeps from being settled."""
        if self.unsettled:
            log.warning(
                "🔒 %d llamada(s) sin liquidar por un bloqueo ajeno: lo hará el próximo inicio",
                len(self.unsettled),
                extra={"event": "run.unsettled"},
            )
        self.stats.unsettled += len(self.unsettled)
        self.unsettled.clear()
