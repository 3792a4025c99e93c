"""The name and logo of an agency: a form with a file, of which nothing but the bytes of an image are believed."""

from __future__ import annotations

from typing import Any

import pytest

from llm_monitoring.access import agencies
from llm_monitoring.access.audit import Actor
from tests.integration.web.world import World, sign_in

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def send(world: World, logo: bytes | None = None, path: str = "/settings/agency", **fields: str) -> Any:
    files = {} if logo is None else {"logo": ("logo.svg", logo, "image/svg+xml")}
    cookies = {**sign_in(world, world.ana), "lang": "en"}
    return world.open(
        path, cookies, "POST", data=fields, files=files or {"logo": ("", b"", "application/octet-stream")}
    )


def agency(world: World) -> tuple[str, bytes | None, str | None] | None:
    found = agencies.agency_of(world.db, world.ana)
    return None if found is None else (found.name, found.logo, found.logo_type)


def test_name_and_logo_are_set(world: World) -> None:
    """The form of the image is read in its bytes, whatever the browser says of it."""
    assert 303 == send(world, PNG, name=" Acme Agency ").status_code
    assert ("Acme Agency", PNG, "image/png") == agency(world)
    page = world.open("/settings", sign_in(world, world.ana)).text
    assert "data:image/png;base64," in page
    assert 'value="Acme Agency"' in page


def test_without_a_file_the_logo_stays(world: World) -> None:
    """Until it is to go."""
    send(world, PNG, name="Acme")
    send(world, name="Acme 2")
    kept = agency(world)
    send(world, name="Acme 2", without_logo="on")
    assert ("Acme 2", PNG, "image/png") == kept
    assert ("Acme 2", None, None) == agency(world)


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("name", "logo", "said"),
    [
        ("Acme", SVG, "PNG, JPEG or WebP"),
        ("Acme", b"GIF89a", "PNG, JPEG or WebP"),
        ("Acme", PNG + b"0" * 100_000, "larger than 100 kB"),
        ("", PNG, "1 to 100 characters"),
        ("a" * 101, PNG, "1 to 100 characters"),
        ("a\nb", PNG, "1 to 100 characters"),
    ],
)
def test_what_cannot_be_shown_is_refused(world: World, name: str, logo: bytes, said: str) -> None:
    """In words, and what was there stays."""
    agencies.set_agency(world.db, Actor("command", world.ana), "Before")
    refused = send(world, logo, name=name)
    assert 422 == refused.status_code
    assert said in refused.text
    assert ("Before", None, None) == agency(world)


def test_it_is_removed(world: World) -> None:
    """With its record."""
    send(world, PNG, name="Acme")
    cookies = sign_in(world, world.ana)
    assert 303 == world.open("/settings/agency/remove", cookies, "POST").status_code
    assert agency(world) is None
    rows = world.db.all("SELECT action FROM llm_audit_log WHERE action LIKE 'agency%%' ORDER BY id")
    assert ["agency.set", "agency.remove"] == [row["action"] for row in rows]


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\na\0b\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + b"a" * 5_000 + b"\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\nv\r\n' * 9 + b"--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="logo"; filename="a"\r\n\r\nv\r\n' * 3 + b"--x--\r\n",
    ],
    ids=["empty", "cut", "null", "long field", "many fields", "many files"],
)
def test_a_body_that_no_form_sends_is_refused(world: World, body: bytes) -> None:
    """Never by an error of ours, and nothing is stored."""
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = world.open("/settings/agency", sign_in(world, world.ana), "POST", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert agency(world) is None


def test_a_file_is_taken_nowhere_else(world: World) -> None:
    """Other forms refuse its type before anything reads it; so does this one above the size of a body."""
    assert 415 == send(world, PNG, f"/projects/{world.project}/settings/project", name="a").status_code
    assert 413 == send(world, PNG + b"0" * 1_000_000, name="a").status_code


def test_a_form_of_another_site_is_refused(world: World) -> None:
    """As every form."""
    cookies = sign_in(world, world.ana)
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = world.open(
        "/settings/agency", cookies, "POST", data={"name": "Evil"}, files={"logo": ("a", PNG)}, headers=headers
    )
    assert 403 == answer.status_code
    assert agency(world) is None
