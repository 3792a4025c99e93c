"""When a provider may be called: windows, pauses and breakers per provider and key. The clock is passed in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from llm_monitoring.domain import KeyId, ProviderName

LONGEST_PAUSE_SECONDS: Final = 900.0  # a provider that asks for more is left alone until the next start
FAILURES_TO_OPEN: Final = 5
COOL_DOWN_SECONDS: Final = (30.0, 60.0, 120.0)

ROUNDS_TO_CLOSE: Final = 20  # halvings of a key's window, one after the other, without an answer between them

# What a call says of its provider, its key, or the model under this key
Effect = Literal["ok", "slow_down", "failing", "dead", "no_model"]
ClosedReason = Literal[
    "key_refused", "account_refused", "daily_quota", "model_missing", "rate_limited", "long_wait", "provider_failing",
    "key_unreadable",
]  # fmt: skip
Use = Literal["answer", "sentiment"]  # for which a key is called: each has its own model


@dataclass(frozen=True, slots=True)
class Admission:
    """`now` true: go. Else `until` (clock seconds) tells when to ask again; `closed` why never in this run.

    `full`: as many calls as the key's window allows are out; ask again when one has landed.
    """

    now: bool = False
    until: float | None = None
    closed: ClosedReason | None = None
    full: bool = False


GO: Final = Admission(now=True)
FULL: Final = Admission(full=True)


@dataclass(slots=True)
class Breaker:
    """Opens after consecutive failures, lets one call through after a cool-down, and closes for good in the end."""

    failures: int = 0
    opened: int = 0
    until: float = 0.0
    probing: bool = False
    closed_for_good: bool = False

    def admit(self, now: float) -> Admission:
        if self.closed_for_good:
            return Admission(closed="provider_failing")
        if self.until > now:
            return Admission(until=self.until)
        if self.opened and self.probing:
            return Admission(until=now + 1.0)
        return GO

    def sent(self) -> None:
        self.probing = self.opened > 0

    def succeeded(self) -> None:
        self.failures, self.opened, self.probing = 0, 0, False

    def failed(self, now: float, *, may_open: bool = True) -> None:
        if self.until > now and not self.probing:
            return  # it went out before the breaker opened, and says nothing new
        self.failures += 1
        if not may_open or (self.failures < FAILURES_TO_OPEN and not self.probing):
            return
        self.probing = False
        if self.opened == len(COOL_DOWN_SECONDS):
            self.closed_for_good = True
            return
        self.until = max(self.until, now + COOL_DOWN_SECONDS[self.opened])
        self.opened += 1
        self.failures = 0


@dataclass(slots=True)
class Lane:
    """One provider: how many calls are out, and whether it works at all.

    Failures of one key alone say nothing about the provider: its breaker opens when those of two or more follow
    each other without a success between them.
    """

    concurrency: int
    out: int = 0
    breaker: Breaker = field(default_factory=Breaker)
    failing: set[KeyId] = field(default_factory=set)

    def succeeded(self) -> None:
        self.breaker.succeeded()
        self.failing.clear()

    def failed(self, key: KeyId, now: float) -> None:
        self.failing.add(key)
        self.breaker.failed(now, may_open=len(self.failing) > 1)


@dataclass(slots=True)
class Window:
    """How many calls of one key may be out: halved when its provider says 429, one more a windowful of answers.

    Starts at `most`, what the operator allows: a provider's limit is unknown until it says no, and a run that
    started low would waste the day of everybody whose limit is higher (additive increase, multiplicative decrease).
    """

    most: int
    calls: int
    answers: int = 0
    narrowed_at: float = -math.inf
    rounds: int = 0

    def widen(self) -> None:
        self.rounds = 0
        self.answers += 1
        if self.answers >= self.calls:
            self.calls, self.answers = min(self.most, self.calls + 1), 0

    def narrow(self, now: float, sent_at: float) -> bool:
        """Halve the window; False where the call went out before the last time, and so says nothing new."""
        if sent_at < self.narrowed_at:
            return False
        self.calls, self.answers = max(1, self.calls // 2), 0
        self.narrowed_at = now
        self.rounds += 1
        return True


@dataclass(slots=True)
class KeyState:
    """One key: how many calls it may have out, its pause, its own breaker, or why it is dead for this run.

    `dead_uses`: why it is dead for the model of answers, or of the judge, alone.
    """

    window: Window
    out: int = 0
    paused_until: float = 0.0
    dead: ClosedReason | None = None
    dead_uses: dict[Use, ClosedReason] = field(default_factory=dict)
    breaker: Breaker = field(default_factory=Breaker)


class Limits:
    """The state of every provider and key in one run. For one thread; times are seconds of any monotonic clock."""

    def __init__(self, concurrency: Mapping[ProviderName, int]) -> None:
        self.lanes = {provider: Lane(limit) for provider, limit in concurrency.items()}
        self.keys: dict[KeyId, KeyState] = {}

    def key(self, key: KeyId) -> KeyState:
        if key not in self.keys:
            most = self.lanes[key.provider].concurrency
            self.keys[key] = KeyState(Window(most, most))
        return self.keys[key]

    def room(self, provider: ProviderName) -> bool:
        lane = self.lanes[provider]
        return lane.out < lane.concurrency

    def out(self, provider: ProviderName) -> int:
        """Calls to the provider that are out now."""
        return self.lanes[provider].out

    def window(self, key: KeyId) -> int:
        """How many calls the key may have out at the same time now."""
        return self.key(key).window.calls

    def has_room(self, key: KeyId) -> bool:
        state = self.key(key)
        return state.out < state.window.calls

    def admit(self, key: KeyId, now: float, use: Use = "answer") -> Admission:
        """Whether a call with this key may go out now; `room` is asked before."""
        state = self.key(key)
        dead = state.dead or state.dead_uses.get(use)
        if dead:
            return Admission(closed=dead)
        if state.paused_until > now:
            return Admission(until=state.paused_until)
        if not self.has_room(key):
            return FULL
        own = state.breaker.admit(now)
        return self.lanes[key.provider].breaker.admit(now) if own.now else own

    def sent(self, key: KeyId) -> None:
        """A worker was told to call."""
        lane, state = self.lanes[key.provider], self.key(key)
        lane.out += 1
        state.out += 1
        lane.breaker.sent()
        state.breaker.sent()

    def landed(self, key: KeyId) -> None:
        """The provider has nothing to do with the call any more; what it said is told to `finished`."""
        self.lanes[key.provider].out -= 1
        self.key(key).out -= 1

    def uncalled(self, key: KeyId) -> None:
        """A worker came back without having called the provider, so nothing is known of it."""
        self.lanes[key.provider].breaker.probing = self.key(key).breaker.probing = False

    def finished(
        self,
        key: KeyId,
        effect: Effect,
        now: float,
        *,
        sent_at: float = math.inf,
        retry_after: float | None = None,
        reason: ClosedReason = "key_refused",
        use: Use = "answer",
    ) -> bool:
        """A call that went out at `sent_at` ended; True if the key's window was narrowed for it.

        `ok` also if the provider answered with an error about this one request. `reason` closes a dead key.
        """
        lane, state = self.lanes[key.provider], self.key(key)
        if effect == "failing":
            state.breaker.failed(now)
            lane.failed(key, now)
            self.pause(state, now, retry_after)
            return False
        state.breaker.succeeded()
        lane.succeeded()
        if effect == "dead":
            self.kill(key, reason)
        elif effect == "no_model":
            state.dead_uses[use] = reason
        elif effect == "slow_down":
            self.pause(state, now, 1.0 if retry_after is None else retry_after)
            return self.narrow(state, now, sent_at)
        else:
            state.window.widen()
        return False

    def narrow(self, state: KeyState, now: float, sent_at: float) -> bool:
        """Halve a key's window; a key that got no answer through so many of them has a limit that no wait mends."""
        narrowed = state.window.narrow(now, sent_at)
        if state.window.rounds >= ROUNDS_TO_CLOSE:
            state.dead = state.dead or "rate_limited"
        return narrowed

    def kill(self, key: KeyId, reason: ClosedReason) -> None:
        """Use this key no more in this run."""
        self.key(key).dead = reason

    def pause(self, state: KeyState, now: float, seconds: float | None) -> None:
        """Leave a key alone for as long as its provider asked."""
        if seconds is None:
            return
        if seconds > LONGEST_PAUSE_SECONDS:
            state.dead = "long_wait"
        else:
            state.paused_until = max(state.paused_until, now + seconds)


def threads(max_workers: int) -> int:
    """Workers of a run: a quarter more than the calls that may be out, as some are storing a reply."""
    return max_workers + max_workers // 4
