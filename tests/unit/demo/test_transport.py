"""The server's HTTP, and the server as a process of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest

from llm_monitoring.demo.sample import DEMO_KEYS, SAMPLE_BUDGET_USD, SAMPLE_PROJECTS
from llm_monitoring.demo.server.loopback import DemoServer

START = [sys.executable, "-m", "llm_monitoring.demo.server"]


def test_a_connection_stays_open(plain: Any) -> None:
    """Five hundred requests go over one connection, each with its Content-Length."""
    plain.ask("openai")
    sock = plain.connection.sock
    replies = [plain.ask("openai", f"crm {n}") for n in range(500)]
    assert sock is plain.connection.sock
    assert all(int(reply.headers["content-length"]) == len(reply.body) for reply in replies)
    assert {200} == {reply.status for reply in replies}


def test_a_hundred_connections_wait_together(server: DemoServer) -> None:
    """Slow answers overlap: a hundred of them are on their way at once."""
    with DemoServer(latency_ms=400) as slow:
        sockets = [socket.create_connection(("127.0.0.1", slow.port)) for _ in range(100)]
        body = b'{"model": "gpt-6-luna", "input": "hi"}'
        head = b"POST /openai/v1/responses HTTP/1.1\r\nAuthorization: Bearer k\r\nContent-Length: %d\r\n\r\n" % len(
            body
        )
        for sock in sockets:
            sock.sendall(head + body)
        while len(slow.bill.lines) < 100:
            assert all(sock.fileno() > 0 for sock in sockets)
        firsts = [sock.recv(15) for sock in sockets]
        for sock in sockets:
            sock.close()
    assert [b"HTTP/1.1 200 OK"] * 100 == firsts


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/openai/v1/nope"), ("POST", "/v1/responses"), ("HEAD", "/x")]
)
def test_unknown_paths_are_not_found(plain: Any, method: str, path: str) -> None:
    """What is no provider's path is 404, and HEAD has no body."""
    reply = plain.send(method, path)
    assert 404 == reply.status
    assert (method == "HEAD") == (reply.body == b"")


def test_chunked_and_split_bodies_are_read(server: DemoServer) -> None:
    """A chunked body that arrives in pieces is one request; a second may follow in the same packet."""
    body = b'{"model": "gpt-6-luna", "input": "hi"}'
    head = b"POST /openai/v1/responses HTTP/1.1\r\nAuthorization: Bearer k\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw = head + b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (10, body[:10], len(body) - 10, body[10:])
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        for piece in (raw[:40], raw[40:-9], raw[-9:] + raw):
            client.sendall(piece)
        read = b""
        while read.count(b'"object": "response"') < 2:
            read += client.recv(65536)
    assert 2 == len(server.bill.lines)


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"x" * 70_000])
def test_what_is_no_http_is_refused(server: DemoServer, raw: bytes) -> None:
    """Malformed requests get 400 and the connection ends."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(raw)
        assert client.recv(100).startswith(b"HTTP/1.1 400")
        assert b"" == client.recv(100)


def test_a_server_in_a_process_of_its_own(tmp_path: Path) -> None:
    """It prints its port first, takes its options, and ends with code 0 on SIGTERM."""
    faults, keys, bill = tmp_path / "faults.json", tmp_path / "keys.json", tmp_path / "bill.jsonl"
    faults.write_text(json.dumps([{"match": {"nth": 2}, "action": {"kind": "status", "status": 500}}]))
    keys.write_text(json.dumps({"openai": ["sk-good"]}))
    options = ["--faults", str(faults), "--keys", str(keys), "--bill", str(bill), "--day", "2026-11-01"]
    with subprocess.Popen([*START, "--port", "0", *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = json.loads(process.stdout.readline())["port"]
        assert ["completed", 500, 401] == [attempt(port, key) for key in ("sk-good", "sk-good", "sk-bad")]
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(10)
    assert 1 == len(bill.read_text().splitlines())


def attempt(port: int, key: str) -> str | int | None:
    with openai.OpenAI(api_key=key, base_url=f"http://127.0.0.1:{port}/openai/v1", max_retries=0) as client:
        try:
            return client.responses.create(model="gpt-6-luna", input="hi").status
        except openai.APIStatusError as error:
            return error.status_code


def test_a_server_ends_with_its_parent() -> None:
    """With --watch-stdin the end of standard input ends the server."""
    with subprocess.Popen([*START, "--watch-stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert b"port" in process.stdout.readline()
        process.stdin.close()
        assert 0 == process.wait(10)


def test_a_taken_port_is_an_error(server: DemoServer) -> None:
    """Starting on a port in use raises instead of hanging."""
    with pytest.raises(OSError, match="address already in use"):
        DemoServer(port=server.port).start()


def test_the_day_can_be_set(server: DemoServer, plain: Any) -> None:
    """POST /day plays another day's answers."""
    assert {"day": "2026-10-01"} == plain.send("POST", "/day", {"day": "2026-10-01"}).json()
    assert date(2026, 10, 1) == server.service.day
    assert 400 == plain.send("POST", "/day", {"day": "someday"}).status


def test_the_same_question_twice_gets_two_answers(server: DemoServer, openai_client: openai.OpenAI) -> None:
    """Each further sample of a day differs, and another server of the same seed gives the same pair."""
    with DemoServer(epoch=server.service.day) as twin:
        twin.set_day(server.service.day)
        other = openai_client.with_options(base_url=twin.url("openai"))
        pairs = [
            [client.responses.create(model="gpt-6-luna", input="best crm?").output_text for _ in range(2)]
            for client in (openai_client, other)
        ]
    assert pairs[0] == pairs[1]
    assert pairs[0][0] != pairs[0][1]


def test_many_threads_share_the_server(server: DemoServer, openai_client: openai.OpenAI) -> None:
    """Thirty-two threads on one client all get their own answer."""
    with ThreadPoolExecutor(32) as pool:
        texts = list(
            pool.map(lambda n: openai_client.responses.create(model="gpt-6-luna", input=f"crm {n}").id, range(96))
        )
    assert 96 == len(set(texts))


def test_the_sample_is_whole(server: DemoServer) -> None:
    """Two projects of 15 prompts, 2 or 3 of them branded, four competitors, and a key a provider."""
    branded = [sum(p.brand.name in prompt for prompt in p.prompts) for p in SAMPLE_PROJECTS]
    assert [("es", "ES", 15, 4), ("en", "US", 15, 4)] == [
        (p.language, p.country, len(set(p.prompts)), len(p.competitors)) for p in SAMPLE_PROJECTS
    ]
    assert all(2 <= count <= 3 for count in branded)
    assert Decimal(25) == SAMPLE_BUDGET_USD
    assert set(server.environment()) == {f"{name.upper()}_BASE_URL" for name in DEMO_KEYS}
