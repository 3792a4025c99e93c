"""Kills a run from the provider's side, at a byte of a request or of a reply."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final, Literal, get_args

import pytest

from llm_monitoring.demo.exchange import HttpRequest
from llm_monitoring.demo.server.http1 import Delivery
from llm_monitoring.demo.server.loopback import DemoServer
from tests.fork_server import Child

Byte = Literal["request_begins", "request_ends", "reply_due", "reply_begins", "reply_ends"]
BYTES: Final[tuple[Byte, ...]] = get_args(Byte)
FLUSHED: Final = 0.002


@dataclass
class Trap:
    """Kills `victim` at `byte` of the `nth` request for an answer; set the victim after its start."""

    server: DemoServer
    byte: Byte
    nth: int
    victim: Child | None = None
    seen: int = 0
    lock: Lock = field(default_factory=Lock)

    def sprung(self, request: HttpRequest) -> bool:
        call = self.server.service.call(request)
        if call is None or call.route != "answer":
            return False
        with self.lock:
            self.seen += 1
            return self.seen == self.nth

    def kill(self) -> None:
        assert self.victim is not None
        self.victim.kill()

    def on_reply(self, delivery: Delivery) -> Delivery:
        if self.byte == "reply_due":
            self.kill()
        elif self.byte == "reply_begins":
            self.server.loop.call_later(delivery.delay_seconds + 10 * FLUSHED, self.kill)
            return replace(delivery, mode="drip", chunk_bytes=len(delivery.body) // 2, pause_seconds=1.0)
        elif self.byte == "reply_ends":
            self.server.loop.call_later(delivery.delay_seconds + FLUSHED, self.kill)
        return delivery


@contextmanager
def trapped(server: DemoServer, byte: Byte, nth: int = 1) -> Iterator[Trap]:
    """The server with a trap in it."""
    trap = Trap(server, byte, nth)
    on_head, handle = server.service.on_head, server.service.handle

    def watch_head(request: HttpRequest) -> Delivery | None:
        if byte == "request_begins" and trap.sprung(request):
            trap.kill()
        return on_head(request)

    def watch_request(request: HttpRequest) -> Delivery:
        if byte == "request_begins" or not trap.sprung(request):
            return handle(request)
        if byte == "request_ends":
            trap.kill()
            return Delivery(mode="reset")  # the provider lost the client before it did, and billed, anything
        return trap.on_reply(handle(request))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server.service, "on_head", watch_head)
        patch.setattr(server.service, "handle", watch_request)
        yield trap
