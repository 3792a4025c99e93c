"""Which job is next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from llm_monitoring.domain import KeyId, ProviderName, Task
from llm_monitoring.runs.dispatcher import Dispatcher, WorkItem
from llm_monitoring.runs.limits import Limits


def job(provider: ProviderName = "openai", user: int = 1, query: int = 1) -> WorkItem:
    task = Task(user, user, query, provider, date(2026, 11, 23), 1, "?", "en")
    return WorkItem(task, provider, KeyId(provider, user))


def schedule(concurrency: int = 10, **plans: Sequence[WorkItem]) -> Dispatcher:
    names: tuple[ProviderName, ...] = ("openai", "google")
    return Dispatcher(Limits(dict.fromkeys(names, concurrency)), {name: iter(plans.get(name, ())) for name in names})


def take(state: Dispatcher, now: float = 0.0) -> WorkItem:
    found = state.next(now)
    assert found is not None
    return found.job


def test_providers_take_turns_by_the_calls_they_have_out() -> None:
    """A slow provider's calls stay out, so the others get the free workers."""
    state = schedule(openai=[job(query=n) for n in range(4)], google=[job("google", query=n) for n in range(4)])
    assert [take(state).provider for _ in range(4)] == ["openai", "google", "openai", "google"]


def test_a_full_provider_does_not_hold_up_the_others() -> None:
    """Where one provider's concurrency is out, the next job is another's."""
    state = schedule(1, openai=[job(), job(query=2)], google=[job("google")])
    assert [take(state).provider, take(state).provider, state.next(0.0)] == ["openai", "google", None]


def test_a_plan_is_read_as_it_is_needed() -> None:
    """Nothing is taken from a plan before there is room for it."""
    read: list[int] = []

    def plan() -> Iterator[WorkItem]:
        for number in range(100):
            read.append(number)
            yield job(query=number)

    state = Dispatcher(Limits({"openai": 2}), {"openai": plan()})
    take(state)
    take(state)
    assert (state.next(0.0), read) == (None, [0, 1])


def test_a_paused_keys_jobs_wait_and_others_go_on() -> None:
    """A 429 for one user delays that user's jobs alone, and they come when the pause is over."""
    state = schedule(openai=[job(user=1), job(user=1, query=2), job(user=2)])
    first = take(state)
    state.landed(first)
    state.limits.finished(first.key, "slow_down", 0.0, retry_after=5.0)
    state.came_back(first)
    assert take(state).task.user_id == 2
    assert (state.next(4.9), state.wake_at()) == (None, 5.0)
    assert take(state, 5.0).task.user_id == 1


def test_a_closed_keys_jobs_come_with_the_reason() -> None:
    """What must not be asked in this run is handed out with why, and takes no room."""
    state = schedule(openai=[job()])
    state.limits.kill(KeyId("openai", 1), "key_refused")
    found = state.next(0.0)
    assert found is not None
    assert (found.closed, state.limits.out("openai"), state.next(0.0), state.empty) == ("key_refused", 0, None, True)


def test_a_job_over_budget_waits_for_what_is_out() -> None:
    """While calls of the user are out, what does not fit is parked, and tried again as they give back."""
    state = schedule(openai=[job(query=1), job(query=2)])
    first, second = take(state), take(state)
    state.landed(second)
    assert (state.blocked(second), state.next(0.0), state.empty) == (False, None, False)
    state.landed(first)
    state.came_back(first)
    assert take(state) is second


def test_a_job_over_budget_with_nothing_out_is_blocked_for_good() -> None:
    """Where nothing of the user's is out and nothing came back meanwhile, the refusal is final."""
    state = schedule(openai=[job()])
    only = take(state)
    assert (state.blocked(only), state.next(0.0), state.empty) == (True, None, True)


def test_a_refusal_that_overlapped_a_settlement_is_tried_again() -> None:
    """A job refused while another was out is not given up when that one comes back first."""
    state = schedule(openai=[job(query=1), job(query=2)])
    first, second = take(state), take(state)
    state.landed(first)
    state.came_back(first)
    assert state.blocked(second) is False
    assert take(state) is second
    assert state.blocked(second) is True


def test_parked_jobs_are_given_up_one_by_one() -> None:
    """When the money is gone, every parked job is tried alone once and then given up; none is lost."""
    state = schedule(openai=[job(query=n) for n in range(5)])
    first, *rest = [take(state) for _ in range(5)]
    assert [state.blocked(each) for each in rest] == [False] * 4
    state.came_back(first)
    given_up = 0
    for _ in range(20):
        found = state.next(0.0)
        if found is None:
            break
        given_up += state.blocked(found.job)
    assert (given_up, state.empty) == (4, True)


