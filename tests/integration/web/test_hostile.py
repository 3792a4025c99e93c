"""Requests that no client of ours sends: texts, numbers, days, methods and bodies at the edges."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from llm_monitoring.web import boundary
from llm_monitoring.web.service import PREFIX
from tests.integration.web.test_exports import served
from tests.integration.web.world import World

JSON = {"Content-Type": "application/json"}
NEW = '{"name": %s, "brand": {"name": "Acme"}, "industry": "x"}'


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "text", [r'"a\u0000b"', r'"a\ud800b"', r'"\udfff"', '"\u200b"', '"   "', "NaN", "1e400", "null"]
)
def test_a_text_that_cannot_be_stored_is_refused(steady_world: World, text: str) -> None:
    """With its pointer, in a new project and in a patch; nothing is stored as another text than was sent."""
    made = steady_world.call("POST", "/projects", content=(NEW % text).encode(), headers=JSON)
    patched = steady_world.call(
        "PATCH", f"/projects/{steady_world.project}", content=b'{"name": %s}' % text.encode(), headers=JSON
    )
    assert 422 == made.status_code
    assert 422 == patched.status_code
    assert 1 == len(steady_world.call("GET", "/projects").json()["data"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("prompts", r'{"prompts": [{"query_text": "a\u0000b"}]}'),
        ("competitors", r'{"name": "Acme", "aliases": ["a\u0000b"]}'),
        ("notes", r'{"day": "2026-11-01", "text": "\u0000"}'),
    ],
)
def test_no_body_has_null_characters(steady_world: World, path: str, body: str) -> None:
    """Wherever a text is taken, in a list too."""
    refused = steady_world.call("POST", f"/projects/{steady_world.project}/{path}", content=body.encode(), headers=JSON)
    assert 422 == refused.status_code
    assert "invalid" == refused.json()["code"]


@pytest.mark.short(every=5)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"name": "\xff\xfe"}', 400),
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 400),
        (b'{"samples_per_query": ' + b"9" * 5_000 + b"}", 400),
        (b"{} x", 400),
        (b"[]", 422),
        (b"null", 422),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_body_that_is_no_object_is_refused(steady_world: World, method: str, body: bytes, code: int) -> None:
    """Deep nesting, huge numbers and broken text included."""
    path = "/projects" if method == "POST" else f"/projects/{steady_world.project}"
    assert code == steady_world.call(method, path, content=body, headers=JSON).status_code


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/projects/{project}/prompts", {f"x{number}": 1 for number in range(5_000)}),
        ("PATCH", "/projects/{project}", {f"x{number}": 1 for number in range(5_000)}),
        ("PATCH", "/projects/{project}", {"providers": ["a"] * 5_000}),
        ("POST", "/projects", {"name": "A", "brand": {"name": "A"}, "industry": "x", "providers": ["a"] * 5_000}),
    ],
)
def test_an_answer_names_so_many_values(steady_world: World, method: str, path: str, body: dict[str, Any]) -> None:
    """Of the many of a body that are not accepted: an answer is no multiple of what was sent."""
    refused = steady_world.call(method, path.format(project=steady_world.project), json=body)
    assert 422 == refused.status_code
    assert 1 <= len(refused.json()["errors"]) <= 50


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "noun", ["figures", "citations", "rivals", "positions", "gaps", "sources", "exports/results", "results"]
)
def test_a_period_of_the_whole_calendar_is_answered(steady_world: World, noun: str) -> None:
    """At once: the days without answers cost nothing."""
    began = time.monotonic()
    found = steady_world.call(
        "GET", f"/projects/{steady_world.project}/{noun}", params={"from": "0001-01-01", "to": "9999-12-31"}
    )
    assert found.status_code in (200, 422)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/projects", "GET, HEAD, POST"),
        ("POST", "/projects/1", "DELETE, GET, HEAD, PATCH, PUT"),
        ("OPTIONS", "/projects/1/competitors", "GET, HEAD, POST, PUT"),
        ("TRACE", "/me", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_offered_names_those_that_are(
    steady_world: World, method: str, path: str, allowed: str
) -> None:
    """All of the path, whichever route of the code has them."""
    refused = steady_world.call(method, path)
    assert 405 == refused.status_code
    assert allowed == refused.headers["allow"]


@pytest.mark.parametrize(
    ("given", "title"),
    [("en;q=0.1, es;q=0.9", "No existe"), ("es;q=0, en", "There is"), ("fr, es-MX", "No existe"), ("", "There is")],
)
def test_the_language_is_the_preferred_one(steady_world: World, given: str, title: str) -> None:
    """By its weight."""
    assert (
        steady_world.call("GET", "/projects/999", headers={"Accept-Language": given}).json()["title"].startswith(title)
    )


@pytest.mark.ci
def test_a_body_that_does_not_come_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """408, so that no one holds connections with a byte a minute."""
    monkeypatch.setattr(boundary, "BODY_SECONDS", 0.3)
    head = (
        f"POST {PREFIX}/projects HTTP/1.1\r\nHost: testserver\r\nAuthorization: Bearer {world.texts['ana']}\r\n"
        "Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    )
    with served(world) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head.encode())
        found = read_to_end(connection)
    assert " 408 " in found.splitlines()[0]
    assert "too_slow" in found


def read_to_end(connection: Any) -> str:
    parts = b""
    while part := connection.recv(4096):
        parts += part
    return parts.decode()
