"""The tabs of a project: one for each page that the service has and that the visitor's role may open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request

from llm_monitoring.web.pages.filters import Filters

PROJECT: Final = "/projects/{project_id}"
OWNERS_ONLY: Final = frozenset({"settings"})
PEOPLE_ONLY: Final = frozenset({"reports"})
NOUNS: Final = ("overview", "prompts", "answers", "rivals", "sources", "changes", "reports", "settings")


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of a project; its title is the text `shell.tab_<noun>`."""

    noun: str
    href: str
    is_current: bool


def tabs(request: Request, here: Any, filters: Filters | None) -> Iterator[Tab]:
    """The tabs in their order, with the filters of this page."""
    root = f"/projects/{here.project_id}"
    current = request.url.path.removeprefix(root).strip("/").partition("/")[0] or NOUNS[0]
    for noun in NOUNS:
        if noun in nouns_of(request.app) and may_open(noun, here.role):
            path = root if noun == NOUNS[0] else f"{root}/{noun}"
            yield Tab(noun, (filters or Filters()).link(path), noun == current)


def may_open(noun: str, role: str) -> bool:
    return role == "owner" or noun not in (OWNERS_ONLY if role == "viewer" else OWNERS_ONLY | PEOPLE_ONLY)


def nouns_of(app: FastAPI) -> frozenset[str]:
    """The nouns that have a page."""
    paths = app.state.page_paths
    return frozenset(noun for noun in NOUNS if (PROJECT if noun == NOUNS[0] else f"{PROJECT}/{noun}") in paths)
