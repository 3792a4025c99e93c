"""Decides which work item of a run is next. Providers and users take turns; knows nothing of threads or the database.

An item is in exactly one state:

- planned: not read from its provider's plan yet; plans are read as they are needed, so that memory stays small.
- ready: the next to go out at its provider (`ProviderQueue.ready`).
- waiting: not before a time, after a retry, a pause or a cool-down (`ProviderQueue.waiting`).
- held: its key has as many calls in flight as its window allows (`ProviderQueue.held`).
- parked: its ceiling did not fit the user's budget while other calls of the user had reserved a part (`parked`).
- out: a worker thread has it (`in_flight` counts them by user).

`next_item` moves a planned, ready or due item out, or to waiting or held if its key may not be called now; an item of
a closed key it returns with the reason, which ends it. `on_reply` and `on_result_known` move a held item of the same
key to ready. `on_finished` follows the end of an item's reservation and moves parked items of its user to ready.
`on_budget_exceeded` parks an item that was out; if no call of the user is left that could return money, it ends the
item. `wait` moves an item that was out to waiting; `add` makes a new item ready, such as the sentiment of an answer.
`drain` ends everything that is left.

If the money is reserved by other machines, or another session holds the user's account, nothing in this process will
wake the parked items. So one item of the user is its `budget_retry`: it waits and tries again, and all others of the
user stay parked until it ends.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from llm_monitoring.domain import KeyId, Mode, ProviderName, Task
from llm_monitoring.runs.limits import ClosedReason, Limits, Use

LOOK_AHEAD: Final = 10_000  # waiting and held items of one provider before its plan is read no further


@dataclass(slots=True, eq=False)
class WorkItem:
    """A call to make: the answer to a task or, with `contexts`, the sentiment of one. `provider` is the one called.

    `last_error`: what the provider reported of the last attempt. `mode`: how it is asked next; `shed`: how often the
    provider had no room for it as flex.
    """

    task: Task
    provider: ProviderName
    key: KeyId
    contexts: tuple[str, ...] = ()
    attempts: int = 0
    possibly_billed: int = 0
    last_error: str = ""
    finished_before: int = 0
    sent_at: float = 0.0
    replied: bool = False
    mode: Mode = "standard"
    shed: int = 0

    @property
    def is_sentiment(self) -> bool:
        return bool(self.contexts)

    @property
    def use(self) -> Use:
        return "sentiment" if self.is_sentiment else "answer"


@dataclass(frozen=True, slots=True)
class NextItem:
    """An item to do now; with `closed`, one that must not be done in this run, and why."""

    item: WorkItem
    closed: ClosedReason | None = None


@dataclass(slots=True)
class ProviderQueue:
    """The items of one provider that are planned, ready, waiting or held."""

    plan: Iterator[WorkItem]
    ready: deque[WorkItem] = field(default_factory=deque)
    waiting: list[tuple[float, int, WorkItem]] = field(default_factory=list)
    held: dict[KeyId, deque[WorkItem]] = field(default_factory=lambda: defaultdict(deque))
    held_count: int = 0
    exhausted: bool = False

    def pop(self, now: float) -> WorkItem | None:
        if self.waiting and self.waiting[0][0] <= now:
            return heapq.heappop(self.waiting)[2]
        if self.ready:
            return self.ready.popleft()
        if self.exhausted or len(self.waiting) + self.held_count >= LOOK_AHEAD:
            return None
        item = next(self.plan, None)
        self.exhausted = item is None
        return item

    def has_items(self) -> bool:
        """Whether there is an item; reads the first one of the plan if it has to."""
        item = self.pop(math.inf)
        if item is not None:
            self.ready.appendleft(item)
        return item is not None

    def hold_for_key(self, item: WorkItem) -> None:
        """Keep an item until a call of its key has ended."""
        self.held[item.key].append(item)
        self.held_count += 1

    def release_next(self, key: KeyId) -> None:
        """Make the first item that is held for this key ready."""
        if self.held.get(key):
            self.ready.append(self.held[key].popleft())
            self.held_count -= 1

    def ready_and_waiting(self) -> Iterator[WorkItem]:
        yield from self.ready
        yield from (item for _, _, item in self.waiting)

    @property
    def empty(self) -> bool:
        return self.exhausted and not self.ready and not self.waiting and not self.held_count


class Dispatcher:
    """The items of one run. For one thread; times are seconds of the clock that `limits` is asked with."""

    def __init__(self, limits: Limits, plans: Mapping[ProviderName, Iterator[WorkItem]]) -> None:
        self.limits = limits
        self.queues = {provider: ProviderQueue(plan) for provider, plan in plans.items()}
        self.parked: dict[int, deque[WorkItem]] = defaultdict(deque)
        self.in_flight: Counter[int] = Counter()
        self.finished: Counter[int] = Counter()
        self.budget_retries: dict[int, WorkItem] = {}
        self.locked_users: set[int] = set()
        self.sequence = count()
        self.not_ready: set[ProviderName] = set()

    def mark_not_ready(self) -> list[ProviderName]:
        """Give out no item of a provider before `mark_ready`; return the providers that have items."""
        self.not_ready = {provider for provider, queue in self.queues.items() if queue.has_items()}
        return list(self.not_ready)

    def mark_ready(self, provider: ProviderName) -> None:
        self.not_ready.discard(provider)

    def next_item(self, now: float, last: Collection[ProviderName] = ()) -> NextItem | None:
        """The next item, of the provider with the fewest calls in flight, those of `last` after the others.

        None: no item may go out now.
        """
        with_room = [each for each in self.queues if each not in self.not_ready and self.limits.provider_has_room(each)]
        for provider in sorted(with_room, key=lambda each: (each in last, self.limits.in_flight(each))):
            item = self.next_of(self.queues[provider], now)
            if item is not None:
                return item
        return None

    def next_of(self, queue: ProviderQueue, now: float) -> NextItem | None:
        while (item := queue.pop(now)) is not None:
            user = item.task.user_id
            if user in self.locked_users and user in self.budget_retries and not self.is_budget_retry(item):
                self.parked[user].append(item)  # a worker thread would wait in vain for the user's account
                continue
            admission = self.limits.admit(item.key, now, item.use)
            if admission.now:
                self.on_sent(item, now)
                return NextItem(item)
            self.skip(item)
            if admission.closed:
                queue.release_next(item.key)
                return NextItem(item, admission.closed)
            if admission.full:
                queue.hold_for_key(item)
            else:
                self.wait(item, admission.until or now)
        return None

    def on_sent(self, item: WorkItem, now: float) -> None:
        self.limits.on_sent(item.key)
        self.in_flight[item.task.user_id] += 1
        item.finished_before = self.finished[item.task.user_id]
        item.sent_at, item.replied = now, False

    def on_reply(self, item: WorkItem) -> None:
        """The provider has answered: another call may go out, whatever the worker thread still has to do."""
        if not item.replied:
            item.replied = True
            self.limits.on_reply(item.key)
            self.queues[item.provider].release_next(item.key)

    def on_result_known(self, item: WorkItem) -> None:
        """`limits` has the result of a call; if the key's window grew, one more held item of the key may go."""
        if self.limits.key_has_room(item.key):
            self.queues[item.provider].release_next(item.key)

    def add(self, item: WorkItem) -> None:
        """Put an item before the rest of its provider's plan."""
        self.queues[item.provider].ready.append(item)

    def wait(self, item: WorkItem, until: float) -> None:
        heapq.heappush(self.queues[item.provider].waiting, (until, next(self.sequence), item))

    def on_finished(self, item: WorkItem) -> None:
        """An item has ended or is tried again, and its reservation is closed: parked items of its user may fit now."""
        user = item.task.user_id
        self.in_flight[user] -= 1
        self.finished[user] += 1
        self.locked_users.discard(user)
        self.end_budget_retry(item)
        self.release_parked(user)

    def on_budget_exceeded(self, item: WorkItem, again_at: float | None = None, *, locked: bool = False) -> bool:
        """An item did not fit its user's budget. True: it never will, as no call of the user is in flight any more.

        With `again_at` the money may come back from elsewhere: calls of other machines are in flight, or another
        session has `locked` the user's account. Then one item of the user tries again at that time; if the account is
        not locked, only when no call of the user is in flight here.
        """
        user = item.task.user_id
        self.in_flight[user] -= 1
        if locked:
            self.locked_users.add(user)
        if locked or (self.in_flight[user] == 0 and self.finished[user] == item.finished_before):
            if again_at is None:
                self.end_budget_retry(item)
                self.release_parked(user)
                return True
            if self.budget_retries.setdefault(user, item) is item:
                self.wait(item, again_at)
                return False
        self.parked[user].append(item)
        self.skip(item)
        return False

    def release_parked(self, user: int) -> None:
        """Make two parked items of a user ready, or one if no call of the user is in flight."""
        parked = self.parked.get(user)
        for _ in range(min(len(parked or ()), 2 if self.in_flight[user] else 1)):
            assert parked is not None
            self.add(parked.popleft())

    def skip(self, item: WorkItem) -> None:
        """An item does not go out now: release a parked one of its user if nothing else would release it."""
        user = item.task.user_id
        if self.is_budget_retry(item):
            del self.budget_retries[user]
        if self.in_flight[user] == 0 and user not in self.budget_retries:
            self.release_parked(user)

    def end_budget_retry(self, item: WorkItem) -> None:
        """End the user's budget retry if it is this item, and release parked items of the user."""
        if self.is_budget_retry(item):
            del self.budget_retries[item.task.user_id]
            self.release_parked(item.task.user_id)

    def is_budget_retry(self, item: WorkItem) -> bool:
        return self.budget_retries.get(item.task.user_id) is item

    def only_budget_retries_left(self) -> bool:
        """Whether every item that is left belongs to a user with a budget retry."""
        if self.not_ready or not all(queue.exhausted and not queue.held_count for queue in self.queues.values()):
            return False
        left = (item for queue in self.queues.values() for item in queue.ready_and_waiting())
        return all(item.task.user_id in self.budget_retries for item in left)

    def drain(self) -> list[WorkItem]:
        """Remove and return all ready, waiting and parked items."""
        left = [item for queue in self.queues.values() for item in queue.ready_and_waiting()]
        left += [item for parked in self.parked.values() for item in parked]
        for queue in self.queues.values():
            queue.ready.clear()
            queue.waiting.clear()
        self.parked.clear()
        self.budget_retries.clear()
        return left

    def next_due_at(self) -> float | None:
        """When the first waiting item is due."""
        return min((queue.waiting[0][0] for queue in self.queues.values() if queue.waiting), default=None)

    @property
    def empty(self) -> bool:
        return all(queue.empty for queue in self.queues.values()) and not any(self.parked.values())
