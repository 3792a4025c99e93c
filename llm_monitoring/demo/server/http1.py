"""A small HTTP/1.1 server on asyncio with keep-alive, whole bodies, and replies that can be broken on purpose."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from llm_monitoring.demo.exchange import HttpRequest

HEAD_LIMIT: Final = 64 * 1024
BODY_LIMIT: Final = 32 * 1024 * 1024
REASONS: Final = {int(status): status.phrase for status in HTTPStatus}
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a reply is sent. `sent_bytes` of the body are sent before the end that `mode` names."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    mode: Literal["whole", "hang", "reset", "cut", "cut_reset", "drip"] = "whole"
    sent_bytes: int = 0
    chunk_bytes: int = 64
    pause_seconds: float = 0.05

    def head(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Unknown')}", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


Handler = Callable[[HttpRequest], Delivery]
HeadHandler = Callable[[HttpRequest], Delivery | None]


class MalformedRequest(Exception):
    """The received bytes are not an HTTP/1.1 request that this server reads."""


def parse_head(raw: bytes) -> HttpRequest:
    """Return the request line and headers; raises MalformedRequest."""
    lines = raw.decode("latin-1").split("\r\n")
    try:
        method, target, _version = lines[0].split(" ")
        pairs = (line.split(":", 1) for line in lines[1:])
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
    except ValueError as exc:
        raise MalformedRequest from exc
    parts = urlsplit(target)
    return HttpRequest(method, unquote(parts.path), dict(parse_qsl(parts.query)), headers)


def unchunk(raw: bytes) -> tuple[bytes, int] | None:
    """Return a chunked body and its length in the buffer, or None if it is not complete yet."""
    body, at = bytearray(), 0
    while (end := raw.find(b"\r\n", at)) >= 0:
        try:
            size = int(raw[at:end].split(b";")[0], 16)
        except ValueError as exc:
            raise MalformedRequest from exc
        start = end + 2
        if len(raw) < start + size + 2:
            return None
        if size == 0:
            return bytes(body), start + 2
        body += raw[start : start + size]
        at = start + size + 2
    return None


class Connection(asyncio.Protocol):
    """A client's connection, which answers requests one after the other."""

    def __init__(self, on_head: HeadHandler, on_request: Handler, open_ones: set[asyncio.Transport]) -> None:
        self.on_head, self.on_request, self.open_ones = on_head, on_request, open_ones
        self.buffer = bytearray()
        self.head: HttpRequest | None = None
        self.busy: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.open_ones.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_ones.discard(self.transport)
        if self.busy:
            self.busy.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.busy is None:
            self.advance()

    def advance(self) -> None:
        """Start the next request of the buffer if it is complete."""
        try:
            request = self.next_request()
        except MalformedRequest:
            self.run(self.deliver(Delivery(400, b"", {"Connection": "close"}), close=True))
            return
        if request is not None:
            self.run(self.deliver(self.on_request(request), request.headers.get("connection") == "close"))

    def run(self, work: Awaitable[None]) -> None:
        self.busy = asyncio.ensure_future(self.finish(work))

    async def finish(self, work: Awaitable[None]) -> None:
        await work
        self.busy = None
        if self.buffer and not self.transport.is_closing():
            self.advance()

    def next_request(self) -> HttpRequest | None:
        if self.head is None and not self.read_head():
            return None
        assert self.head is not None
        body = self.take_body(self.head)
        if body is None:
            return None
        head, self.head = self.head, None
        return HttpRequest(head.method, head.path, head.query, head.headers, body)

    def read_head(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self.buffer) > HEAD_LIMIT:
                raise MalformedRequest
            return False
        head = parse_head(bytes(self.buffer[:end]))
        del self.buffer[: end + 4]
        early = self.on_head(head)
        if early is not None:
            self.run(self.deliver(early, close=True))
            return False
        if head.headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.head = head
        return True

    def take_body(self, head: HttpRequest) -> bytes | None:
        if head.headers.get("transfer-encoding", "").lower() == "chunked":
            unchunked = unchunk(bytes(self.buffer))
            if unchunked is None:
                return None
            body, size = unchunked
        else:
            size = content_length(head)
            if len(self.buffer) < size:
                return None
            body = bytes(self.buffer[:size])
        del self.buffer[:size]
        return body

    async def deliver(self, delivery: Delivery, close: bool = False) -> None:
        if delivery.delay_seconds:
            await asyncio.sleep(delivery.delay_seconds)
        match delivery.mode:
            case "hang":
                await asyncio.get_running_loop().create_future()
            case "reset":
                self.reset()
            case "drip":
                await self.drip(delivery)
            case "whole":
                self.transport.write(delivery.head() + delivery.body)
            case "cut" | "cut_reset":
                await self.cut(delivery)
        if close:
            self.transport.close()

    async def drip(self, delivery: Delivery) -> None:
        self.transport.write(delivery.head())
        for at in range(0, len(delivery.body), delivery.chunk_bytes):
            self.transport.write(delivery.body[at : at + delivery.chunk_bytes])
            await asyncio.sleep(delivery.pause_seconds)

    async def cut(self, delivery: Delivery) -> None:
        self.transport.write(delivery.head() + delivery.body[: delivery.sent_bytes])
        if delivery.mode == "cut":
            self.transport.close()
            return
        # A reset discards bytes that the client has not read yet: wait for it to read the first part.
        await asyncio.sleep(0.05)
        self.reset()

    def reset(self) -> None:
        """Close with a TCP reset instead of an orderly end."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.transport.abort()


def content_length(head: HttpRequest) -> int:
    try:
        size = int(head.headers.get("content-length", "0"))
    except ValueError as exc:
        raise MalformedRequest from exc
    if not 0 <= size <= BODY_LIMIT:
        raise MalformedRequest
    return size
