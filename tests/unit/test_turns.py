"""Turns of an account: how many of its requests are handled at once."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

import anyio
import pytest

from llm_monitoring.web.problems import Problem
from llm_monitoring.web.turns import Turns


async def refused(turns: Turns) -> bool:
    """Whether a request of `a` has no turn, with a Retry-After."""
    try:
        async with turns.held("a"):
            return False
    except Problem as problem:
        return problem.code == "too_many_requests" and int(problem.headers["Retry-After"]) > 0


@pytest.mark.parametrize("most_waiting", [0, 1])
def test_an_account_has_its_turns(most_waiting: int) -> None:
    """Beyond them a request is refused, after a wait if it may wait; another account has its own."""

    async def run() -> None:
        turns = Turns(at_once=2, most_waiting=most_waiting, patience=0.01)
        async with turns.held("a"), turns.held("a"), turns.held("b"):
            assert await refused(turns)
        assert not await refused(turns)
        assert {} == turns.lines

    anyio.run(run)


def test_a_request_waits_for_a_turn() -> None:
    """It is handled as soon as another one ends, by an error too."""

    async def run() -> None:
        turns = Turns(at_once=1, patience=60.0)
        async with anyio.create_task_group() as tasks, AsyncExitStack() as first:
            await first.enter_async_context(turns.held("a"))
            tasks.start_soon(partial(refused, turns))
            await anyio.wait_all_tasks_blocked()
            assert 2 == turns.lines["a"].present
            await first.aclose()
        with pytest.raises(ZeroDivisionError):
            async with turns.held("a"):
                raise ZeroDivisionError
        assert not await refused(turns)
        assert {} == turns.lines

    anyio.run(run)
