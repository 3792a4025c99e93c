"""Connections that send no request, or none whole, leave room for others."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from threading import Event, Thread

import pytest

from llm_monitoring.access import tokens
from llm_monitoring.web import connections
from llm_monitoring.web.service import PREFIX
from llm_monitoring.web.serving import Server, config_of
from tests.integration.web.world import World

HEAD = "POST /sign-in HTTP/1.1\r\nHost: testserver\r\n"
FORM = f"{HEAD}Content-Type: application/x-www-form-urlencoded\r\n"
WAIT = 30  # seconds that no test takes


@contextmanager
def served(world: World) -> Iterator[int]:
    """The port of the server as `web` starts it."""
    config = config_of(world.service)
    config.port, ready = 0, Event()
    server = Server(config, Event(), ready.set)
    thread = Thread(target=server.run)
    thread.start()
    assert ready.wait(WAIT)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(WAIT)
        assert not thread.is_alive()


@pytest.fixture
def port(world: World) -> Iterator[int]:
    with served(world) as found:
        yield found


def connect(port: int, sent: str = "") -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
    found.sendall(sent.encode())
    return found


def rest_of(connection: socket.socket) -> bytes:
    """What comes until the server ends the connection; a reset is an end."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def me(world: World) -> str:
    return f"GET {PREFIX}/me HTTP/1.1\r\nHost: testserver\r\nAuthorization: Bearer {world.texts['ana']}\r\n"


def answer_to_me(world: World, port: int) -> bytes:
    with closing(connect(port, f"{me(world)}Connection: close\r\n\r\n")) as connection:
        return rest_of(connection)


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        ("", 0),
        (f"{HEAD}X: ", 0),
        ("GET /healthz HTTP/1.1\r\nHost: testserver\r\n\r\nGET / HTTP/1.1\r\nHost:", 1),
    ],
    ids=["silent", "half a head", "half a second head"],
)
def test_a_client_that_sends_no_whole_request_is_cut(
    world: World, monkeypatch: pytest.MonkeyPatch, sent: str, answers: int
) -> None:
    """In a time that a slow line has enough of; what came whole before was answered."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    with served(world) as port, closing(connect(port, sent)) as connection:
        assert answers == rest_of(connection).count(b"HTTP/1.1 ")


@pytest.mark.parametrize(
    "sent",
    ["", f"{HEAD}X: ", f"{FORM}Content-Length: 500\r\n\r\nemail="],
    ids=["silent", "half a head", "half a body"],
)
def test_many_of_them_leave_room(
    world: World, port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sent: str
) -> None:
    """The one that has waited longest is ended, and that is no error of the service."""
    monkeypatch.setattr(connections, "MOST_UNHURRIED", 5)
    with ExitStack() as stack, caplog.at_level(logging.ERROR):
        first, *_ = (stack.enter_context(closing(connect(port, sent))) for _ in range(12))
        assert b"" == rest_of(first)
        assert answer_to_me(world, port).startswith(b"HTTP/1.1 200 ")
    assert [] == caplog.messages


def test_a_request_that_is_being_answered_is_not_ended(
    world: World, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many others wait."""
    monkeypatch.setattr(connections, "MOST_UNHURRIED", 2)
    asked, go_on, find = Event(), Event(), tokens.find

    def patient(*arguments: object) -> object:
        asked.set()
        assert go_on.wait(WAIT)
        return find(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tokens, "find", patient)
    with ExitStack() as stack:
        first = stack.enter_context(closing(connect(port, f"{me(world)}Connection: close\r\n\r\n")))
        assert asked.wait(WAIT)
        for _ in range(6):
            stack.enter_context(closing(connect(port)))
        go_on.set()
        assert rest_of(first).startswith(b"HTTP/1.1 200 ")


def test_a_body_with_two_lengths_is_refused(world: World, port: int) -> None:
    """What follows it is another request to us alone, and not to a proxy: it is not read."""
    sent = f"{FORM}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{me(world)}\r\n"
    with closing(connect(port, sent)) as connection:
        found = rest_of(connection)
    assert found.startswith(b"HTTP/1.1 400 ")
    assert 1 == found.count(b"HTTP/1.1 ")


def test_nothing_is_upgraded(port: int) -> None:
    """The answer is that of a request that asks for none."""
    head = "GET /healthz HTTP/1.1\r\nHost: testserver\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n"
    with closing(connect(port, head)) as connection:
        assert rest_of(connection).startswith(b"HTTP/1.1 200 ")
