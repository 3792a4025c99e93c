"""Replies that break off: one that holds a whole JSON object is whole, any other is cut and perhaps charged."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.providers import AuthFailed, ProviderUnavailable
from tests.providers.server import Handler, Server, Step, drips, question, recorded, says

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = HEAD + b"Content-Encoding: gzip\r\n"


def promised(head: bytes, body: bytes, more: int = 9) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body) + more, body)


def chunk(body: bytes) -> bytes:
    return CHUNKED + b"%x\r\n%b\r\n" % (len(body), body)


BREAKS: dict[str, Callable[[bytes], bytes]] = {
    "a length that is too large": lambda body: promised(HEAD, body),
    "no last chunk": chunk,
    "a broken chunk": lambda body: chunk(body) + b"x\r\n",
    "a compressed one": lambda body: promised(GZIP, gzip.compress(body)),
}


def breaks(data: bytes) -> Step:
    def step(handler: Handler) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return step


@pytest.mark.short(every=4)
@pytest.mark.parametrize("form", BREAKS)
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_reply_that_breaks_off_after_its_end_is_whole(server: Server, name: ProviderName, form: str) -> None:
    """Its answer is paid and there, so it is not asked again; the connection is not used again."""
    server.script(breaks(BREAKS[form](recorded(f"{name}_plain"))), says(recorded(f"{name}_cut")))
    provider = server.open(name)
    read = [provider.send(question(name)).body for _ in range(2)]
    assert [recorded(f"{name}_plain"), recorded(f"{name}_cut")] == read


def test_a_whole_reply_of_a_silent_server_is_kept(server: Server) -> None:
    """A server that sends everything but the end, and then nothing, ends in a timeout and loses no answer."""
    body = recorded("openai_plain")
    server.script(drips(promised(HEAD, body), b"", seconds=0.5))
    assert body == server.open("openai", timeout=0.2).send(question("openai")).body


def test_a_whole_refusal_that_breaks_off_is_a_refusal(server: Server) -> None:
    """It was not charged, and says so."""
    body = b'{"error": {"message": "No such key", "type": "invalid_request_error", "code": "invalid_api_key"}}'
    server.script(breaks(promised(b"HTTP/1.1 401 Unauthorized\r\n", body)))
    with pytest.raises(AuthFailed) as refused:
        server.open("openai").send(question("openai"))
    assert "no" == refused.value.billed


@pytest.mark.parametrize("body", [b'{"output": []', b"[]", b"1", b"<p>", b'{"a": 1} {', b'{"a": 1}x', b"\xff" * 9, b""])
@pytest.mark.parametrize("form", ["a length that is too large", "no last chunk"])
def test_a_reply_that_breaks_off_before_its_end_is_cut(server: Server, form: str, body: bytes) -> None:
    """Only a whole object shows that nothing is missing."""
    server.script(breaks(BREAKS[form](body) if body else promised(HEAD, b"")))
    with pytest.raises(ProviderUnavailable) as cut:
        server.open("openai").send(question("openai"))
    assert "maybe" == cut.value.billed


def test_a_compressed_reply_that_breaks_off_in_the_middle_is_cut(server: Server) -> None:
    """What is missing of the compressed form cannot be known."""
    server.script(breaks(promised(GZIP, gzip.compress(recorded("openai_plain"))[:-4])))
    with pytest.raises(ProviderUnavailable):
        server.open("openai").send(question("openai"))


@pytest.mark.parametrize(("idle", "connections"), [(3.5, 1), (4.5, 2)])
def test_a_connection_is_left_before_a_server_closes_it(
    server: Server, monkeypatch: pytest.MonkeyPatch, idle: float, connections: int
) -> None:
    """Common gateways close one after five idle seconds, and a request that meets the close gets no reply."""
    ports: list[int] = []

    def step(handler: Handler) -> None:
        ports.append(handler.client_address[1])
        says(recorded("openai_plain"))(handler)

    server.script(step)
    provider = server.open("openai", fresh=True)
    provider.send(question("openai"))
    monkeypatch.setattr("httpcore2._sync.http11.time", SimpleNamespace(monotonic=lambda: time.monotonic() + idle))
    provider.send(question("openai"))
    assert connections == len(set(ports))
