"""Exports over the API: the bytes of the command, streamed, cut visibly, and limited."""

from __future__ import annotations

import http.client
import io
import json
import logging
import socket
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn
from click.testing import CliRunner

from llm_monitoring.cli.root import root
from llm_monitoring.db.failures import DatabaseUnavailable
from llm_monitoring.reporting import export_files, exports
from llm_monitoring.web import streaming
from llm_monitoring.web.api import exports as routes
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.rates import Slots
from llm_monitoring.web.service import PREFIX, bounded
from tests.integration.stored import Book
from tests.integration.web.test_results import DAYS
from tests.integration.web.world import World

TEXT = '=HYPERLINK("http://evil.example")\n1. Quipu; =1+1\n2. Holded'


@pytest.fixture
def measured(world: World) -> World:
    """Two days of two answers at two providers, one of which a spreadsheet would run; no limit on exports."""
    world.service.export_rate.limit = 1_000
    book = Book(world.db, world.project)
    for day in DAYS:
        book.store(0, day, TEXT, citations=["https://quipu.com/x", "https://example.org/?q==1"])
        book.store(1, day, "Usa Holded.", provider="google")
    book.figures(*DAYS)
    return world


def path(world: World, kind: str) -> str:
    return f"/projects/{world.project}/exports/{kind}"


def command(world: World, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> bytes:
    monkeypatch.setenv("DATABASE_URL", world.db.dsn)
    done = CliRunner().invoke(root, ["export", *arguments, "--project", str(world.project)], catch_exceptions=False)
    assert 0 == done.exit_code, done.output
    return done.stdout_bytes


@pytest.mark.short(every=6)
@pytest.mark.parametrize(
    ("kind", "query", "options"),
    [
        ("results", {}, []),
        ("results", {"format": "jsonl"}, ["--format", "jsonl"]),
        ("results", {"long": "true", "delimiter": ";", "bom": "true"}, ["--long", "--delimiter", ";", "--bom"]),
        ("results", {"mentioned": "false", "delimiter": "tab"}, ["--not-mentioned", "--delimiter", "tab"]),
        ("results", {"provider": ["google", "openai"]}, ["--provider", "google", "--provider", "openai"]),
        ("results", {"provider": "google", "from": "2026-11-02"}, ["--provider", "google", "--from", "2026-11-02"]),
        ("snapshots", {"to": "2026-11-01"}, ["--to", "2026-11-01"]),
        ("snapshots", {"long": "true", "format": "jsonl"}, ["--long", "--format", "jsonl"]),
        ("citations", {"mentioned": "true"}, ["--mentioned"]),
        ("citations", {"from": "2027-01-01", "format": "jsonl"}, ["--from", "2027-01-01", "--format", "jsonl"]),
    ],
)
def test_the_bytes_are_those_of_the_command(
    measured: World, monkeypatch: pytest.MonkeyPatch, quiet: None, kind: str, query: Any, options: list[str]
) -> None:
    """Whatever the form, the period and the filters."""
    found = measured.call("GET", f"{path(measured, kind)}?{urlencode(query, doseq=True)}")
    assert 200 == found.status_code
    assert command(measured, monkeypatch, kind, *options) == found.content


def test_a_spreadsheet_has_the_cells_of_the_commands(
    measured: World, monkeypatch: pytest.MonkeyPatch, quiet: None, tmp_path: Any
) -> None:
    """Every part of the file but the time at which it was made."""
    out = tmp_path / "out.xlsx"
    command(measured, monkeypatch, "results", "--format", "xlsx", "--out", str(out))
    found = measured.call("GET", path(measured, "results"), params={"format": "xlsx"})
    books = [zipfile.ZipFile(io.BytesIO(each)) for each in (out.read_bytes(), found.content)]
    names = [name for name in books[0].namelist() if name != "docProps/core.xml"]
    assert [books[0].read(name) for name in names] == [books[1].read(name) for name in names]


@pytest.mark.short(every=3)
@pytest.mark.parametrize(("form", "kind"), routes.MEDIA_TYPES.items())
def test_an_export_is_a_file_that_is_kept_nowhere(measured: World, form: str, kind: str) -> None:
    """Downloaded under a plain name, of a type that no browser guesses."""
    measured.db.execute("UPDATE llm_monitoring_projects SET name = 'Ñandú \"; x=\r\n' WHERE id = 1")
    headers = measured.call("GET", path(measured, "snapshots"), params={"format": form}).headers
    assert f'attachment; filename="1-nandu-x-snapshots.{form}"' == headers["content-disposition"]
    assert (kind, "nosniff", "no-store") == tuple(
        headers[name] for name in ("content-type", "x-content-type-options", "cache-control")
    )


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("kind", "query", "pointer"),
    [
        ("snapshots", {"mentioned": "true"}, "query:mentioned"),
        ("citations", {"long": "true"}, "query:long"),
        ("results", {"format": "pdf"}, "query:format"),
        ("results", {"format": "jsonl", "bom": "true"}, "query:"),
        ("results", {"format": "xlsx", "delimiter": ";"}, "query:"),
        ("results", {"from": "2026-11-02", "to": "2026-11-01"}, "query:"),
        ("results", {"provider": "mistral"}, "query:provider.0"),
    ],
)
def test_what_does_not_go_together_is_refused(measured: World, kind: str, query: Any, pointer: str) -> None:
    """422 with the parameter, before the first byte."""
    refused = measured.call("GET", path(measured, kind), params=query)
    assert 422 == refused.status_code
    assert pointer == refused.json()["errors"][0]["pointer"]


