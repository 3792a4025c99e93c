"""Which work item is next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from llm_monitoring.domain import KeyId, ProviderName, Task
from llm_monitoring.runs.dispatcher import Dispatcher, WorkItem
from llm_monitoring.runs.limits import Limits

DAY = date(2026, 11, 23)
PROVIDERS: tuple[ProviderName, ...] = ("openai", "anthropic", "google", "perplexity")


def make_item(provider: ProviderName = "openai", user: int = 1, query: int = 1) -> WorkItem:
    return WorkItem(Task(user, user, query, provider, DAY, 1, "?", "en"), provider, KeyId(provider, user))


def make_items(count: int, provider: ProviderName = "openai", user: int = 1) -> list[WorkItem]:
    return [make_item(provider, user, number) for number in range(count)]


def make_dispatcher(concurrency: int = 10, **plans: Sequence[WorkItem]) -> Dispatcher:
    names: tuple[ProviderName, ...] = ("openai", "google")
    return Dispatcher(Limits(dict.fromkeys(names, concurrency)), {name: iter(plans.get(name, ())) for name in names})


def take(dispatcher: Dispatcher, now: float = 0.0) -> WorkItem:
    found = dispatcher.next_item(now)
    assert found is not None
    return found.item


def take_all(dispatcher: Dispatcher, now: float) -> list[tuple[WorkItem, str | None]]:
    """All items that may go out now, with why those of closed keys may not."""
    taken: list[tuple[WorkItem, str | None]] = []
    while (found := dispatcher.next_item(now)) is not None:
        taken.append((found.item, found.closed))
    return taken


def narrow(dispatcher: Dispatcher, key: KeyId) -> None:
    """Have a 429 come again and again until the key may have one call in flight."""
    for now in (0.1, 0.2, 0.3, 0.4):
        dispatcher.limits.on_result(key, "slow_down", now, sent_at=now, retry_after=0.0)


def test_providers_take_turns_by_their_calls_in_flight() -> None:
    """A slow provider's calls stay in flight, so that the others get the free workers."""
    dispatcher = make_dispatcher(openai=make_items(4), google=make_items(4, "google"))
    assert ["openai", "google", "openai", "google"] == [take(dispatcher).provider for _ in range(4)]


def test_a_full_provider_does_not_delay_the_others() -> None:
    """If one provider has all its calls in flight, the next item is another's."""
    dispatcher = make_dispatcher(1, openai=make_items(2), google=make_items(1, "google"))
    assert ["openai", "google"] == [take(dispatcher).provider for _ in range(2)]
    assert dispatcher.next_item(0.0) is None


def test_a_plan_is_read_as_it_is_needed() -> None:
    """Nothing is taken from a plan before there is room for it."""
    read: list[int] = []

    def plan() -> Iterator[WorkItem]:
        for number in range(100):
            read.append(number)
            yield make_item(query=number)

    dispatcher = Dispatcher(Limits({"openai": 2}), {"openai": plan()})
    assert 2 == len(take_all(dispatcher, 0.0))
    assert [0, 1] == read


def test_items_of_a_paused_key_wait_and_others_go_on() -> None:
    """A 429 for one user delays that user's items alone, and they come when the pause is over."""
    dispatcher = make_dispatcher(openai=[*make_items(2, user=1), make_item(user=2)])
    first = take(dispatcher)
    dispatcher.on_reply(first)
    dispatcher.limits.on_result(first.key, "slow_down", 0.0, retry_after=5.0)
    dispatcher.on_finished(first)
    assert 2 == take(dispatcher).task.user_id
    assert dispatcher.next_item(4.9) is None
    assert 5.0 == dispatcher.next_due_at()
    assert 1 == take(dispatcher, 5.0).task.user_id


def test_items_of_a_closed_key_come_with_the_reason() -> None:
    """An item that must not be asked in this run comes once, with the reason, and takes no room."""
    dispatcher = make_dispatcher(openai=make_items(1))
    dispatcher.limits.close_key(KeyId("openai", 1), "key_refused")
    assert ["key_refused"] == [closed for _, closed in take_all(dispatcher, 0.0)]
    assert 0 == dispatcher.limits.in_flight("openai")
    assert dispatcher.empty


def test_an_item_over_budget_waits_for_calls_in_flight() -> None:
    """While calls of the user are in flight, an item that does not fit is parked, and tried again after them."""
    dispatcher = make_dispatcher(openai=make_items(2))
    first, second = take(dispatcher), take(dispatcher)
    dispatcher.on_reply(second)
    assert not dispatcher.on_budget_exceeded(second)
    assert dispatcher.next_item(0.0) is None
    assert not dispatcher.empty
    dispatcher.on_reply(first)
    dispatcher.on_finished(first)
    assert take(dispatcher) is second


def test_an_item_over_budget_with_nothing_in_flight_is_blocked_for_good() -> None:
    """If no call of the user is in flight and none ended meanwhile, the refusal is final."""
    dispatcher = make_dispatcher(openai=make_items(1))
    assert dispatcher.on_budget_exceeded(take(dispatcher))
    assert dispatcher.next_item(0.0) is None
    assert dispatcher.empty


