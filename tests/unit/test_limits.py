"""Concurrency, pauses and breakers, with a clock that the test turns."""

from __future__ import annotations

from llm_monitoring.domain import KeyId
from llm_monitoring.runs.limits import (
    COOL_DOWN_SECONDS,
    FAILURES_TO_OPEN,
    FULL,
    GO,
    HALVINGS_TO_CLOSE,
    Admission,
    Limits,
)

MINE, YOURS, OPERATOR = KeyId("openai", 1), KeyId("openai", 2), KeyId("openai", None)


def limits(concurrency: int = 10) -> Limits:
    return Limits({"openai": concurrency, "google": concurrency})


def call(state: Limits, key: KeyId, effect: str, now: float = 0.0, **told: object) -> None:
    state.on_sent(key)
    state.on_reply(key)
    state.on_result(key, effect, now, **told)  # type: ignore[arg-type]


def test_a_provider_has_room_until_its_concurrency_is_out() -> None:
    """Calls out are counted per provider and come back."""
    state = limits(2)
    state.on_sent(MINE)
    assert state.provider_has_room("openai")
    state.on_sent(YOURS)
    assert (state.provider_has_room("openai"), state.provider_has_room("google")) == (False, True)
    state.on_reply(MINE)
    assert state.provider_has_room("openai")


def test_a_429_pauses_its_key_for_the_time_asked() -> None:
    """Retry-After is kept to the letter, for that key alone."""
    state = limits()
    call(state, MINE, "slow_down", 100.0, retry_after=7.5)
    assert state.admit(MINE, 107.4) == Admission(until=107.5)
    assert (state.admit(MINE, 107.5), state.admit(YOURS, 100.0)) == (GO, GO)


def test_a_shorter_pause_leaves_a_longer_one() -> None:
    """Of calls that were out together, the one that was told to wait longest counts, whichever ends last."""
    state = limits()
    call(state, MINE, "slow_down", 100.0, retry_after=30.0)
    call(state, MINE, "slow_down", 101.0, retry_after=1.0)
    assert state.admit(MINE, 103.0) == Admission(until=130.0)


def test_a_429_without_a_time_pauses_a_second() -> None:
    """A provider that only says no is asked again after a second."""
    state = limits()
    call(state, MINE, "slow_down", 100.0)
    assert state.admit(MINE, 100.5) == Admission(until=101.0)


def test_an_absurd_wait_closes_the_key_for_the_run() -> None:
    """Where a provider asks for a day, the key is left alone until the next start."""
    state = limits()
    call(state, MINE, "slow_down", 0.0, retry_after=86400.0)
    assert state.admit(MINE, 1e9) == Admission(closed="long_wait")


def test_a_dead_key_is_closed_alone() -> None:
    """One user's refused key stops neither another user's nor the operator's."""
    state = limits()
    call(state, MINE, "dead")
    assert state.admit(MINE, 1e9) == Admission(closed="key_refused")
    assert (state.admit(YOURS, 0.0), state.admit(OPERATOR, 0.0)) == (GO, GO)


def test_the_breaker_opens_probes_and_closes_for_good() -> None:
    """After some failures in a row one call at a time is let through, ever later, and in the end none."""
    state, now = limits(), 0.0
    for key in (MINE, *[YOURS] * (FAILURES_TO_OPEN - 1)):
        call(state, key, "failing", now)
    for pause in COOL_DOWN_SECONDS:
        assert state.admit(OPERATOR, now) == Admission(until=now + pause)
        now += pause
        assert state.admit(OPERATOR, now) == GO
        state.on_sent(OPERATOR)
        assert state.admit(MINE, now) == Admission(until=now + 1.0)
        state.on_reply(OPERATOR)
        state.on_result(OPERATOR, "failing", now)
    assert state.admit(MINE, now + 1e6) == Admission(closed="provider_failing")
    assert state.admit(KeyId("google", 1), now) == GO


def test_the_failures_of_one_key_stop_that_key_alone() -> None:
    """Where only one key fails, its own breaker opens and closes for good; the provider serves the others on."""
    state, now = limits(), 0.0
    for _ in range(FAILURES_TO_OPEN):
        call(state, MINE, "failing", now)
    for pause in COOL_DOWN_SECONDS:
        assert (state.admit(MINE, now), state.admit(YOURS, now)) == (Admission(until=now + pause), GO)
        now += pause
        call(state, MINE, "failing", now)
    assert (state.admit(MINE, now + 1e6), state.admit(YOURS, now)) == (Admission(closed="provider_failing"), GO)


def test_calls_that_were_out_when_the_breaker_opened_count_once() -> None:
    """A burst of failures is one event: the breaker opens once, whatever the concurrency was."""
    state = limits(50)
    for _ in range(50):
        state.on_sent(MINE)
    for _ in range(50):
        state.on_reply(MINE)
        state.on_result(MINE, "failing", 0.0)
    assert state.admit(MINE, 0.0) == Admission(until=COOL_DOWN_SECONDS[0])


