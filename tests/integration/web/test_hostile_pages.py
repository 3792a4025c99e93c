"""Texts of others stay text on every page: names, prompts, answers and sources that try to be more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Final

import pytest

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from tests.conftest import Databases
from tests.integration.stored import Book
from tests.integration.web.page_table import PAGES, Page
from tests.integration.web.world import World, open_world, sign_in, two_users

TAKEN: Final = "<script>document.title='taken'</script>"
BRAND: Final = f'{TAKEN}" onmouseover="alert(1)'
RIVAL: Final = "</main><svg onload=alert(1)>" + "W" * 200
PROMPT: Final = f"¿{TAKEN} \u202eo Holded? {{{{ 7*7 }}}} <img src=x onerror=alert(1)>"
ANSWERS: Final = (
    f"{TAKEN} [aquí](javascript:alert(1)) <img src=x onerror=alert(1)>\u202e {BRAND} y {RIVAL}",
    "ñ" * 1_000_000,
    f"1. {BRAND}\n2. {RIVAL}\n\n<style>body {{ display: none }}</style>",
)
SOURCES: Final = ("javascript:alert(1)", 'https://evil.example/"onmouseover="alert(1)', "data:text/html,<script>")
DIRECTIONS: Final = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class Dangers(HTMLParser):
    """Collects what could run, load or dress something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in {"iframe", "object", "embed", "style", "base", "img"}:
            self.found.append(tag)
        if tag == "script" and not values.get("src", "").startswith("/static/"):
            self.found.append(f"script {values}")
        self.found += [f"{tag} {name}" for name in values if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action"):
            if values.get(name, "").partition(":")[0].strip().lower() in ("javascript", "data", "vbscript"):
                self.found.append(f"{tag} {name}")


@pytest.fixture(scope="module")
def hostile(databases: Databases) -> Iterator[World]:
    """A project in which everything that others can write tries to be more than text, over two periods."""
    with databases.clone(two_users(databases)) as url, open_world(url) as world:
        new = projects.NewProject(world.ana, TAKEN + "x" * 200, Entity(BRAND), TAKEN, (Entity(RIVAL), Entity("Holded")))
        world.project = projects.add(world.db, new)
        projects.add_prompts(world.db, world.project, [f"{PROMPT} {number}" for number in range(3)])
        book = Book(world.db, world.project)
        projects.tag_prompts(world.db, world.project, [row["id"] for row in book.queries], ["precio"], [])
        today = datetime.now(UTC).date()
        for back in range(4):
            for number, text in enumerate(ANSWERS):
                task = book.store(number, today - timedelta(days=back), text, model=TAKEN, citations=SOURCES)
                book.judge(task)
            book.figures(today - timedelta(days=back))
        yield world


@pytest.mark.short(every=9)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_texts_of_others_stay_text(hostile: World, page: Page) -> None:
    """Nothing runs, loads, links to a script or turns the direction of the page, which stays short of a megabyte."""
    row = hostile.db.one(
        "SELECT min(id) AS answer, min(query_id) AS prompt FROM llm_monitoring_results WHERE project_id = %(p)s",
        {"p": hostile.project},
    )
    today = datetime.now(UTC).date()
    numbers = {"project": hostile.project, "first": today - timedelta(days=1), "last": today, **(row or {})}
    found = hostile.open(page.address(**numbers), sign_in(hostile, hostile.ana))
    assert found.status_code in (200, 404), found.text
    parser = Dangers()
    parser.feed(found.text)
    assert [] == parser.found
    assert [] == [each for each in DIRECTIONS if each in found.text]
    assert "49 <img" not in found.text
    assert len(found.content) < 1_000_000
