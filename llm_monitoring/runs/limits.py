"""When a provider may be called with a key: windows, pauses and breakers, for one run. The clock is passed in.

Three limits hold at once, each for its own reason:

- A window per key says how many calls may be in flight. It starts at what the operator allows, is halved by a 429 and
  grows by one for each windowful of answers. A provider's real limit is unknown until it refuses, and it is the key's,
  not the provider's: one user's small quota must not slow another user down.
  A flex call that is refused for lack of room says nothing of the key's limit, nor of the provider's health.
- A pause per key lasts as long as its provider asked (Retry-After).
- A breaker per key and one per provider stop calls that fail one after another. A failure may be billed, so that it is
  not worth trying all tasks of a day at a provider that is down. The provider's breaker opens only if at least two
  keys fail: failures of one key are no evidence against the others.

A key that is refused, has used up its quota, or gets nothing but 429s is closed for the run. A model that is missing
closes one use of the key (answers or sentiment). Only replies to calls that were sent after the last change count: the
others were in flight together and report the same event again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from llm_monitoring.domain import KeyId, ProviderName

LONGEST_PAUSE_SECONDS: Final = 900.0  # a provider that asks for more is left alone until the next start
FAILURES_TO_OPEN: Final = 5
COOL_DOWN_SECONDS: Final = (30.0, 60.0, 120.0)

HALVINGS_TO_CLOSE: Final = 20  # halvings of a key's window, one after the other, without an answer between them

# What a call says of its provider, its key, or the model under this key. `shed`: there was no room for it as flex.
Effect = Literal["ok", "slow_down", "failing", "dead", "no_model", "shed"]
ClosedReason = Literal[
    "key_refused",
    "account_refused",
    "daily_quota",
    "model_missing",
    "rate_limited",
    "long_wait",
    "provider_failing",
    "key_unreadable",
]
Use = Literal["answer", "sentiment"]  # what a key is called for: each use has its own model


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a call may go out now; if not, when to ask again (`until`, clock seconds), or why never (`closed`).

    `full`: the key's window is in flight; ask again after its next reply.
    """

    now: bool = False
    until: float | None = None
    closed: ClosedReason | None = None
    full: bool = False


GO: Final = Admission(now=True)
FULL: Final = Admission(full=True)


@dataclass(slots=True)
class Breaker:
    """Opens after consecutive failures, lets one call through after a cool-down, and in the end closes for good."""

    failures: int = 0
    opened: int = 0
    until: float = 0.0
    half_open: bool = False  # the one call after a cool-down is in flight
    closed_for_good: bool = False

    def admit(self, now: float) -> Admission:
        if self.closed_for_good:
            return Admission(closed="provider_failing")
        if self.until > now:
            return Admission(until=self.until)
        if self.opened and self.half_open:
            return Admission(until=now + 1.0)
        return GO

    def on_sent(self) -> None:
        self.half_open = self.opened > 0

    def on_success(self) -> None:
        self.failures, self.opened, self.half_open = 0, 0, False

    def on_failure(self, now: float, *, may_open: bool = True) -> None:
        if self.until > now and not self.half_open:
            return  # it was sent before the breaker opened and reports the same event
        self.failures += 1
        if not may_open or (self.failures < FAILURES_TO_OPEN and not self.half_open):
            return
        self.half_open = False
        if self.opened == len(COOL_DOWN_SECONDS):
            self.closed_for_good = True
            return
        self.until = max(self.until, now + COOL_DOWN_SECONDS[self.opened])
        self.opened += 1
        self.failures = 0


@dataclass(slots=True)
class ProviderState:
    """One provider: how many calls are in flight, its breaker, and the keys that failed since its last success."""

    concurrency: int
    in_flight: int = 0
    breaker: Breaker = field(default_factory=Breaker)
    failing: set[KeyId] = field(default_factory=set)

    def on_success(self) -> None:
        self.breaker.on_success()
        self.failing.clear()

    def on_failure(self, key: KeyId, now: float) -> None:
        self.failing.add(key)
        self.breaker.on_failure(now, may_open=len(self.failing) > 1)


