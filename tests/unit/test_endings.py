"""Whatever becomes of its calls, a schedule hands out every job and then is empty: nothing waits for nobody."""

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
class Day:
    """A few users with little money, keys that fail in every way and, where `shared`, machines that hold money too."""

    dice: Random
    shared: bool
    now: float = 0.0
    out: list[tuple[WorkItem, bool]] = field(default_factory=list)
    ended: list[WorkItem] = field(default_factory=list)

    def __post_init__(self) -> None:
        users = range(1, self.dice.randint(2, 4))
        self.money = {user: self.dice.randint(0, 8) for user in users}
        self.items = [
            self.random_item(name, user) for name in PROVIDERS for user in users for _ in range(self.dice.randint(0, 6))
        ]
        self.dice.shuffle(self.items)
        plans = {name: iter([each for each in self.items if each.provider == name]) for name in PROVIDERS}
        self.dispatcher = Dispatcher(Limits({name: self.dice.randint(1, 5) for name in PROVIDERS}), plans)

    def random_item(self, provider: ProviderName, user: int) -> WorkItem:
        made = make_item(provider, user)
        return made if self.dice.random() < 0.5 else WorkItem(made.task, provider, KeyId(provider, None))

    def play(self) -> None:
        while True:
            self.hand_out()
            if self.out:
                self.take_back()
                continue
            due = self.dispatcher.next_due_at()
            if due is None:
                return
            self.now = max(self.now, due)

    def hand_out(self) -> None:
        while len(self.out) < 6 and (found := self.dispatcher.next_item(self.now)) is not None:
            if found.closed is not None:
                self.ended.append(found.item)
                continue
            user = found.item.task.user_id
            reserved = self.money[user] > 0
            self.money[user] -= reserved
            self.out.append((found.item, reserved))

    def take_back(self) -> None:
        self.now += self.dice.random()
        done, reserved = self.out.pop(self.dice.randrange(len(self.out)))
        self.dispatcher.on_reply(done)
        if reserved:
            self.called(done, self.dice.choice(EFFECTS))
            return
        self.dispatcher.limits.on_not_called(done.key)
        elsewhere = self.shared and self.dice.random() < 0.7
        if self.dispatcher.on_budget_exceeded(done, self.now + 1.0 if elsewhere else None):
            self.ended.append(done)

    def called(self, done: WorkItem, effect: Effect) -> None:
        self.money[done.task.user_id] += effect != "ok"
        self.dispatcher.limits.on_result(done.key, effect, self.now, sent_at=done.sent_at, retry_after=2.0)
        self.dispatcher.on_result_known(done)
        self.dispatcher.on_finished(done)
        done.attempts += 1
        if effect in ("ok", "dead") or done.attempts == 3:
            self.ended.append(done)
        else:
            self.dispatcher.wait(done, self.now + 1.0)


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "with other machines"])
def test_every_job_comes_to_its_end(shared: bool) -> None:
    """With budgets that run out, keys that die, pauses and breakers, each job ends once and none is left waiting."""
    for seed in range(500):
        played = Day(Random(seed), shared)
        played.play()
        assert (len(played.items), len(played.items), True) == (
            len(played.ended), len(set(map(id, played.ended))), played.dispatcher.empty,
        ), f"seed {seed}"  # fmt: skip
