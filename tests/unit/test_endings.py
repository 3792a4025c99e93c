"""Whatever becomes of its calls, a dispatcher gives out every item and then is empty: none waits for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest

from llm_monitoring.domain import KeyId, ProviderName
from llm_monitoring.runs.dispatcher import Dispatcher, WorkItem
from llm_monitoring.runs.limits import Effect, Limits
from tests.unit.test_dispatcher import make_item

PROVIDERS: tuple[ProviderName, ...] = ("openai", "google")
EFFECTS: tuple[Effect, ...] = ("ok", "ok", "ok", "slow_down", "failing", "failing", "dead")


@dataclass
class RandomDay:
    """A few users with little money, and keys that fail in every way; if `shared`, other machines hold money too."""

    random: Random
    shared: bool
    now: float = 0.0
    in_flight: list[tuple[WorkItem, bool]] = field(default_factory=list)
    ended: list[WorkItem] = field(default_factory=list)

    def __post_init__(self) -> None:
        users = range(1, self.random.randint(2, 4))
        self.money = {user: self.random.randint(0, 8) for user in users}
        self.items = [
            self.make_item(name, user) for name in PROVIDERS for user in users for _ in range(self.random.randint(0, 6))
        ]
        self.random.shuffle(self.items)
        plans = {name: iter([item for item in self.items if item.provider == name]) for name in PROVIDERS}
        self.dispatcher = Dispatcher(Limits({name: self.random.randint(1, 5) for name in PROVIDERS}), plans)

    def make_item(self, provider: ProviderName, user: int) -> WorkItem:
        item = make_item(provider, user)
        return item if self.random.random() < 0.5 else WorkItem(item.task, provider, KeyId(provider, None))

    def play(self) -> None:
        while True:
            self.start_items()
            if self.in_flight:
                self.end_one()
                continue
            due = self.dispatcher.next_due_at()
            if due is None:
                return
            self.now = max(self.now, due)

    def start_items(self) -> None:
        while len(self.in_flight) < 6 and (found := self.dispatcher.next_item(self.now)) is not None:
            if found.closed is not None:
                self.ended.append(found.item)
                continue
            user = found.item.task.user_id
            reserved = self.money[user] > 0
            self.money[user] -= reserved
            self.in_flight.append((found.item, reserved))

    def end_one(self) -> None:
        self.now += self.random.random()
        item, reserved = self.in_flight.pop(self.random.randrange(len(self.in_flight)))
        self.dispatcher.on_reply(item)
        if reserved:
            self.end_call(item, self.random.choice(EFFECTS))
            return
        self.dispatcher.limits.on_not_called(item.key)
        elsewhere = self.shared and self.random.random() < 0.7
        if self.dispatcher.on_budget_exceeded(item, self.now + 1.0 if elsewhere else None):
            self.ended.append(item)

    def end_call(self, item: WorkItem, effect: Effect) -> None:
        self.money[item.task.user_id] += effect != "ok"
        self.dispatcher.limits.on_result(item.key, effect, self.now, sent_at=item.sent_at, retry_after=2.0)
        self.dispatcher.on_result_known(item)
        self.dispatcher.on_finished(item)
        item.attempts += 1
        if effect in ("ok", "dead") or item.attempts == 3:
            self.ended.append(item)
        else:
            self.dispatcher.wait(item, self.now + 1.0)


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "with other machines"])
def test_every_item_ends(shared: bool) -> None:
    """With budgets that run out, keys that die, pauses and breakers, each item ends once and none is left waiting."""
    for seed in range(500):
        day = RandomDay(Random(seed), shared)
        day.play()
        assert sorted(map(id, day.items)) == sorted(map(id, day.ended)), f"seed {seed}"
        assert day.dispatcher.empty, f"seed {seed}"