@dataclass(slots=True)
class Window:
    """How many calls of one key may be in flight: additive increase, multiplicative decrease, at most `maximum`."""

    maximum: int
    calls: int
    answers: int = 0
    narrowed_at: float = -math.inf
    halvings: int = 0

    def widen(self) -> None:
        self.halvings = 0
        self.answers += 1
        if self.answers >= self.calls:
            self.calls, self.answers = min(self.maximum, self.calls + 1), 0

    def narrow(self, now: float, sent_at: float) -> bool:
        """Halve the window; False if the call was sent before the last time, so that it reports the same event."""
        if sent_at < self.narrowed_at:
            return False
        self.calls, self.answers = max(1, self.calls // 2), 0
        self.narrowed_at = now
        self.halvings += 1
        return True


@dataclass(slots=True)
class KeyState:
    """One key: its window, pause and breaker, and why it is closed for this run, for all uses or for one."""

    window: Window
    in_flight: int = 0
    paused_until: float = 0.0
    closed: ClosedReason | None = None
    closed_uses: dict[Use, ClosedReason] = field(default_factory=dict)
    breaker: Breaker = field(default_factory=Breaker)


class Limits:
    """The state of every provider and key in one run. For one thread; times are seconds of any monotonic clock.

    The caller reports each call in order: `on_sent`, `on_reply`, then `on_result` or `on_not_called`.
    """

    def __init__(
        self, concurrency: Mapping[ProviderName, int], longest_pause_seconds: float = LONGEST_PAUSE_SECONDS
    ) -> None:
        self.longest_pause_seconds = longest_pause_seconds
        self.providers = {provider: ProviderState(limit) for provider, limit in concurrency.items()}
        self.keys: dict[KeyId, KeyState] = {}

    def key(self, key: KeyId) -> KeyState:
        if key not in self.keys:
            maximum = self.providers[key.provider].concurrency
            self.keys[key] = KeyState(Window(maximum, maximum))
        return self.keys[key]

    def provider_has_room(self, provider: ProviderName) -> bool:
        state = self.providers[provider]
        return state.in_flight < state.concurrency

    def in_flight(self, provider: ProviderName) -> int:
        """Calls to the provider that are in flight now."""
        return self.providers[provider].in_flight

    def window(self, key: KeyId) -> int:
        """How many calls of the key may be in flight at the same time now."""
        return self.key(key).window.calls

    def key_has_room(self, key: KeyId) -> bool:
        state = self.key(key)
        return state.in_flight < state.window.calls

    def admit(self, key: KeyId, now: float, use: Use = "answer") -> Admission:
        """Whether a call with this key may go out now; `provider_has_room` is asked before."""
        state = self.key(key)
        closed = state.closed or state.closed_uses.get(use)
        if closed:
            return Admission(closed=closed)
        if state.paused_until > now:
            return Admission(until=state.paused_until)
        if not self.key_has_room(key):
            return FULL
        own = state.breaker.admit(now)
        return self.providers[key.provider].breaker.admit(now) if own.now else own

    def on_sent(self, key: KeyId) -> None:
        """A worker thread got the call to make."""
        provider, state = self.providers[key.provider], self.key(key)
        provider.in_flight += 1
        state.in_flight += 1
        provider.breaker.on_sent()
        state.breaker.on_sent()

    def on_reply(self, key: KeyId) -> None:
        """The provider has nothing more to do with the call; `on_result` reports what it answered."""
        self.providers[key.provider].in_flight -= 1
        self.key(key).in_flight -= 1

    def on_not_called(self, key: KeyId) -> None:
        """A worker thread did not call the provider after all, so nothing is known of it."""
        self.providers[key.provider].breaker.half_open = self.key(key).breaker.half_open = False

    def on_result(
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
        """A call that was sent at `sent_at` has ended; True if the key's window was narrowed for it.

        `ok` also if the provider answered with an error about this one request. `reason` closes a dead key.
        """
        provider, state = self.providers[key.provider], self.key(key)
        if effect == "shed":
            self.on_not_called(key)
            return False
        if effect == "failing":
            state.breaker.on_failure(now)
            provider.on_failure(key, now)
            self.pause(state, now, retry_after)
            return False
        state.breaker.on_success()
        provider.on_success()
        if effect == "dead":
            self.close_key(key, reason)
        elif effect == "no_model":
            state.closed_uses[use] = reason
        elif effect == "slow_down":
            self.pause(state, now, 1.0 if retry_after is None else retry_after)
            return self.narrow(state, now, sent_at)
        else:
            state.window.widen()
        return False

    def narrow(self, state: KeyState, now: float, sent_at: float) -> bool:
        """Halve a key's window; close a key that got no answer through so many halvings, as waiting does not help."""
        narrowed = state.window.narrow(now, sent_at)
        if state.window.halvings >= HALVINGS_TO_CLOSE:
            state.closed = state.closed or "rate_limited"
        return narrowed

    def close_key(self, key: KeyId, reason: ClosedReason) -> None:
        """Make no more calls with this key in this run."""
        self.key(key).closed = reason

    def pause(self, state: KeyState, now: float, seconds: float | None) -> None:
        """Make no call with a key for as long as its provider asked."""
        if seconds is None:
            return
        if seconds > self.longest_pause_seconds:
            state.closed = "long_wait"
        else:
            state.paused_until = max(state.paused_until, now + seconds)


def thread_count(max_workers: int) -> int:
    """Worker threads of a run: a quarter more than the calls in flight, as some threads are storing a reply."""
    return max_workers + max_workers // 4
