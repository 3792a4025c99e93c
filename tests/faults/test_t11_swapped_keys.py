"""T11: keys swapped between users and providers, in rows, plans and caches: refused, and nothing charged to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Final

import pytest

from llm_monitoring.demo.bill import fingerprint
from llm_monitoring.domain import PROVIDERS, KeyId, Mode, ProviderName
from llm_monitoring.keys.clients import Client, Clients
from llm_monitoring.providers import Provider
from llm_monitoring.runs import plan
from tests.environment import Environment, open_environment
from tests.faults.conftest import Note
from tests.faults.in_process import TODAY, ask, impatient, run_day

USERS: Final = 12
LONG_USERS: Final = 300
PROMPTS: Final = ["¿Qué programa de facturación conviene?", "¿Qué programa usa una gestoría?"]
COLUMNS: Final = tuple(f"{provider}_api_key_encrypted" for provider in PROVIDERS)


@pytest.fixture
def crowd(watched_url: str, random: Random) -> Iterator[Environment]:
    """Operator keys stand ready: they must not step in for a user's key that cannot be read."""
    with open_environment(watched_url, random) as environment, impatient():
        environment.add_operator_keys()
        yield environment


def populate(environment: Environment, users: int) -> list[int]:
    made = [environment.add_user() for _ in range(users)]
    for user in made:
        ask(environment, user, PROMPTS)
    return made


def swap_rows(environment: Environment, one: int, other: int) -> None:
    """What someone with access to the table could do: exchange two users' sealed keys."""
    columns = ", ".join(COLUMNS)
    environment.db.execute(
        f"UPDATE user_llm_api_keys k SET ({columns}) = (SELECT {columns} FROM user_llm_api_keys o "
        "WHERE o.user_id = CASE k.user_id WHEN %(one)s THEN %(other)s ELSE %(one)s END) "
        "WHERE k.user_id IN (%(one)s, %(other)s)",
        {"one": one, "other": other},
    )


def swap_columns(environment: Environment, user: int) -> None:
    """Exchange a user's own keys between providers: OpenAI's would go to Perplexity and back."""
    environment.db.execute(
        "UPDATE user_llm_api_keys SET openai_api_key_encrypted = perplexity_api_key_encrypted, "
        "perplexity_api_key_encrypted = openai_api_key_encrypted WHERE user_id = %(user)s",
        {"user": user},
    )


def billed_to(environment: Environment, owner: int) -> set[ProviderName]:
    keys = {fingerprint(key) for key, user in environment.keys.items() if user == owner}
    return {
        name for name in PROVIDERS if any(c.provider == name and c.key in keys for c in environment.server.bill.lines)
    }


def swapped_rows_are_refused(environment: Environment, users: list[int], note: Note) -> None:
    swapped, mixed, honest = users[:-4], users[-4:-2], users[-2:]
    for one, other in zip(swapped[::2], swapped[1::2], strict=True):
        swap_rows(environment, one, other)
    for user in mixed:
        swap_columns(environment, user)
    run_day(environment)
    assert {user: billed_to(environment, user) for user in swapped} == {user: set() for user in swapped}
    assert {user: billed_to(environment, user) for user in mixed} == {key: {"anthropic", "google"} for key in mixed}
    assert {user: billed_to(environment, user) for user in honest} == {key: set(PROVIDERS) for key in honest}
    assert billed_to(environment, 0) == set()
    assert environment.check() == []
    for one, other in zip(swapped[::2], swapped[1::2], strict=True):
        swap_rows(environment, one, other)
    for user in mixed:
        swap_columns(environment, user)
    run_day(environment)
    assert environment.check(TODAY) == []
    note.add(users=len(users), swapped=len(swapped) + len(mixed), calls=len(environment.server.bill.lines))


@pytest.mark.ci
def test_t11_swapped_rows_are_refused(crowd: Environment, note: Note) -> None:
    """A token in another user's or provider's place opens for no one, and the day is whole once it is back."""
    swapped_rows_are_refused(crowd, populate(crowd, USERS), note)


@pytest.mark.long
def test_t11_swapped_rows_of_many_users_are_refused(crowd: Environment, note: Note) -> None:
    """The same with some hundred users."""
    swapped_rows_are_refused(crowd, populate(crowd, LONG_USERS), note)


def test_t11_swapped_clients_are_refused(crowd: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that holds another user's open client under a key makes no call with it."""
    one, other, honest = populate(crowd, 3)
    honest_get = Clients.get

    def swapping(self: Clients, key: KeyId, user_id: int, mode: Mode = "standard") -> Provider:
        if user_id == honest:
            return honest_get(self, key, user_id, mode)
        mine, yours = (KeyId(key.provider, one), mode), (KeyId(key.provider, other), mode)
        for each in (mine, yours):
            if each not in self.open:
                self.open[each] = Client(each[0], self.connect(*each))
        opened = {mine: self.open[mine], yours: self.open[yours]}
        if opened[mine].key == mine[0]:
            self.open |= {mine: opened[yours], yours: opened[mine]}
        return honest_get(self, key, user_id, mode)

    monkeypatch.setattr(Clients, "get", swapping)
    run_day(crowd, LLM_MAX_WORKERS="1")
    assert [billed_to(crowd, user) for user in (one, other, honest)] == [set(), set(), set(PROVIDERS)]
    assert crowd.check() == []


def test_t11_a_mixed_up_plan_is_refused(crowd: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that names one user's key for another user's task makes no call with it."""
    users = populate(crowd, 3)
    usable_keys = plan.usable_keys

    def rotated(*arguments: object) -> object:
        keys, problems = usable_keys(*arguments)  # type: ignore[arg-type]
        turned: Mapping[tuple[int, ProviderName], KeyId] = {
            (user, provider): keys[users[(users.index(user) + 1) % len(users)], provider] for user, provider in keys
        }
        return turned, problems

    monkeypatch.setattr(plan, "usable_keys", rotated)
    run_day(crowd)
    assert crowd.server.bill.lines == ()
    assert crowd.check() == []
