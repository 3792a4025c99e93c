"""What every page has: its policy, its language, its files, and errors in words."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from llm_monitoring.web.pages.rendering import POLICY
from llm_monitoring.web.pages.static_files import served_names, static
from tests.integration.web.world import World

BROWSER = Path(__file__).resolve().parents[2] / "browser"


def test_a_page_loads_nothing_from_elsewhere(world: World) -> None:
    """Every page has the content policy, an error's too."""
    assert POLICY == world.http.get("/nowhere").headers["content-security-policy"]


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("headers", "query", "language"),
    [
        ({}, "", "en"),
        ({"Accept-Language": "es-ES,en;q=0.5"}, "", "es"),
        ({"Accept-Language": "es", "Cookie": "lang=en"}, "", "en"),
        ({"Accept-Language": "es", "Cookie": "lang=en"}, "?lang=es", "es"),
        ({"Accept-Language": "de"}, "?lang=xx", "en"),
    ],
)
def test_the_language_of_a_page(world: World, headers: dict[str, str], query: str, language: str) -> None:
    """The address decides, then the cookie, then the browser; English if none of them is a page's language."""
    page = world.http.get(f"/nowhere{query}", headers=headers)
    assert f'<html lang="{language}">' in page.text
    assert language == page.headers["content-language"]


def test_a_chosen_language_is_kept(world: World) -> None:
    """After it was chosen in the address, the next page has it without."""
    world.http.get("/nowhere?lang=es")
    assert '<html lang="es">' in world.http.get("/nowhere").text


def test_an_unknown_address_is_a_page(world: World) -> None:
    """People read a page with the number of the request, programs a document."""
    page = world.http.get("/nowhere", headers={"X-Request-Id": "request-0001"})
    assert 404 == page.status_code
    assert "request-0001" in page.text
    assert "application/problem+json" == world.http.get("/api/nowhere").headers["content-type"]


def test_static_files_are_kept_for_ever(world: World) -> None:
    """A file is sent whole under a name with its hash, and a range of it is not."""
    for name in served_names():
        headers = {"Range": "bytes=0-9", "Accept-Encoding": "identity"}
        found = world.http.get(f"/static/{name}", headers=headers)
        assert 200 == found.status_code
        assert "public, max-age=31536000, immutable" == found.headers["cache-control"]
        assert int(found.headers["content-length"]) == len(found.content) > 10


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    ("accepted", "encoding"), [("gzip, br", "gzip"), ("br", None), ("gzip;q=0", None), ("GZIP;q=0.5", "gzip")]
)
def test_text_is_compressed_for_browsers_that_take_it(world: World, accepted: str, encoding: str | None) -> None:
    """What a browser accepts decides, and stores on the way keep the forms apart."""
    for path in (static("pages.css"), "/nowhere"):
        found = world.http.get(path, headers={"Accept-Encoding": accepted})
        assert encoding == found.headers.get("content-encoding")
        assert "Accept-Encoding" in found.headers["vary"]
        assert len(found.text) > 500


def test_no_other_file_is_sent(world: World) -> None:
    """Neither a folder nor a name without its hash nor a file of another folder."""
    paths = ("/static", "/static/", "/static/pages.css", "/static/..%2Ffilters.py", "/static/%00")
    assert [404] * len(paths) == [world.http.get(path).status_code for path in paths]


def test_htmx_is_the_package_of_the_browser_tests() -> None:
    """The file in the package is the one of the version that the browser tests pin."""
    package = BROWSER / "node_modules" / "htmx.org"
    if not package.is_dir():
        pytest.skip("run `npm ci` in tests/browser first")
    pinned = json.loads((BROWSER / "package.json").read_text(encoding="utf-8"))["dependencies"]["htmx.org"]
    installed = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    own = next(name for name, file in served_names().items() if file == "htmx.min.js")
    content = (package / "dist" / "htmx.min.js").read_bytes()
    assert pinned == installed
    assert f"htmx.min.{sha256(content).hexdigest()[:12]}.js" == own


def test_a_template_that_names_no_file_fails() -> None:
    """A name that is no file is an error of the page's author."""
    with pytest.raises(LookupError):
        static("nothing.css")
