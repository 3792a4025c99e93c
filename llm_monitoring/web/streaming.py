"""Answers that are made while they are sent: an error, and a client that does not read, cut the connection."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from itertools import chain
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

STALLED_SECONDS: Final = 30.0  # the longest wait for a client that takes nothing
LONGEST_SECONDS: Final = 1_800.0


def only_headers(request: Request) -> bool:
    """Whether a request asks for the headers of a file alone, so that the file need not be made."""
    return bool(getattr(request.state, "is_head", False))


class Stream(StreamingResponse):
    """The chunks of a generator, of which the first is made at once: an error before it is an answer of its own.

    An error after it cuts the connection, so that no client takes a part for the whole: the last chunk of HTTP/1.1
    is missing.
    """

    def __init__(self, chunks: Generator[bytes], headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(chain((next(chunks),), chunks), headers=headers, media_type=media_type)
        self.chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with anyio.fail_after(LONGEST_SECONDS):
                await super().__call__(scope, receive, send)
        finally:
            self.chunks.close()

    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            with anyio.fail_after(STALLED_SECONDS):
                await send(message)

        await super().stream_response(send_in_time)
