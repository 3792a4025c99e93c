"""Windows, pauses and breakers, with a clock that the test sets."""

from __future__ import annotations

from llm_monitoring.domain import KeyId
from llm_monitoring.runs.limits import (
    COOL_DOWN_SECONDS,
    FAILURES_TO_OPEN,
    FULL,
    GO,
    HALVINGS_TO_CLOSE,
    Admission,
    Effect,
    Limits,
)

MINE, YOURS, OPERATOR = KeyId("openai", 1), KeyId("openai", 2), KeyId("openai", None)


def make_limits(concurrency: int = 10) -> Limits:
    return Limits({"openai": concurrency, "google": concurrency})


def call(limits: Limits, key: KeyId, effect: Effect, now: float = 0.0, **result: object) -> bool:
    """Make a whole call; True if it narrowed the key's window."""
    limits.on_sent(key)
    limits.on_reply(key)
    return limits.on_result(key, effect, now, **result)  # type: ignore[arg-type]


def test_a_provider_has_room_until_its_concurrency_is_in_flight() -> None:
    """Calls in flight are counted per provider and end with their replies."""
    limits = make_limits(2)
    limits.on_sent(MINE)
    assert limits.provider_has_room("openai")
    limits.on_sent(YOURS)
    assert not limits.provider_has_room("openai")
    assert limits.provider_has_room("google")
    limits.on_reply(MINE)
    assert limits.provider_has_room("openai")


def test_a_429_pauses_its_key_for_the_time_asked() -> None:
    """Retry-After is kept exactly, for that key alone."""
    limits = make_limits()
    call(limits, MINE, "slow_down", 100.0, retry_after=7.5)
    assert Admission(until=107.5) == limits.admit(MINE, 107.4)
    assert limits.admit(MINE, 107.5) == GO
    assert limits.admit(YOURS, 100.0) == GO


def test_a_shorter_pause_leaves_a_longer_one() -> None:
    """Of calls that were in flight together the longest Retry-After counts, whichever ends last."""
    limits = make_limits()
    call(limits, MINE, "slow_down", 100.0, retry_after=30.0)
    call(limits, MINE, "slow_down", 101.0, retry_after=1.0)
    assert Admission(until=130.0) == limits.admit(MINE, 103.0)


def test_a_429_without_a_time_pauses_a_second() -> None:
    """A provider that gives no time is asked again after a second."""
    limits = make_limits()
    call(limits, MINE, "slow_down", 100.0)
    assert Admission(until=101.0) == limits.admit(MINE, 100.5)


def test_an_absurd_wait_closes_the_key_for_the_run() -> None:
    """If a provider asks for a day, the key is left alone until the next start."""
    limits = make_limits()
    call(limits, MINE, "slow_down", 0.0, retry_after=86400.0)
    assert Admission(closed="long_wait") == limits.admit(MINE, 1e9)


def test_a_dead_key_is_closed_alone() -> None:
    """One user's refused key stops neither another user's nor the operator's."""
    limits = make_limits()
    call(limits, MINE, "dead")
    assert Admission(closed="key_refused") == limits.admit(MINE, 1e9)
    assert limits.admit(YOURS, 0.0) == GO
    assert limits.admit(OPERATOR, 0.0) == GO


def test_the_breaker_opens_and_closes_for_good() -> None:
    """After some failures in a row one call at a time is let through, ever later, and in the end none."""
    limits, now = make_limits(), 0.0
    for key in (MINE, *[YOURS] * (FAILURES_TO_OPEN - 1)):
        call(limits, key, "failing", now)
    for pause in COOL_DOWN_SECONDS:
        assert Admission(until=now + pause) == limits.admit(OPERATOR, now)
        now += pause
        assert limits.admit(OPERATOR, now) == GO
        limits.on_sent(OPERATOR)
        assert Admission(until=now + 1.0) == limits.admit(MINE, now)
        limits.on_reply(OPERATOR)
        limits.on_result(OPERATOR, "failing", now)
    assert Admission(closed="provider_failing") == limits.admit(MINE, now + 1e6)
    assert limits.admit(KeyId("google", 1), now) == GO


def test_the_failures_of_one_key_stop_that_key_alone() -> None:
    """If only one key fails, its own breaker opens and closes for good; the provider still serves the others."""
    limits, now = make_limits(), 0.0
    for _ in range(FAILURES_TO_OPEN):
        call(limits, MINE, "failing", now)
    for pause in COOL_DOWN_SECONDS:
        assert Admission(until=now + pause) == limits.admit(MINE, now)
        assert limits.admit(YOURS, now) == GO
        now += pause
        call(limits, MINE, "failing", now)
    assert Admission(closed="provider_failing") == limits.admit(MINE, now + 1e6)
    assert limits.admit(YOURS, now) == GO


def test_calls_in_flight_when_the_breaker_opened_count_once() -> None:
    """A burst of failures is one event: the breaker opens once, whatever the concurrency was."""
    limits = make_limits(50)
    for _ in range(50):
        limits.on_sent(MINE)
    for _ in range(50):
        limits.on_reply(MINE)
        limits.on_result(MINE, "failing", 0.0)
    assert Admission(until=COOL_DOWN_SECONDS[0]) == limits.admit(MINE, 0.0)


