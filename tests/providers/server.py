"""A loopback server that answers as scripted, also with faults, and keeps the requests."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.providers import BatchClient, Provider, Question, Reply, open_batches, open_provider

REPLIES = Path(__file__).parent / "replies"
KEY = Secret("sk-canary-4f1c9a7e2b8d6035-Tail8chr")
PATHS: dict[ProviderName, str] = {
    "openai": "/openai/v1",
    "anthropic": "/anthropic",
    "google": "/google",
    "perplexity": "/perplexity/v1",
}
MODELS: dict[ProviderName, str] = {
    "openai": "gpt-6.1-terra",
    "anthropic": "claude-sonnet-5-5",
    "google": "gemini-3.8-flash",
    "perplexity": "perplexity/sonar",
}


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Step = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Takes the next step of the script for each request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        step = self.server.take(Received(self.command, self.path, headers, body))
        with contextlib.suppress(ConnectionError):
            step(self)

    do_GET = answer  # noqa: N815
    do_POST = answer  # noqa: N815
    do_DELETE = answer  # noqa: N815
    do_CONNECT = answer  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Stay silent."""


class Server(ThreadingHTTPServer):
    """The server; `script` sets its answers, of which the last is repeated."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.steps: list[Step] = []
        self.received: list[Received] = []
        self.opened: dict[object, Provider] = {}
        self.batches: dict[object, BatchClient] = {}
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def script(self, *steps: Step) -> None:
        self.steps = list(steps)

    def take(self, received: Received) -> Step:
        with self.lock:
            self.received.append(received)
            return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]

    def open(
        self, name: ProviderName, *, timeout: float = 5.0, total: float | None = None, fresh: bool = False
    ) -> Provider:
        """Return a provider on this server, the same one for the same times unless `fresh`."""
        kind = object() if fresh else (name, timeout, total)
        if kind not in self.opened:
            self.opened[kind] = open_provider(
                name, KEY, base_url=self.url + PATHS[name], timeout_seconds=timeout, total_seconds=total
            )
        return self.opened[kind]

    def open_batches(self, name: ProviderName, *, timeout: float = 5.0) -> BatchClient:
        """Return the batch calls of a provider on this server, the same ones for the same time."""
        if (name, timeout) not in self.batches:
            url = self.url + PATHS[name]
            self.batches[name, timeout] = open_batches(name, KEY, base_url=url, timeout_seconds=timeout)
        return self.batches[name, timeout]

    def handle_error(self, request: object, client_address: object) -> None:
        """Leave broken connections alone: the tests break them."""


@contextlib.contextmanager
def running() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        for provider in server.opened.values():
            provider.close()
        for batches in server.batches.values():
            batches.close()
        server.shutdown()
        server.server_close()
        thread.join()


def question(name: ProviderName, **changes: Any) -> Question:
    plain = Question(prompt="¿Qué software?", model_id=MODELS[name], max_output_tokens=900)
    return replace(plain, **changes)


def recorded(name: str) -> bytes:
    return (REPLIES / f"{name}.json").read_bytes()


def stored(body: bytes | str | object) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status=200, body=raw, latency_ms=1)


def says(body: bytes | str, status: int = 200, **headers: str) -> Step:
    """Answer with a whole reply; an underscore in a header's name stands for a hyphen."""
    raw = body.encode() if isinstance(body, str) else body

    def step(handler: Handler) -> None:
        handler.send_response_only(status)
        for name, value in {"content_type": "application/json", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    return step


def replies(name: str, **headers: str) -> Step:
    return says(recorded(name), 200, **headers)


def cuts(body: bytes) -> Step:
    """Promise a longer body than comes, and close."""

    def step(handler: Handler) -> None:
        handler.send_response_only(200)
        handler.send_header("content-length", str(len(body) + 100))
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return step


def resets(handler: Handler) -> None:
    """Take the request and tear the connection down."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.rfile.close()
    handler.connection.close()
    handler.close_connection = True


def hangs(seconds: float) -> Step:
    def step(handler: Handler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return step


def drips(start: bytes, drop: bytes, seconds: float = 4.0) -> Step:
    """Send `start`, then `drop` every 50 ms without end."""

    def step(handler: Handler) -> None:
        handler.wfile.write(start)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            handler.wfile.write(drop)
            time.sleep(0.05)
        handler.close_connection = True

    return step


def babbles(handler: Handler) -> None:
    """Answer with what is not HTTP."""
    handler.wfile.write(b"\x15\x03\x01\x00\x02\x02\x50 not http at all\r\n\r\n")
    handler.close_connection = True
