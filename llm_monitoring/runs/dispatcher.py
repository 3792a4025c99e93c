"""Which job is next: providers and users take turns, waiting jobs wait, what does not fit a budget is parked."""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from llm_monitoring.domain import KeyId, ProviderName, Task
from llm_monitoring.runs.limits import ClosedReason, Limits, Use

LOOK_AHEAD: Final = 10_000  # waiting jobs of one provider before its plan is read no further


@dataclass(slots=True, eq=False)
class WorkItem:
    """A call to make: the answer to a task or, with `contexts`, the sentiment of one. `provider` is who is called.

    `failure`: what the provider said of the last try.
    """

    task: Task
    provider: ProviderName
    key: KeyId
    contexts: tuple[str, ...] = ()
    tries: int = 0
    doubtful_tries: int = 0
    failure: str = ""
    finished_before: int = 0
    sent_at: float = 0.0
    landed: bool = False

    @property
    def is_sentiment(self) -> bool:
        return bool(self.contexts)

    @property
    def use(self) -> Use:
        return "sentiment" if self.is_sentiment else "answer"


@dataclass(frozen=True, slots=True)
class Next:
    """A job to do now; `closed` says why it must not be done in this run at all."""

    job: WorkItem
    closed: ClosedReason | None = None


@dataclass(slots=True)
class Queue:
    """One provider's jobs: those that are due, that wait for a time, whose key is busy, the rest of the plan."""

    plan: Iterator[WorkItem]
    ready: deque[WorkItem] = field(default_factory=deque)
    waiting: list[tuple[float, int, WorkItem]] = field(default_factory=list)
    held: dict[KeyId, deque[WorkItem]] = field(default_factory=lambda: defaultdict(deque))
    holding: int = 0
    exhausted: bool = False

    def pop(self, now: float) -> WorkItem | None:
        if self.waiting and self.waiting[0][0] <= now:
            return heapq.heappop(self.waiting)[2]
        if self.ready:
            return self.ready.popleft()
        if self.exhausted or len(self.waiting) + self.holding >= LOOK_AHEAD:
            return None
        job = next(self.plan, None)
        self.exhausted = job is None
        return job

    def peek(self) -> bool:
        """Whether there is a job, which is read from the plan where it has to be."""
        job = self.pop(math.inf)
        if job is not None:
            self.ready.appendleft(job)
        return job is not None

    def hold(self, job: WorkItem) -> None:
        """Keep a job until a call of its key has landed."""
        self.held[job.key].append(job)
        self.holding += 1

    def let_go(self, key: KeyId) -> None:
        """Make the first job that waits for its key due."""
        if self.held.get(key):
            self.ready.append(self.held[key].popleft())
            self.holding -= 1

    def jobs(self) -> Iterator[WorkItem]:
        """The jobs that are due or wait for a time."""
        yield from self.ready
        yield from (job for _, _, job in self.waiting)

    @property
    def empty(self) -> bool:
        return self.exhausted and not self.ready and not self.waiting and not self.holding


