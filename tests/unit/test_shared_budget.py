"""Jobs whose money other machines have reserved: one asks again, the others wait for it, none is forgotten."""

from __future__ import annotations

from tests.unit.test_schedule import job, schedule, take


def test_one_job_asks_again_and_the_others_wait_for_it() -> None:
    """Where another machine holds a user's money, one job a user tries again when it is time; no other goes out."""
    state = schedule(openai=[job(query=n) for n in range(4)])
    refused = [take(state) for _ in range(4)]
    assert [False] * 4 == [state.blocked(each, 1.0) for each in refused]
    assert (None, 1.0, False) == (state.next(0.9), state.wake_at(), state.empty)
    probe = take(state, 1.0)
    assert (None, False) == (state.next(1.0), state.blocked(probe, 2.0))
    assert take(state, 2.0) is probe


def test_money_that_came_back_lets_the_others_go_on() -> None:
    """When the job that asked again is done, the jobs that waited for it have their turn."""
    state = schedule(openai=[job(query=n) for n in range(3)])
    refused = [take(state) for _ in range(3)]
    for each in refused:
        state.blocked(each, 1.0)
    probe = take(state, 1.0)
    state.landed(probe)
    state.came_back(probe)
    assert {1, 2, 0} - {probe.task.query_id} == {take(state, 1.0).task.query_id, take(state, 1.0).task.query_id}


def test_a_spent_budget_ends_the_waiting() -> None:
    """When the money is gone for good, every waiting job hears it, and nothing waits for ever."""
    state = schedule(openai=[job(query=n) for n in range(3)])
    for each in [take(state) for _ in range(3)]:
        state.blocked(each, 1.0)
    ended = []
    while (found := state.next(1.0)) is not None:
        ended += [found.job.task.query_id] if state.blocked(found.job) else []
    assert ([0, 1, 2], True) == (sorted(ended), state.empty)


def test_a_paused_key_does_not_keep_the_money_waiting() -> None:
    """When the job that should ask again is held up by its provider, another of the user's asks."""
    state = schedule(openai=[job(query=1)], google=[job("google", query=2)])
    probe, other = take(state), take(state)
    state.blocked(other, 1.0)
    state.blocked(probe, 1.0)
    state.limits.pause(state.limits.key(other.key), 0.0, 60.0)
    asking = take(state, 1.0)
    assert ("openai", None) == (asking.provider, state.next(1.0))


def test_a_dead_key_does_not_keep_the_money_waiting() -> None:
    """When the job that should ask again is not to be asked at all, the others are not forgotten."""
    state = schedule(openai=[job(query=1)], google=[job("google", query=2)])
    first, second = take(state), take(state)
    state.blocked(first, 1.0)
    state.blocked(second, 1.0)
    probe, other = (first, second) if state.probes[1] is first else (second, first)
    state.limits.kill(probe.key, "key_refused")
    found = [state.next(1.0), state.next(1.0)]
    assert {(probe.provider, "key_refused"), (other.provider, None)} == {
        (each.job.provider, each.closed) for each in found if each
    }


def test_users_wait_apart() -> None:
    """One user's money that is elsewhere holds up nobody else's jobs."""
    state = schedule(openai=[job(user=1), job(user=1, query=2), job(user=2)])
    first, second = take(state), take(state)
    state.blocked(first, 1.0)
    state.blocked(second, 1.0)
    assert 2 == take(state).task.user_id
