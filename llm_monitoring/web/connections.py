"""Connections of clients: none stays that sends no whole request, or that does not take its answer.

uvicorn closes a connection on which nothing comes after an answer. It has no limit for one that sends nothing at all,
or a byte now and then, so that two hundred of them would leave no room for anyone else.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 15.0  # within which a whole head has come
MOST_UNHURRIED: Final = 150  # beyond these each new connection ends the one that has waited longest for its client


class Protocol(H11Protocol):
    """HTTP/1.1 with a deadline for the head of each request; `waits_since` is when we began to wait for the client."""

    cycle: Any  # the request that is being answered, or was; None before the first one

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.waits_since = 0.0
        self.is_ended = False
        self.deadline: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether there is nothing to do before the client sends more."""
        return self.is_between or (self.cycle.more_body and not self.cycle.response_started)

    @property
    def is_between(self) -> bool:
        """Whether no request is being answered, or read."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.waits_since = self.loop.time()
        self.watch()
        make_room([each for each in self.connections if isinstance(each, Protocol) and each is not self])

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.watch()

    def on_response_complete(self) -> None:
        self.waits_since = self.loop.time()
        super().on_response_complete()
        if self.conn.trailing_data[0]:  # part of a next request came with this one
            self.watch()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.loop.call_later(HEAD_SECONDS, self.transport.abort)  # if it does not take the end of its answer

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_watching()
        super().connection_lost(exc)

    def watch(self) -> None:
        """Begin the deadline of a head, or end it once the head is whole."""
        if not self.is_between:
            self.stop_watching()
        elif self.deadline is None:
            self.deadline = self.loop.call_later(HEAD_SECONDS, self.end)

    def stop_watching(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def end(self) -> None:
        """Close the connection without a word: there is no request to answer."""
        self.is_ended = True
        self.transport.abort()


def make_room(others: list[Protocol]) -> None:
    """End the connection that has waited longest for its client, if there are too many."""
    there = [each for each in others if not each.is_ended]
    waiting = [each for each in there if each.is_waiting]
    if len(there) >= MOST_UNHURRIED and waiting:
        min(waiting, key=lambda each: each.waits_since).end()