class Dispatcher:
    """The jobs of one run. For one thread; times are seconds of the clock that `limits` is asked with."""

    def __init__(self, limits: Limits, plans: Mapping[ProviderName, Iterator[WorkItem]]) -> None:
        self.limits = limits
        self.queues = {provider: Queue(plan) for provider, plan in plans.items()}
        self.parked: dict[int, deque[WorkItem]] = defaultdict(deque)
        self.out: Counter[int] = Counter()
        self.finished: Counter[int] = Counter()
        self.probes: dict[int, WorkItem] = {}
        self.locked: set[int] = set()
        self.tickets = count()
        self.closed_lanes: set[ProviderName] = set()

    def close_lanes(self) -> list[ProviderName]:
        """Keep the jobs of every provider that has some until its lane is opened; return these providers."""
        self.closed_lanes = {provider for provider, queue in self.queues.items() if queue.peek()}
        return list(self.closed_lanes)

    def open_lane(self, provider: ProviderName) -> None:
        self.closed_lanes.discard(provider)

    def next(self, now: float, last: Collection[ProviderName] = ()) -> Next | None:
        """The next job, of the provider with the fewest calls out, those of `last` after the others; None: not now."""
        with_room = [each for each in self.queues if each not in self.closed_lanes and self.limits.room(each)]
        for provider in sorted(with_room, key=lambda each: (each in last, self.limits.out(each))):
            found = self.take(self.queues[provider], now)
            if found is not None:
                return found
        return None

    def take(self, queue: Queue, now: float) -> Next | None:
        while (job := queue.pop(now)) is not None:
            if job.task.user_id in self.locked and not self.is_probe(job) and job.task.user_id in self.probes:
                self.parked[job.task.user_id].append(job)  # a worker would wait in vain for its user's account
                continue
            admission = self.limits.admit(job.key, now, job.use)
            if admission.now:
                self.send(job, now)
                return Next(job)
            self.pass_over(job)
            if admission.closed:
                queue.let_go(job.key)
                return Next(job, admission.closed)
            if admission.full:
                queue.hold(job)
            else:
                self.wait(job, admission.until or now)
        return None

    def send(self, job: WorkItem, now: float) -> None:
        self.limits.sent(job.key)
        self.out[job.task.user_id] += 1
        job.finished_before = self.finished[job.task.user_id]
        job.sent_at, job.landed = now, False

    def landed(self, job: WorkItem) -> None:
        """The provider is done with a job's call: another one may go out, whatever its worker still has to do."""
        if not job.landed:
            job.landed = True
            self.limits.landed(job.key)
            self.queues[job.provider].let_go(job.key)

    def judged(self, job: WorkItem) -> None:
        """What a landed call said is known; where its key's window grew, one more of those that wait may go."""
        if self.limits.has_room(job.key):
            self.queues[job.provider].let_go(job.key)

    def add(self, job: WorkItem) -> None:
        """Put a job before the rest of its provider's plan."""
        self.queues[job.provider].ready.append(job)

    def wait(self, job: WorkItem, until: float) -> None:
        heapq.heappush(self.queues[job.provider].waiting, (until, next(self.tickets), job))

    def came_back(self, job: WorkItem) -> None:
        """A job ended and gave back what it had reserved: parked jobs of its user may fit now."""
        user = job.task.user_id
        self.out[user] -= 1
        self.finished[user] += 1
        self.locked.discard(user)
        self.end_probe(job)
        self.release(user)

    def blocked(self, job: WorkItem, again_at: float | None = None, *, locked: bool = False) -> bool:
        """A job did not fit its user's budget. True: it never will, since nothing of the user's is out any more.

        With `again_at` calls of other machines are out, or another session has `locked` the user's account: one job of
        the user's tries again then, of a budget that is reserved elsewhere only if none is out here.
        """
        user = job.task.user_id
        self.out[user] -= 1
        if locked:
            self.locked.add(user)
        if locked or (self.out[user] == 0 and self.finished[user] == job.finished_before):
            if again_at is None:
                self.end_probe(job)
                self.release(user)
                return True
            if self.probes.setdefault(user, job) is job:
                self.wait(job, again_at)
                return False
        self.parked[user].append(job)
        self.pass_over(job)
        return False

    def release(self, user: int) -> None:
        """Let two parked jobs of a user try again, one where nothing else of the user's is out."""
        parked = self.parked.get(user)
        for _ in range(min(len(parked or ()), 2 if self.out[user] else 1)):
            assert parked is not None
            self.add(parked.popleft())

    def pass_over(self, job: WorkItem) -> None:
        """A job does not go out now: where no other of its user's is out or tries again, a parked one has its turn."""
        user = job.task.user_id
        if self.probes.get(user) is job:
            del self.probes[user]
        if self.out[user] == 0 and user not in self.probes:
            self.release(user)

    def end_probe(self, job: WorkItem) -> None:
        """A job that tried again and again does so no more: parked jobs of its user have their turn."""
        if self.probes.get(job.task.user_id) is job:
            del self.probes[job.task.user_id]
            self.release(job.task.user_id)

    def is_probe(self, job: WorkItem) -> bool:
        """Whether a job is the one of its user's that tries again and again."""
        return self.probes.get(job.task.user_id) is job

    def only_probes(self) -> bool:
        """Whether every job that is left is of a user with one that tries again and again."""
        if self.closed_lanes or not all(queue.exhausted and not queue.holding for queue in self.queues.values()):
            return False
        left = (job for queue in self.queues.values() for job in queue.jobs())
        return all(job.task.user_id in self.probes for job in left)

    def drain(self) -> list[WorkItem]:
        """Take every job that is left out of the schedule."""
        left = [job for queue in self.queues.values() for job in queue.jobs()]
        left += [job for parked in self.parked.values() for job in parked]
        for queue in self.queues.values():
            queue.ready.clear()
            queue.waiting.clear()
        self.parked.clear()
        self.probes.clear()
        return left

    def wake_at(self) -> float | None:
        """When the first waiting job is due."""
        return min((queue.waiting[0][0] for queue in self.queues.values() if queue.waiting), default=None)

    @property
    def empty(self) -> bool:
        return all(queue.empty for queue in self.queues.values()) and not any(self.parked.values())
