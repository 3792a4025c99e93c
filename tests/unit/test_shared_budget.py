"""Items whose money other machines have reserved: one tries again, the others wait for it, none is forgotten."""

from __future__ import annotations

from llm_monitoring.runs.dispatcher import Dispatcher, WorkItem
from tests.unit.test_dispatcher import make_dispatcher, make_item, make_items, take, take_all


def refuse(dispatcher: Dispatcher, count: int) -> list[WorkItem]:
    """Take items whose money is reserved elsewhere; one of them tries again at second 1."""
    items = [take(dispatcher) for _ in range(count)]
    for item in items:
        assert not dispatcher.on_budget_exceeded(item, 1.0)
    return items


def test_one_item_tries_again_and_the_others_wait_for_it() -> None:
    """If another machine holds a user's money, one item of the user tries again when it is time, and no other."""
    dispatcher = make_dispatcher(openai=make_items(4))
    refuse(dispatcher, 4)
    assert dispatcher.next_item(0.9) is None
    assert 1.0 == dispatcher.next_due_at()
    assert not dispatcher.empty
    retried = take(dispatcher, 1.0)
    assert dispatcher.next_item(1.0) is None
    assert not dispatcher.on_budget_exceeded(retried, 2.0)
    assert take(dispatcher, 2.0) is retried


def test_money_that_came_back_lets_the_others_go_on() -> None:
    """When the item that tried again has ended, those that waited for it have their turn."""
    dispatcher = make_dispatcher(openai=make_items(3))
    items = refuse(dispatcher, 3)
    retried = take(dispatcher, 1.0)
    dispatcher.on_reply(retried)
    dispatcher.on_finished(retried)
    others = {item.task.query_id for item in items} - {retried.task.query_id}
    assert others == {item.task.query_id for item, _ in take_all(dispatcher, 1.0)}


def test_a_spent_budget_ends_the_waiting() -> None:
    """When the money is gone for good every waiting item ends, and nothing waits for ever."""
    dispatcher = make_dispatcher(openai=make_items(3))
    items = refuse(dispatcher, 3)
    ended = []
    while (found := dispatcher.next_item(1.0)) is not None:
        ended += [found.item.task.query_id] if dispatcher.on_budget_exceeded(found.item) else []
    assert sorted(item.task.query_id for item in items) == sorted(ended)
    assert dispatcher.empty


def test_a_paused_key_does_not_keep_the_money_waiting() -> None:
    """When the item that should try again is paused by its provider, another of the user tries."""
    dispatcher = make_dispatcher(openai=make_items(1), google=make_items(1, "google"))
    retried, other = take(dispatcher), take(dispatcher)
    for item in (other, retried):
        assert not dispatcher.on_budget_exceeded(item, 1.0)
    dispatcher.limits.pause(dispatcher.limits.key(retried.key), 0.0, 60.0)
    assert take(dispatcher, 1.0) is other
    assert dispatcher.next_item(1.0) is None


def test_a_dead_key_does_not_keep_the_money_waiting() -> None:
    """When the item that should try again is not asked at all, the others are not forgotten."""
    dispatcher = make_dispatcher(openai=make_items(1), google=make_items(1, "google"))
    refuse(dispatcher, 2)
    retried = take(dispatcher, 1.0)
    assert not dispatcher.on_budget_exceeded(retried, 2.0)
    dispatcher.limits.close_key(retried.key, "key_refused")
    closed, other = take_all(dispatcher, 2.0)
    assert (retried, "key_refused") == closed
    assert other[1] is None


def test_users_wait_apart() -> None:
    """One user's money that is reserved elsewhere delays no other user's items."""
    dispatcher = make_dispatcher(openai=[*make_items(2, user=1), make_item(user=2)])
    refuse(dispatcher, 2)
    assert 2 == take(dispatcher).task.user_id


def test_one_item_tries_an_account_that_is_locked() -> None:
    """While another session holds a user's account one item of the user tries it, and no other occupies a worker."""
    dispatcher = make_dispatcher(openai=make_items(3))
    retried = take(dispatcher)
    assert not dispatcher.on_budget_exceeded(retried, 1.0, locked=True)
    assert dispatcher.next_item(0.0) is None
    assert take(dispatcher, 1.0) is retried


def test_an_account_that_is_free_again_is_used_by_all() -> None:
    """When the item that tried a locked account has ended, the other items of the user go out together."""
    dispatcher = make_dispatcher(openai=make_items(3))
    retried = take(dispatcher)
    assert not dispatcher.on_budget_exceeded(retried, 1.0, locked=True)
    assert dispatcher.next_item(0.0) is None
    assert take(dispatcher, 1.0) is retried
    dispatcher.on_reply(retried)
    dispatcher.on_finished(retried)
    assert 2 == len(take_all(dispatcher, 1.0))
