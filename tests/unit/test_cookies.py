"""Whose cookie is read."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fastapi import Request

from llm_monitoring.web import cookies

NAME = b"__Host-llm_session"
APP = SimpleNamespace(state=SimpleNamespace(service=SimpleNamespace(address="https://seo.example")))


def request(*lines: bytes) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", line) for line in lines], "app": APP})


@pytest.mark.parametrize("name", [b"\xa0%b", b"\x85%b", b"%b\xa0", b"\x1f%b", b"\xa0\x85%b", b"x=%b", b"%b2", b""])
def test_a_name_that_looks_like_ours(name: bytes) -> None:
    """A neighbouring host can set a cookie with another kind of space before the prefix; it is not read as ours."""
    given = request(b"other=1; " + (name % NAME if b"%" in name else name) + b"=planted")
    assert "" == cookies.read(given, cookies.SESSION)


@pytest.mark.parametrize(
    "line", [b"%b=mine", b"a=b;\t%b=mine ", b"\xa0%b=planted; %b=mine", b'%b="mine"', b"a; %b=mine;"]
)
def test_a_cookie_of_ours(line: bytes) -> None:
    """It is found among others, in quotes too, and no other takes its place."""
    assert "mine" == cookies.read(request(line.replace(b"%b", NAME)), cookies.SESSION)


def test_cookies_on_several_lines() -> None:
    """HTTP/2 sends each on a line of its own."""
    assert "mine" == cookies.read(request(b"a=b", NAME + b"=mine"), cookies.SESSION)