def test_a_parked_job_whose_key_died_leaves_its_turn_to_the_next() -> None:
    """When the job whose turn came is not to be asked any more, the user's others at living providers still are."""
    state = schedule(openai=[job(query=1), job(query=2)], google=[job("google", query=3)])
    last, *rest = take(state), take(state), take(state)
    for each in sorted(rest, key=lambda each: each.provider, reverse=True):
        state.landed(each)
        assert state.blocked(each) is False
    state.landed(last)
    state.limits.kill(KeyId("openai", 1), "key_refused")
    state.came_back(last)
    told = [state.next(0.0), state.next(0.0)]
    assert [("openai", "key_refused"), ("google", None)] == [(each.job.provider, each.closed) for each in told if each]


def test_a_key_with_a_narrow_window_holds_up_nobody() -> None:
    """What a busy key cannot take waits for it, and the provider's other keys use the room."""
    state = schedule(2, openai=[*(job(user=1, query=n) for n in range(4)), job(user=2, query=9)])
    first = take(state)
    narrow(state, first.key)
    assert take(state, 1.0).task.user_id == 2
    assert (state.next(1.0), state.queues["openai"].holding) == (None, 3)
    state.landed(first)
    assert (take(state, 1.0).task.user_id, state.queues["openai"].holding) == (1, 2)


def test_what_waits_for_a_busy_key_comes_when_it_is_free() -> None:
    """Held jobs come one by one as calls of their key land, and none is lost."""
    state = schedule(8, openai=[job(query=n) for n in range(6)])
    first = take(state)
    narrow(state, first.key)
    state.landed(first)
    asked = [first.task.query_id]
    while (found := state.next(1.0)) is not None:
        assert state.next(1.0) is None
        asked.append(found.job.task.query_id)
        state.landed(found.job)
    assert (sorted(asked), state.empty) == ([0, 1, 2, 3, 4, 5], True)


def test_what_waits_for_a_key_that_dies_is_given_back() -> None:
    """When a key is refused, the jobs that waited for it are handed out with the reason."""
    state = schedule(8, openai=[job(query=n) for n in range(6)])
    first = take(state)
    narrow(state, first.key)
    assert state.next(1.0) is None
    state.limits.kill(first.key, "key_refused")
    state.landed(first)
    told = []
    while (found := state.next(1.0)) is not None:
        told.append(found.closed)
    assert (told, state.empty) == (["key_refused"] * 5, True)


def test_the_room_that_a_wider_window_makes_is_used() -> None:
    """When a key's window grows, as many of the jobs that wait for it go out at once."""
    state = schedule(8, openai=[job(query=n) for n in range(20)])
    out = [take(state)]
    narrow(state, out[0].key)
    most = 0
    for _ in range(40):
        done = out.pop(0)
        state.landed(done)
        state.limits.finished(done.key, "ok", 1.0)
        state.judged(done)
        while (found := state.next(1.0)) is not None:
            out.append(found.job)
        most = max(most, len(out))
        if not out:
            break
    assert (most > 2, state.empty) == (True, True)


def test_a_slow_provider_never_idles_the_others() -> None:
    """While others have work, a provider that answers ten times slower holds no more than its share of the calls."""
    names: tuple[ProviderName, ...] = ("openai", "anthropic", "google", "perplexity")
    plans = {name: iter([job(name, query=n) for n in range(60)]) for name in names}
    state, out, shares = (
        Dispatcher(Limits(dict.fromkeys(names, 8)), plans),
        list[tuple[float, int, WorkItem]](),
        list[int](),
    )
    now = others_done = 0.0
    while not state.empty or out:
        while len(out) < 8 and (found := state.next(now)) is not None:
            out.append((now + (10.0 if found.job.provider == "google" else 1.0), next(state.tickets), found.job))
        if not any(state.queues[name].empty for name in names):
            shares.append(sum(each.provider == "google" for _, _, each in out))
        out.sort()
        now, _, done = out.pop(0)
        state.landed(done)
        state.limits.finished(done.key, "ok", now)
        state.came_back(done)
        others_done = others_done if done.provider == "google" else now
    assert max(shares) == 2
    assert others_done <= 3 * 60 / (8 - 2) + 1


def narrow(state: Dispatcher, key: KeyId) -> None:
    """Have a 429 come again and again until the key may have one call out."""
    for now in (0.1, 0.2, 0.3, 0.4):
        state.limits.finished(key, "slow_down", now, sent_at=now, retry_after=0.0)
