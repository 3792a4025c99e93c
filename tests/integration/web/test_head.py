"""HEAD: answered as GET is, with its status and headers and without a body."""

from __future__ import annotations

import pytest

from llm_monitoring.web.api import exports
from llm_monitoring.web.pages import downloads
from tests.integration.web.world import World, sign_in

VARYING = {"date", "x-request-id"}


def headers_of(answer: object) -> dict[str, str]:
    return {name: text for name, text in answer.headers.items() if name not in VARYING}  # type: ignore[attr-defined]


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    "path", ["/me", "/projects", "/projects/{}", "/projects/{}/exports/results", "/projects/99999"]
)
def test_operations_answer_it(world: World, path: str) -> None:
    """The status, the length and the ETag of GET, and no body."""
    place = path.format(world.project)
    asked, read = world.call("HEAD", place), world.call("GET", place)
    assert read.status_code == asked.status_code
    assert headers_of(read) == headers_of(asked)
    assert b"" == asked.content
    assert read.content


@pytest.mark.short(every=3)
@pytest.mark.parametrize("path", ["/", "/settings", "/projects/{}", "/projects/{}/answers", "/nothing", "/healthz"])
def test_pages_answer_it(world: World, path: str) -> None:
    """Monitors and previews ask so."""
    place, cookies = path.format(world.project), sign_in(world, world.ana)
    read = world.open(place, cookies)
    asked = world.open(place, cookies, "HEAD")
    assert read.status_code == asked.status_code
    assert headers_of(read) == headers_of(asked)
    assert b"" == asked.content


@pytest.mark.parametrize("query", ["format=csv", "format=jsonl", "format=xlsx"])
def test_a_file_is_not_made_for_it(world: World, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    """Its headers are known without a row."""
    path = f"/projects/{world.project}/exports/results?{query}"
    read = world.call("GET", path)
    monkeypatch.setattr(exports, "export_chunks", None)
    asked = world.call("HEAD", path)
    assert read.status_code == asked.status_code
    assert headers_of(read) == headers_of(asked)
    assert b"" == asked.content


def test_a_report_is_not_made_for_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is the page that is downloaded."""
    monkeypatch.setattr(downloads, "read", None)
    asked = world.open(f"/projects/{world.project}/reports/report.html", sign_in(world, world.ana), "HEAD")
    assert 200 == asked.status_code
    assert "text/html; charset=utf-8" == asked.headers["content-type"]


def test_it_needs_what_get_needs(world: World) -> None:
    """Without a session it leads to the sign-in page, without a token it is refused."""
    assert 303 == world.open("/", method="HEAD").status_code
    assert 401 == world.call("HEAD", "/me", "").status_code


def test_what_is_no_get_is_not_answered(world: World) -> None:
    """405 that names what the path takes."""
    refused = world.open("/sign-out", sign_in(world, world.ana), "HEAD")
    assert 405 == refused.status_code
    assert b"" == refused.content
