"""The figures of a page with their links, and how many answers a link lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

LIMIT: Final = 200
Call = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Reads a path of the API with a query."""


class Figures(HTMLParser):
    """Collects each link that says how many answers it counts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if "data-n" in values:
            assert tag == "a", "a figure is a link"
            self.found.append((values["href"] or "", int(values["data-n"] or 0)))


def figures_in(page: str) -> list[tuple[str, int]]:
    """Each figure of a page: the address of its answers, and how many it counts."""
    parser = Figures()
    parser.feed(page)
    return parser.found


def listed(call: Call, href: str) -> int:
    """How many answers the list of an address holds, by the operation of the API that takes the same filters."""
    parts = urlsplit(href)
    return sum(len(data) for data in pages_of(call, parts.path, dict(parse_qsl(parts.query))))


def pages_of(call: Call, path: str, filters: dict[str, Any]) -> Iterator[list[Any]]:
    cursor = None
    while True:
        found = call(path, {**filters, "limit": LIMIT, **({"cursor": cursor} if cursor else {})})
        yield found["data"]
        cursor = found["next_cursor"]
        if cursor is None:
            return