@pytest.mark.short(every=2)
@pytest.mark.parametrize("kind", ["results", "snapshots"])
def test_a_viewer_gets_no_cost(measured: World, kind: str) -> None:
    """Neither amounts nor tokens; the rest is the owner's."""
    measured.db.execute("INSERT INTO llm_project_viewers VALUES (1, %(u)s)", {"u": measured.bea})
    own, seen = (
        measured.call("GET", path(measured, kind), measured.texts[who], params={"format": "jsonl"}).text.splitlines()
        for who in ("ana", "bea")
    )
    bare = [{name: None if name in exports.COST else value for name, value in json.loads(row).items()} for row in own]
    assert bare == [json.loads(row) for row in seen]
    assert own != seen


def test_six_exports_a_minute(world: World) -> None:
    """429 with Retry-After, by another token of the same user as well; other requests go on."""
    codes = [world.call("GET", path(world, "results")).status_code for _ in range(7)]
    assert [200] * 6 + [429] == codes
    second = world.call("GET", path(world, "snapshots"), world.token(world.ana))
    assert int(second.headers["retry-after"]) > 0
    assert 200 == world.call("GET", "/me").status_code


def test_a_caller_has_its_slots(world: World) -> None:
    """A slot is free again when what it was taken for ends, however it ends."""
    slots = Slots(2)
    with slots.held("a"), slots.held("a"), slots.held("b"):
        with pytest.raises(Problem) as refused, slots.held("a"):
            pass
        assert {"Retry-After": "10"} == refused.value.headers
    with pytest.raises(ZeroDivisionError), slots.held("a"):
        raise ZeroDivisionError
    assert {} == slots.taken
    world.call("GET", path(world, "results"))
    assert {} == world.service.export_slots.taken


def test_a_sheet_that_is_too_long_is_refused(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the way out, before the first byte, and no file stays behind."""
    monkeypatch.setattr(routes, "MOST_SHEET_ROWS", 3)
    refused = measured.call("GET", path(measured, "results"), params={"format": "xlsx"})
    assert 422 == refused.status_code
    assert "invalid" == refused.json()["code"]
    assert "CSV" in refused.json()["errors"][0]["detail"]


@contextmanager
def served(world: World) -> Iterator[int]:
    server = uvicorn.Server(uvicorn.Config(bounded(world.service), port=0, log_config=None))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def ask(world: World, version: str) -> bytes:
    lines = [
        f"GET {PREFIX}{path(world, 'results')} HTTP/{version}",
        "Host: testserver",
        f"Authorization: Bearer {world.texts['ana']}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def test_an_export_that_fails_midway_is_seen_as_cut(
    measured: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gets no clean end, the log says that it was cut, and the slot is free."""
    monkeypatch.setattr(exports, "PAGE", 1)
    monkeypatch.setattr(export_files, "CHUNK_BYTES", 1)
    pages, asked = exports.pages, []

    def failing(*arguments: Any) -> Iterator[Any]:
        for rows in pages(*arguments):
            asked.append(rows)
            if len(asked) == 3:
                raise DatabaseUnavailable("canceling statement due to statement timeout")
            yield rows

    monkeypatch.setattr(exports, "pages", failing)
    with served(measured) as port, caplog.at_level(logging.INFO):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(
            "GET",
            PREFIX + path(measured, "results"),
            headers={"Host": "testserver", "Authorization": f"Bearer {measured.texts['ana']}"},
        )
        answer = connection.getresponse()
        with pytest.raises(http.client.IncompleteRead) as cut:
            answer.read()
        connection.close()
    assert b"Quipu" in cut.value.partial
    (line,) = [record for record in caplog.records if getattr(record, "event", "") == "web.request"]
    assert 200 == line.__dict__["status"]
    assert line.__dict__["cut"] is True
    assert {} == measured.service.export_slots.taken


def test_an_error_before_the_first_byte_is_a_problem(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client sees the reason in place of an empty file."""

    def failing(*arguments: Any) -> Iterator[Any]:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(exports, "pages", failing)
    refused = measured.call("GET", path(measured, "results"))
    assert 503 == refused.status_code
    assert "unavailable" == refused.json()["code"]
    assert {} == measured.service.export_slots.taken


@pytest.mark.ci
def test_a_client_that_does_not_read_is_cut(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no one holds a slot, and the memory stays small, however long an export is."""
    monkeypatch.setattr(streaming, "STALLED_SECONDS", 0.3)
    monkeypatch.setattr(exports, "PAGE", 1)
    taken = 0

    def endless(*_: Any) -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 65_536

    monkeypatch.setattr(routes, "export_chunks", endless)
    with served(measured) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(ask(measured, "1.1"))
        end = time.monotonic() + 20
        while not taken or (measured.service.export_slots.taken and time.monotonic() < end):
            time.sleep(0.02)
    assert {} == measured.service.export_slots.taken
    assert taken < 1_000


def test_a_client_of_http_1_0_gets_no_stream(measured: World) -> None:
    """It could not tell a part from the whole."""
    with served(measured) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(ask(measured, "1.0"))
        assert b" 400 " in connection.recv(4096).splitlines()[0]
