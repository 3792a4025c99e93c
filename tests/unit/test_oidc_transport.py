"""Requests to a provider of sign-ins: none takes longer, or gives more, than a thread and its memory allow."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from llm_monitoring.web import oidc
from llm_monitoring.web.oidc import Flow, Provider, SignInRefused

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Speak = Callable[[socket.socket, threading.Event], None]


@contextmanager
def answering(speak: Speak) -> Iterator[Provider]:
    """A provider that answers each request in this way, until the block ends."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            speak(connection, over)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Provider(f"http://127.0.0.1:{listener.getsockname()[1]}", "us", "hush", "http://localhost/callback")
        finally:
            over.set()
            thread.join()


def test_a_reply_that_drips_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes soon enough, and the whole too late."""
    monkeypatch.setattr(oidc, "TIMEOUT_SECONDS", 0.1)

    def drip(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(HEAD + b"Content-Length: 3000\r\n\r\n")
        for _ in range(3000):
            if over.wait(0.01):
                return
            connection.sendall(b" ")

    with answering(drip) as provider, pytest.raises(SignInRefused, match="ReadTimeout"):
        provider.begin(Flow.new())


def test_a_long_reply_is_refused() -> None:
    """Its content is not parsed, which takes many times its memory."""

    def send(connection: socket.socket, over: threading.Event) -> None:
        body = b"[" + b"[]," * (oidc.MOST_REPLY_BYTES // 3) + b"[]]"
        connection.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    with answering(send) as provider, pytest.raises(SignInRefused) as caught:
        provider.begin(Flow.new())
    assert "longer than" in str(caught.value.__cause__)
