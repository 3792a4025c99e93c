"""Limits of callers: what a query may hold, how often a token and an address may call, and what memory that takes."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import HTTPConnection

from llm_monitoring.access import tokens
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.rates import LastSeen, RateLimit, client_of
from tests.integration.web.test_isolation import operations, send
from tests.integration.web.world import World


@pytest.mark.short(every=4)
@pytest.mark.parametrize("query", ["nothing=1", "limit=1&limit=2", "lang=es", "dry_run=true&dry_run=false", "=1"])
def test_every_operation_refuses_what_it_does_not_know(world: World, query: str) -> None:
    """422 with the parameter's pointer, on every operation; one that is given twice is refused as well."""
    declared = {
        (method.upper(), path): {each["name"] for each in operation.get("parameters", ())}
        for path, methods in world.app.openapi()["paths"].items()
        for method, operation in methods.items()
    }
    name = query.partition("=")[0]
    for method, path, _ in operations(world):
        if name in declared[method, path] and "&" not in query:
            continue
        refused = send(world, method, f"{path}?{query}", world.texts["ana"], world.project)
        found = (refused.status_code, [each["pointer"] for each in refused.json().get("errors", ())])
        assert (422, [f"query:{name}"]) == found, (method, path)


def test_an_address_with_many_unknown_tokens_is_slowed_down(world: World) -> None:
    """429 with Retry-After, without a look at the database; the tokens in use at that address are served."""
    world.service.unknown_token_rate.limit = 3
    assert 200 == world.call("GET", "/me").status_code
    for _ in range(3):
        assert 401 == world.call("GET", "/me", tokens.new_text()).status_code
    refused = world.call("GET", "/me", tokens.new_text())
    assert 429 == refused.status_code
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert 429 == world.call("GET", "/me", world.texts["bea"]).status_code
    assert 200 == world.call("GET", "/me").status_code
    assert 401 == world.call("GET", "/me", "").status_code


def test_a_token_that_was_in_use_is_looked_up_each_time(world: World) -> None:
    """Revoked, it is refused as an unknown one."""
    world.call("GET", "/me")
    world.db.execute("UPDATE llm_api_tokens SET revoked_at = now()")
    assert 401 == world.call("GET", "/me").status_code


@pytest.mark.parametrize(
    ("headers", "edge", "client"),
    [
        ([], False, "10.0.0.1"),
        ([("x-forwarded-for", "203.0.113.9"), ("x-real-ip", "203.0.113.9")], False, "10.0.0.1"),
        ([("x-real-ip", "203.0.113.9"), ("x-forwarded-for", "198.51.100.1")], True, "203.0.113.9"),
        ([("x-forwarded-for", "198.51.100.1, 203.0.113.9")], True, "203.0.113.9"),
        ([("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.9")], True, "203.0.113.9"),
        ([("x-real-ip", "2001:db8:1:2:3:4:5:6")], True, "2001:db8:1:2::"),
        ([("x-real-ip", "::ffff:203.0.113.9")], True, "203.0.113.9"),
        ([("x-real-ip", "no address")], True, ""),
    ],
)
def test_the_address_of_a_client(headers: list[tuple[str, str]], edge: bool, client: str) -> None:
    """What the edge wrote, never what a client may write on its left; of IPv6 the network."""
    scope: dict[str, Any] = {
        "type": "http",
        "client": ("10.0.0.1", 5000),
        "headers": [(name.encode(), text.encode()) for name, text in headers],
    }
    assert client == client_of(HTTPConnection(scope), behind_edge=edge)


def test_a_limit_slides() -> None:
    """The first request of a minute ago makes room; Retry-After says when; asking for room takes none."""
    now = [0.0]
    limit = RateLimit(2, lambda: now[0])
    limit.take("a")
    now[0] = 30.0
    limit.require_room("a")
    limit.take("a")
    limit.take("b")
    for ask in (limit.take, limit.require_room):
        with pytest.raises(Problem) as refused:
            ask("a")
        assert {"Retry-After": "30"} == refused.value.headers
    now[0] = 60.0
    limit.take("a")


def test_a_limit_keeps_a_bounded_memory() -> None:
    """Of callers under made-up names the last are kept; what is a minute old is forgotten."""
    now = [0.0]
    limit = RateLimit(2, lambda: now[0], most=10)
    for number in range(100):
        limit.take(number)
        now[0] += 0.1
    assert 10 == limit.kept
    assert list(range(90, 100)) == list(limit.requests)
    now[0] += 60
    limit.take("a")
    assert 1 == limit.kept
    assert ["a"] == list(limit.requests)


def test_the_last_seen_are_few() -> None:
    """The one that was noted first is forgotten first, unless it was noted again."""
    seen = LastSeen(2)
    for thing in ("a", "b", "a", "c"):
        seen.note(thing)
    assert "a" in seen
    assert "b" not in seen
    assert "c" in seen
