"""HEAD: answered as GET is, with its status and headers and without a body."""

from __future__ import annotations

import pytest

from tests.integration.web.world import World, sign_in

VARYING = {"date", "x-request-id"}


def headers_of(answer: object) -> dict[str, str]:
    return {name: text for name, text in answer.headers.items() if name not in VARYING}  # type: ignore[attr-defined]


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


@pytest.mark.parametrize("path", ["/", "/settings", "/projects/{}", "/projects/{}/answers", "/nothing", "/healthz"])
def test_pages_answer_it(world: World, path: str) -> None:
    """Monitors and previews ask so."""
    place, cookies = path.format(world.project), sign_in(world, world.ana)
    read = world.open(place, cookies)
    asked = world.open(place, cookies, "HEAD")
    assert read.status_code == asked.status_code
    assert headers_of(read) == headers_of(asked)
    assert b"" == asked.content


def test_it_needs_what_get_needs(world: World) -> None:
    """Without a session it leads to the sign-in page, without a token it is refused."""
    assert 303 == world.open("/", method="HEAD").status_code
    assert 401 == world.call("HEAD", "/me", "").status_code


def test_what_is_no_get_is_not_answered(world: World) -> None:
    """405 that names what the path takes."""
    refused = world.open("/sign-out", sign_in(world, world.ana), "HEAD")
    assert 405 == refused.status_code
    assert b"" == refused.content
