"""The files that pages load: each under a name with the hash of its content, so that it may be kept for ever."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request, Response

from llm_monitoring.web.pages.compression import compressed
from llm_monitoring.web.problems import Problem

router: Final = APIRouter(include_in_schema=False)

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@cache
def contents() -> Mapping[str, bytes]:
    """Each file by its own name."""
    return {each.name: each.read_bytes() for each in (files(__package__) / "static").iterdir() if each.is_file()}


@cache
def served_names() -> Mapping[str, str]:
    """The own name of each file by the name that it is served under: `pages.3f2a9c1b8d7e.css` is `pages.css`."""
    found = {}
    for name, content in contents().items():
        stem, _, ending = name.rpartition(".")
        found[f"{stem}.{sha256(content).hexdigest()[:12]}.{ending}"] = name
    return found


@cache
def static(name: str) -> str:
    """The address of a file for a template; raises LookupError if there is none of this name."""
    return f"/static/{ {own: served for served, own in served_names().items()}[name] }"


@router.get("/static/{name}")
def static_file(name: str, request: Request) -> Response:
    """Send a file whole; any other name is missing, and so is the folder."""
    own = served_names().get(name)
    if own is None:
        raise Problem("not_found")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return compressed(request, contents()[own], headers, MEDIA_TYPES[own.rpartition(".")[2]])