def test_an_answer_closes_the_breaker() -> None:
    """One success forgets the failures before it; also an error about a single request shows a living provider."""
    state = limits()
    for effect in ("ok", "slow_down"):
        for _ in range(FAILURES_TO_OPEN - 1):
            call(state, MINE, "failing")
        call(state, YOURS, effect)
    assert state.admit(OPERATOR, 0.0) == GO


def test_a_job_that_was_never_sent_frees_the_probe() -> None:
    """A probe that did not go out lets the next one through."""
    state = limits()
    for _ in range(FAILURES_TO_OPEN):
        call(state, MINE, "failing")
    now = COOL_DOWN_SECONDS[0]
    state.on_sent(MINE)
    state.on_reply(MINE)
    state.on_not_called(MINE)
    assert state.admit(MINE, now) == GO


def test_a_429_halves_the_window_of_its_key_at_once() -> None:
    """As soon as a provider says no, half as many calls of that key may be out; other keys keep theirs."""
    state = limits(8)
    call(state, MINE, "slow_down", 10.0, sent_at=9.0, retry_after=0.0)
    assert (state.window(MINE), state.window(YOURS)) == (4, 8)
    for _ in range(4):
        state.on_sent(MINE)
    assert (state.admit(MINE, 10.0), state.admit(YOURS, 10.0)) == (FULL, GO)
    state.on_reply(MINE)
    assert state.admit(MINE, 10.0) == GO


def test_a_burst_of_429s_is_one_event() -> None:
    """Calls that were out when the window was halved say nothing new; those that went out later do."""
    state = limits(8)
    told = [(10.0, 9.0), (10.1, 9.5), (10.2, 9.9), (12.0, 11.0)]
    narrowed = []
    for now, sent_at in told:
        state.on_sent(MINE)
        state.on_reply(MINE)
        narrowed.append(state.on_result(MINE, "slow_down", now, sent_at=sent_at, retry_after=0.0))
    assert (narrowed, state.window(MINE)) == ([True, False, False, True], 2)


def test_the_window_grows_by_one_for_a_windowful_of_answers() -> None:
    """Up slowly: four answers at a window of four make it five, and never more than the operator allows."""
    state = limits(8)
    call(state, MINE, "slow_down", 1.0, sent_at=0.0, retry_after=0.0)
    grown = [state.window(MINE)]
    for _ in range(60):
        call(state, MINE, "ok", 2.0)
        grown.append(state.window(MINE))
    assert [grown.count(size) for size in (4, 5, 6, 7)] == [4, 5, 6, 7]
    assert grown[-1] == 8


def test_a_window_never_closes() -> None:
    """However often a provider says no, one call at a time is left, after the pause that it asked for."""
    state = limits(8)
    for now in range(10):
        call(state, MINE, "slow_down", now + 0.5, sent_at=float(now), retry_after=0.25)
    assert (state.window(MINE), state.admit(MINE, 9.6), state.admit(MINE, 9.75)) == (1, Admission(until=9.75), GO)


def test_a_key_that_gets_no_answer_through_many_rounds_is_closed() -> None:
    """A limit that no wait mends ends after as many halvings as no busy key gets; an answer starts the count again."""
    state = limits(8)
    for now in range(2 * HALVINGS_TO_CLOSE - 1):
        if now == HALVINGS_TO_CLOSE - 1:
            call(state, MINE, "ok", now)
        else:
            call(state, MINE, "slow_down", now + 0.5, sent_at=float(now), retry_after=0.25)
    assert state.admit(MINE, 1e6) == GO
    call(state, MINE, "slow_down", 100.5, sent_at=100.0)
    call(state, YOURS, "slow_down", 100.5, sent_at=100.0)
    assert (state.admit(MINE, 1e6), state.admit(YOURS, 1e6)) == (Admission(closed="rate_limited"), GO)


def test_a_missing_model_closes_its_use_alone() -> None:
    """A judge whose model is gone leaves the answers of the same key alone."""
    state = limits()
    call(state, MINE, "no_model", reason="model_missing", use="sentiment")
    assert (state.admit(MINE, 0.0, "sentiment"), state.admit(MINE, 0.0)) == (Admission(closed="model_missing"), GO)


def test_a_503_that_names_a_time_pauses_its_key() -> None:
    """An overloaded provider that says when to come back is left alone until then, to the letter."""
    state = limits()
    call(state, MINE, "failing", 100.0, retry_after=20.0)
    assert (state.admit(MINE, 119.9), state.admit(MINE, 120.0)) == (Admission(until=120.0), GO)
    assert state.admit(YOURS, 100.0) == GO


def test_a_key_that_failed_before_a_success_is_forgotten() -> None:
    """A provider is not shut for one key's failures because another's failed before its last good answer."""
    state = limits()
    call(state, YOURS, "failing")
    call(state, OPERATOR, "ok")
    for _ in range(FAILURES_TO_OPEN):
        call(state, MINE, "failing")
    assert (state.admit(MINE, 0.0).now, state.admit(OPERATOR, 0.0)) == (False, GO)
