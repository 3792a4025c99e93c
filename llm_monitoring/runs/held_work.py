"""Work of a run that waits for another session: tasks of an account that it holds, calls that cannot be settled."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from llm_monitoring.db.locks import table_holder
from llm_monitoring.db.row_errors import RowError
from llm_monitoring.ledger.payment import BlockedBy
from llm_monitoring.providers import LONGEST_CALL
from llm_monitoring.runs import tasks
from llm_monitoring.runs.dispatcher import Dispatcher, WorkItem
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.stats import RunStats

log = logging.getLogger(__name__)

OCCUPIED_SECONDS: Final = 1.0  # how long what others have reserved of a budget, or hold of an account, is left alone
LONGEST_RETRY_SECONDS: Final = 10.0  # a try of an account that is held occupies a worker for the lock time
HELD_GRACE_SECONDS: Final = 60.0  # once nothing else is left to do, before held tasks are left to the next start


@dataclass(frozen=True, slots=True)
class Delayed:
    """The end of a call that was made, which cannot be entered yet: `finish` tries again."""

    job: WorkItem
    finish: Callable[[], object]


@dataclass(slots=True)
class HeldWork:
    """The jobs of one run that wait for other sessions. For one thread."""

    desk: TaskExecutor
    schedule: Dispatcher
    tally: RunStats
    clock: Callable[[], float]
    unsettled: deque[Delayed] = field(default_factory=deque)
    settling: Delayed | None = None
    tries: Counter[int] = field(default_factory=Counter)
    settle_at: dict[int, float] = field(default_factory=dict)
    causes: dict[int, BlockedBy] = field(default_factory=dict)
    since: float | None = None

    def again_at(self, job: WorkItem, by: BlockedBy) -> float:
        """When the next job of a user tries again: an account that stays held is tried less and less often."""
        user = job.task.user_id
        self.causes[user] = by
        self.tries[user] += by == "lock" and self.schedule.is_probe(job)
        return self.clock() + self.pause(self.tries[user])

    def pause(self, tries: int) -> float:
        return min(LONGEST_RETRY_SECONDS, OCCUPIED_SECONDS * 2.0**tries)

    def freed(self, job: WorkItem) -> None:
        """A job got past its account: no other session holds it."""
        self.tries.pop(job.task.user_id, None)
        self.settle_at.pop(job.task.user_id, None)

    def delay(self, job: WorkItem, finish: Callable[[], object], *, again: bool) -> None:
        """Keep a call that was made until its end can be entered; the other calls of its user wait with it."""
        self.report_lock(job)
        user = job.task.user_id
        self.causes[user] = "lock"
        self.tries[user] += again
        self.settle_at[user] = self.clock() + self.pause(self.tries[user])
        self.unsettled.append(Delayed(job, finish))

    def next_settlement(self) -> Delayed | None:
        """The call to settle now, one at a time."""
        if self.settling is not None:
            return None
        now = self.clock()
        due = (each for each in self.unsettled if self.settle_at.get(each.job.task.user_id, now) <= now)
        self.settling = next(due, None)
        if self.settling is not None:
            self.unsettled.remove(self.settling)
        return self.settling

    def settled(self, job: WorkItem) -> Delayed | None:
        """Take note that a try came back; None if the job is no settlement."""
        found = self.settling if self.settling is not None and self.settling.job is job else None
        if found is not None:
            self.settling = None
        return found

    def report_lock(self, job: WorkItem) -> None:
        """Say once that another application keeps a user's account from us."""
        user = job.task.user_id
        if user not in self.tally.locked_users:
            self.tally.locked_users.add(user)
            log.warning("🔒 User #%s: otra aplicación retiene su cuenta (%s); se reintenta, los demás siguen", user,
                        self.holder(), extra={"event": "budget.locked", "user_id": user})  # fmt: skip

    def holder(self) -> str:
        return str(table_holder(self.desk.budget.db, "user_llm_api_keys") or "no se ve quién")

    def time_is_up(self, working: Collection[WorkItem], deadline: float) -> bool:
        """Whether nothing else was left for the whole grace, or is left at the deadline: no further tries then."""
        if not self.is_all(working):
            self.since = None
            return False
        now = self.clock()
        self.since = now if self.since is None else self.since
        return now >= min(self.since + self.grace(), deadline)

    def is_all(self, working: Collection[WorkItem]) -> bool:
        """Whether every job that is left waits for another session, those in the hands of workers included."""
        settling = None if self.settling is None else self.settling.job
        if not all(job is settling or self.schedule.is_probe(job) for job in working):
            return False
        return self.schedule.only_probes() and bool(working or self.unsettled or not self.schedule.empty)

    def grace(self) -> float:
        """Seconds for what is left: calls of other machines may end, or be found dead, within the longest call."""
        if all(self.causes.get(user) == "lock" for user in self.schedule.probes):
            return HELD_GRACE_SECONDS
        return HELD_GRACE_SECONDS + LONGEST_CALL * max(self.desk.settings.timeout_seconds.values(), default=0.0)

    def leave(self) -> None:
        """Leave all that waits to the next start: recorded and reported once a user."""
        jobs = self.schedule.drain()
        calls = Counter(each.job.task.user_id for each in self.unsettled)
        for user in sorted({job.task.user_id for job in jobs} | calls.keys()):
            own = [job for job in jobs if job.task.user_id == user and not job.is_sentiment]
            self.leave_user(user, own, calls[user])
        self.leave_unsettled()

    def leave_user(self, user: int, jobs: Sequence[WorkItem], calls: int) -> None:
        held = calls > 0 or self.causes.get(user) == "lock"
        code = "account_held" if held else "budget_reserved"
        message = (f"otra aplicación retiene la cuenta del usuario ({self.holder()})" if held
                   else "otras llamadas abiertas reservan lo que queda del presupuesto")  # fmt: skip
        failure = tasks.Failure(code, message)
        with self.desk.errors.guard("record_failure", f"User #{user}", user_id=user):
            tasks.record_failures(self.desk.budget.db, [job.task for job in jobs], failure, self.desk.run_id)
        self.tally.failed += len(jobs)
        self.tally.reasons[code] += len(jobs)
        told = f"{len(jobs)} pregunta(s) y {calls} liquidación(es) pendientes; {message}"
        self.desk.errors.add(RowError("reserve_call", f"User #{user}", code, told, (("user_id", user),)))

    def leave_unsettled(self) -> None:
        """Count and report the calls whose end another session keeps from being entered."""
        if self.unsettled:
            log.warning("🔒 %d llamada(s) sin liquidar por un bloqueo ajeno: lo hará el próximo inicio",
                        len(self.unsettled), extra={"event": "run.unsettled"})  # fmt: skip
        self.tally.unsettled += len(self.unsettled)
        self.unsettled.clear()
