"""Standard input and output of the MCP server: it ends when its input does, and at a signal."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread
from typing import Any, Final, cast

import anyio
from anyio.abc import ObjectSendStream
from anyio.from_thread import run as run_in_loop
from anyio.lowlevel import EventLoopToken, current_token
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

STANDARD_INPUT: Final = 0
Lines = ObjectSendStream[str]


async def serve(server: Server[Any]) -> None:
    """Serve until the input ends, or until SIGTERM or Ctrl-C."""
    async with anyio.create_task_group() as group:
        group.start_soon(end_on_signal, group.cancel_scope)
        async with standard_streams() as (received, sent):
            await server.run(received, sent, server.create_initialization_options())
        group.cancel_scope.cancel()


async def end_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()


@asynccontextmanager
async def standard_streams() -> AsyncIterator[tuple[Any, Any]]:
    """The protocol's streams. The SDK's own thread would wait for a line of input before the process could end."""
    send, receive = anyio.create_memory_object_stream[str](0)
    Thread(target=read_input, args=(send, current_token()), name="stdin", daemon=True).start()
    async with receive, stdio_server(stdin=cast(Any, receive)) as streams:
        yield streams


def read_input(lines: Lines, loop: EventLoopToken) -> None:
    """Pass on each line of standard input, then its end; stops without a word once no one listens."""
    try:
        with open(os.dup(STANDARD_INPUT), encoding="utf-8", errors="replace") as file:
            for line in file:
                run_in_loop(lines.send, line, token=loop)
        run_in_loop(lines.aclose, token=loop)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.RunFinishedError):
        return