def test_an_answer_closes_the_breaker() -> None:
    """One success resets the failures; so does an error about a single request, as the provider works."""
    limits = make_limits()
    effects: tuple[Effect, ...] = ("ok", "slow_down")
    for effect in effects:
        for _ in range(FAILURES_TO_OPEN - 1):
            call(limits, MINE, "failing")
        call(limits, YOURS, effect)
    assert limits.admit(OPERATOR, 0.0) == GO


def test_an_item_that_was_not_sent_leaves_the_breaker_half_open() -> None:
    """If the one call after a cool-down did not go out, the next one may."""
    limits = make_limits()
    for _ in range(FAILURES_TO_OPEN):
        call(limits, MINE, "failing")
    limits.on_sent(MINE)
    limits.on_reply(MINE)
    limits.on_not_called(MINE)
    assert limits.admit(MINE, COOL_DOWN_SECONDS[0]) == GO


def test_a_429_halves_the_window_of_its_key_at_once() -> None:
    """After a 429 half as many calls of that key may be in flight; other keys keep their windows."""
    limits = make_limits(8)
    call(limits, MINE, "slow_down", 10.0, sent_at=9.0, retry_after=0.0)
    assert 4 == limits.window(MINE)
    assert 8 == limits.window(YOURS)
    for _ in range(4):
        limits.on_sent(MINE)
    assert limits.admit(MINE, 10.0) == FULL
    assert limits.admit(YOURS, 10.0) == GO
    limits.on_reply(MINE)
    assert limits.admit(MINE, 10.0) == GO


def test_a_burst_of_429s_is_one_event() -> None:
    """Calls in flight when the window was halved do not halve it again; those sent later do."""
    limits = make_limits(8)
    calls = [(10.0, 9.0), (10.1, 9.5), (10.2, 9.9), (12.0, 11.0)]
    narrowed = [call(limits, MINE, "slow_down", now, sent_at=sent_at, retry_after=0.0) for now, sent_at in calls]
    assert [True, False, False, True] == narrowed
    assert 2 == limits.window(MINE)


def test_the_window_grows_by_one_for_a_windowful_of_answers() -> None:
    """Four answers at a window of four make it five, and it never exceeds what the operator allows."""
    limits = make_limits(8)
    call(limits, MINE, "slow_down", 1.0, sent_at=0.0, retry_after=0.0)
    sizes = [limits.window(MINE)]
    for _ in range(60):
        call(limits, MINE, "ok", 2.0)
        sizes.append(limits.window(MINE))
    assert [4, 5, 6, 7] == [sizes.count(size) for size in (4, 5, 6, 7)]
    assert 8 == sizes[-1]


def test_a_window_never_closes() -> None:
    """However often a provider refuses, one call at a time is left, after the pause that it asked for."""
    limits = make_limits(8)
    for now in range(10):
        call(limits, MINE, "slow_down", now + 0.5, sent_at=float(now), retry_after=0.25)
    assert 1 == limits.window(MINE)
    assert Admission(until=9.75) == limits.admit(MINE, 9.6)
    assert limits.admit(MINE, 9.75) == GO


def test_a_key_without_an_answer_through_many_halvings_is_closed() -> None:
    """A quota that waiting does not help ends after more halvings than a busy key gets; an answer resets the count."""
    limits = make_limits(8)
    for now in range(2 * HALVINGS_TO_CLOSE - 1):
        if now == HALVINGS_TO_CLOSE - 1:
            call(limits, MINE, "ok", now)
        else:
            call(limits, MINE, "slow_down", now + 0.5, sent_at=float(now), retry_after=0.25)
    assert limits.admit(MINE, 1e6) == GO
    call(limits, MINE, "slow_down", 100.5, sent_at=100.0)
    call(limits, YOURS, "slow_down", 100.5, sent_at=100.0)
    assert Admission(closed="rate_limited") == limits.admit(MINE, 1e6)
    assert limits.admit(YOURS, 1e6) == GO


def test_a_missing_model_closes_its_use_alone() -> None:
    """If the judge's model is gone, the same key still asks for answers."""
    limits = make_limits()
    call(limits, MINE, "no_model", reason="model_missing", use="sentiment")
    assert Admission(closed="model_missing") == limits.admit(MINE, 0.0, "sentiment")
    assert limits.admit(MINE, 0.0) == GO


def test_a_503_that_names_a_time_pauses_its_key() -> None:
    """An overloaded provider that gives a time is not asked before it."""
    limits = make_limits()
    call(limits, MINE, "failing", 100.0, retry_after=20.0)
    assert Admission(until=120.0) == limits.admit(MINE, 119.9)
    assert limits.admit(MINE, 120.0) == GO
    assert limits.admit(YOURS, 100.0) == GO


def test_a_key_that_failed_before_a_success_does_not_count() -> None:
    """A provider stays open if one key fails and another one failed before the provider's last success."""
    limits = make_limits()
    call(limits, YOURS, "failing")
    call(limits, OPERATOR, "ok")
    for _ in range(FAILURES_TO_OPEN):
        call(limits, MINE, "failing")
    assert not limits.admit(MINE, 0.0).now
    assert limits.admit(OPERATOR, 0.0) == GO
