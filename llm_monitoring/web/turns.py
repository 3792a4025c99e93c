"""Turns of an account: how many of its requests are handled at once, so that no account takes every handler thread.

An account is a user, by whichever tokens and sessions, a share link, or the provider of sign-ins. A request that finds
no turn waits in the event loop, where it holds no thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from fastapi import Depends, Request, Security

from llm_monitoring.web.problems import Problem

AT_ONCE: Final = 4  # of the ten handler threads
MOST_WAITING: Final = 16
PATIENCE_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 5


@dataclass(slots=True)
class Line:
    """The requests of one account: how many there are, and the turns that are free."""

    turns: anyio.Semaphore
    present: int = 0


@dataclass(frozen=True, slots=True)
class Turns:
    """At most `at_once` requests of an account are handled at once. Used in the event loop alone."""

    at_once: int = AT_ONCE
    most_waiting: int = MOST_WAITING
    patience: float = PATIENCE_SECONDS
    lines: dict[object, Line] = field(default_factory=dict)

    @asynccontextmanager
    async def held(self, account: object) -> AsyncIterator[None]:
        """Hold a turn; raises Problem with Retry-After if none is free in time, or too many requests wait already."""
        line = self.lines.setdefault(account, Line(anyio.Semaphore(self.at_once)))
        if line.present >= self.at_once + self.most_waiting:
            raise too_many()
        line.present += 1
        try:
            await self.wait(line)
            try:
                yield
            finally:
                line.turns.release()
        finally:
            line.present -= 1
            if not line.present:
                del self.lines[account]

    async def wait(self, line: Line) -> None:
        with anyio.move_on_after(self.patience) as scope:
            await line.turns.acquire()
        if scope.cancelled_caught:
            raise too_many()


def too_many() -> Problem:
    return Problem("too_many_requests", headers={"Retry-After": str(RETRY_SECONDS)})


def with_turn(find: Callable[..., Any]) -> Callable[..., Any]:
    """The dependency that gives what `find` does, while a turn of its `account` is held until the handler returns.

    The answer is sent without the turn, so that a slow client holds none; an export has limits of its own.
    """

    visitor: Any = Security(find)

    async def take(request: Request, found: Any = visitor) -> AsyncIterator[Any]:
        async with request.app.state.service.turns.held(found.account):
            yield found

    holder: Any = Depends(take, scope="function")

    async def give(found: Any = holder) -> Any:
        return found

    return give