def test_a_refusal_that_overlapped_a_settlement_is_tried_again() -> None:
    """An item that was refused while another was in flight is not given up when that one ends first."""
    dispatcher = make_dispatcher(openai=make_items(2))
    first, second = take(dispatcher), take(dispatcher)
    dispatcher.on_reply(first)
    dispatcher.on_finished(first)
    assert not dispatcher.on_budget_exceeded(second)
    assert take(dispatcher) is second
    assert dispatcher.on_budget_exceeded(second)


def test_parked_items_are_given_up_one_by_one() -> None:
    """When the money is gone, every parked item is tried alone once and then given up; none is lost."""
    dispatcher = make_dispatcher(openai=make_items(5))
    first, *rest = [take(dispatcher) for _ in range(5)]
    assert [False] * 4 == [dispatcher.on_budget_exceeded(each) for each in rest]
    dispatcher.on_finished(first)
    given_up = []
    for _ in range(20):
        given_up += [item for item, _ in take_all(dispatcher, 0.0) if dispatcher.on_budget_exceeded(item)]
    assert {id(each) for each in rest} == {id(each) for each in given_up}
    assert 4 == len(given_up)
    assert dispatcher.empty


def test_a_parked_item_of_a_dead_key_leaves_its_turn_to_the_next() -> None:
    """When the item with its turn is not asked any more, the user's others at living providers still are."""
    dispatcher = make_dispatcher(openai=make_items(2), google=[make_item("google", query=3)])
    last, *rest = take(dispatcher), take(dispatcher), take(dispatcher)
    for each in sorted(rest, key=lambda each: each.provider, reverse=True):
        dispatcher.on_reply(each)
        assert not dispatcher.on_budget_exceeded(each)
    dispatcher.on_reply(last)
    dispatcher.limits.close_key(KeyId("openai", 1), "key_refused")
    dispatcher.on_finished(last)
    taken = take_all(dispatcher, 0.0)
    assert [("openai", "key_refused"), ("google", None)] == [(item.provider, closed) for item, closed in taken]


def test_a_key_with_a_narrow_window_delays_no_other() -> None:
    """An item that its busy key cannot take is held, and the provider's other keys use the room."""
    dispatcher = make_dispatcher(2, openai=[*make_items(4, user=1), make_item(user=2)])
    first = take(dispatcher)
    narrow(dispatcher, first.key)
    assert 2 == take(dispatcher, 1.0).task.user_id
    assert dispatcher.next_item(1.0) is None
    dispatcher.on_reply(first)
    assert 1 == take(dispatcher, 1.0).task.user_id
    assert dispatcher.next_item(1.0) is None


def test_held_items_come_when_their_key_is_free() -> None:
    """Held items come one by one as calls of their key end, and none is lost."""
    dispatcher = make_dispatcher(8, openai=make_items(6))
    item = take(dispatcher)
    narrow(dispatcher, item.key)
    asked = [item.task.query_id]
    while not dispatcher.empty:
        assert dispatcher.next_item(1.0) is None
        dispatcher.on_reply(item)
        item = take(dispatcher, 1.0)
        asked.append(item.task.query_id)
    assert list(range(6)) == sorted(asked)


def test_held_items_of_a_key_that_dies_come_with_the_reason() -> None:
    """When a key is refused, the items that were held for it are closed with the reason."""
    dispatcher = make_dispatcher(8, openai=make_items(6))
    first = take(dispatcher)
    narrow(dispatcher, first.key)
    assert dispatcher.next_item(1.0) is None
    dispatcher.limits.close_key(first.key, "key_refused")
    dispatcher.on_reply(first)
    assert ["key_refused"] * 5 == [closed for _, closed in take_all(dispatcher, 1.0)]
    assert dispatcher.empty


def test_the_room_of_a_wider_window_is_used() -> None:
    """When a key's window grows, as many of its held items go out at once."""
    dispatcher = make_dispatcher(8, openai=make_items(20))
    out = [take(dispatcher)]
    narrow(dispatcher, out[0].key)
    most = 0
    while out:
        done = out.pop(0)
        dispatcher.on_reply(done)
        dispatcher.limits.on_result(done.key, "ok", 1.0)
        dispatcher.on_result_known(done)
        out += [item for item, _ in take_all(dispatcher, 1.0)]
        most = max(most, len(out))
    assert most > 2
    assert dispatcher.empty


def test_a_slow_provider_never_idles_the_others() -> None:
    """While others have work, a provider that answers ten times slower has no more than its share of the calls."""
    plans = {name: iter(make_items(60, name)) for name in PROVIDERS}
    dispatcher = Dispatcher(Limits(dict.fromkeys(PROVIDERS, 8)), plans)
    out: list[tuple[float, WorkItem]] = []
    shares: list[int] = []
    now = others_done = 0.0
    while not dispatcher.empty or out:
        while len(out) < 8 and (found := dispatcher.next_item(now)) is not None:
            out.append((now + (10.0 if found.item.provider == "google" else 1.0), found.item))
        if not any(queue.empty for queue in dispatcher.queues.values()):
            shares.append(sum(item.provider == "google" for _, item in out))
        out.sort(key=lambda each: each[0])
        now, done = out.pop(0)
        dispatcher.on_reply(done)
        dispatcher.limits.on_result(done.key, "ok", now)
        dispatcher.on_finished(done)
        others_done = others_done if done.provider == "google" else now
    assert 2 == max(shares)
    assert others_done <= 3 * 60 / (8 - 2) + 1
