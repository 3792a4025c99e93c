"""The drill-down law: each figure of each page, in both languages, links to exactly the answers that it counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from llm_monitoring import projects
from tests.conftest import Databases
from tests.integration.stored import Book
from tests.integration.web.figure_links import figures_in, listed
from tests.integration.web.page_table import PAGES, Page
from tests.integration.web.two_periods import COMPARED, two_periods
from tests.integration.web.world import World, sign_in

WITHOUT_FIGURES: Final = frozenset(
    {
        "new-project",
        "missing",
        "reanalysis",
        "reanalysis-preview",
        "answers",
        "answers-counted",
        "answer",
        "reports",
        "account",
        "account-settings",
        "sign-in",
        "settings",
        "settings-names",
        "names",
        "name-preview",
    }
)


@dataclass
class Measured:
    """Two measured periods of one project, and how many answers each address lists, which is read once."""

    world: World
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, href: str) -> int:
        if href not in self.counts:
            self.counts[href] = listed(self.call, href)
        return self.counts[href]

    def call(self, path: str, query: dict[str, Any]) -> Any:
        answer = self.world.call("GET", path, params=query)
        assert 200 == answer.status_code, (path, query, answer.text)
        return answer.json()


@pytest.fixture(scope="module")
def measured(databases: Databases) -> Iterator[Measured]:
    """The database is only read: the tests of this module share it."""
    with two_periods(databases) as world:
        book = Book(world.db, world.project)
        projects.tag_prompts(world.db, world.project, [row["id"] for row in book.queries[:7]], ["precio"], [])
        yield Measured(world)


def numbers_of(world: World) -> dict[str, Any]:
    row = world.db.one(
        "SELECT max(id) AS answer, max(query_id) AS prompt FROM llm_monitoring_results WHERE project_id = %(p)s",
        {"p": world.project},
    )
    return {"project": world.project, "first": COMPARED["from"], "last": COMPARED["to"], **(row or {})}


@pytest.mark.short(every=5)
@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_figure_links_to_the_answers_that_it_counts(measured: Measured, page: Page, language: str) -> None:
    """As many answers as the figure says, whatever page, language and filters."""
    world = measured.world
    address = page.address(**numbers_of(world))
    found = world.open(address, sign_in(world, world.ana), headers={"Accept-Language": language})
    figures = set(figures_in(found.text))
    assert bool(figures) != (page.name in WITHOUT_FIGURES)
    assert [] == [(href, n, measured.count(href)) for href, n in sorted(figures) if n != measured.count(href)]


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("page", "wanted"),
    [("rivals", "top=3"), ("rivals", "top=5"), ("rivals", "top=10"), ("sources", "page=https")],
)
def test_places_and_cited_pages_are_links(measured: Measured, page: str, wanted: str) -> None:
    """Each row of the table of places and of the pages cited most leads to the answers that it counts."""
    world = measured.world
    found = world.open(f"/projects/{world.project}/{page}", sign_in(world, world.ana))
    assert [n for href, n in figures_in(found.text) if wanted in href]
