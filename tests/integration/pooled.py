"""A pooler as small as a test needs it: whichever server session is free is a client's, or a transaction's."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104

Mode = Literal["session", "transaction", "statement"]


def statement(sql: str) -> bytes:
    return b"Q" + struct.pack("!i", len(sql) + 5) + sql.encode() + b"\0"


class Pool:
    """Server sessions, the one that was given back last first; at most `size`, for which clients wait.

    `reset`: what a session does before the next client gets it.
    """

    def __init__(self, url: str, mode: Mode, *, reset: str = "", size: int = 100) -> None:
        self.mode, self.reset = mode, reset
        self.places = threading.BoundedSemaphore(size)
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        self.place = query["host"][0], int(query.get("port", [str(parts.port or 5432)])[0])
        self.user, self.database = parts.username or "postgres", unquote(parts.path.lstrip("/"))
        self.free: list[socket.socket] = []
        self.opened: list[socket.socket] = []
        self.lock = threading.Lock()

    def take(self) -> socket.socket:
        self.places.acquire()
        with self.lock:
            if self.free:
                return self.free.pop()
        server = socket.socket(socket.AF_UNIX)
        self.opened.append(server)
        server.connect(f"{self.place[0]}/.s.PGSQL.{self.place[1]}")
        words = f"user\0{self.user}\0database\0{self.database}\0client_encoding\0UTF8\0\0".encode()
        server.sendall(struct.pack("!ii", len(words) + 8, 196608) + words)
        while read_message(server)[0] != b"Z":
            continue
        return server

    def give_back(self, server: socket.socket) -> None:
        if self.reset:
            exchange(server, statement(self.reset))
        with self.lock:
            self.free.append(server)
        self.places.release()


def read_exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = source.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def read_message(source: socket.socket) -> tuple[bytes, bytes]:
    kind = read_exactly(source, 1)
    size = read_exactly(source, 4)
    return kind, kind + size + read_exactly(source, struct.unpack("!i", size)[0] - 4)


def greet(client: socket.socket) -> None:
    """What a client hears from a pooler: a process number of the pooler's own."""
    while True:
        size = struct.unpack("!i", read_exactly(client, 4))[0]
        body = read_exactly(client, size - 4)
        if struct.unpack("!i", body[:4])[0] not in (SSL_REQUEST, GSS_REQUEST):
            break
        client.sendall(b"N")
    hello = b"R" + struct.pack("!ii", 8, 0)
    for name, value in (
        (b"server_version", b"17.0"),
        (b"client_encoding", b"UTF8"),
        (b"DateStyle", b"ISO, MDY"),
        (b"standard_conforming_strings", b"on"),
        (b"TimeZone", b"UTC"),
    ):
        pair = name + b"\0" + value + b"\0"
        hello += b"S" + struct.pack("!i", len(pair) + 4) + pair
    client.sendall(hello + b"K" + struct.pack("!iii", 12, 99_999_999, 1) + b"Z" + struct.pack("!i", 5) + b"I")


def exchange(server: socket.socket, message: bytes, client: socket.socket | None = None) -> bytes:
    """Send a message, pass the answer on, and return the state of the transaction after it."""
    server.sendall(message)
    while True:
        kind, answer = read_message(server)
        if client:
            client.sendall(answer)
        if kind == b"Z":
            return answer[-1:]


def serve(client: socket.socket, pool: Pool) -> None:
    server = None
    with suppress(EOFError, OSError), client:
        greet(client)
        while True:
            kind, message = read_message(client)
            if kind == b"X" or (pool.mode == "statement" and message[5:10].upper() == b"BEGIN"):
                break
            server = server or pool.take()
            state = exchange(server, message, client)
            if pool.mode != "session" and state == b"I":  # the next statement may get another session
                pool.give_back(server)
                server = None
    if server:
        with suppress(EOFError, OSError):  # the test has ended
            pool.give_back(server)


@contextmanager
def pooler(url: str, mode: Mode = "transaction", *, reset: str = "", size: int = 100) -> Iterator[str]:
    """The address of a pooler in front of the database at `url`."""
    pool = Pool(url, mode, reset=reset, size=size)
    with socket.create_server(("127.0.0.1", 0)) as door:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    arguments: Any = (door.accept()[0], pool)
                    threading.Thread(target=serve, args=arguments, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"postgresql://{pool.user}@127.0.0.1:{door.getsockname()[1]}/{pool.database}"
    for server in pool.opened:
        server.close()
