"""The pages of prompts: each prompt by assistant, one prompt day by day, and its tags."""

from __future__ import annotations

from dataclasses import astuple
from datetime import date, timedelta
from typing import Any, Final

import pytest

from llm_monitoring import projects
from llm_monitoring.access import roles
from llm_monitoring.analysis import Entity
from llm_monitoring.figures.periods import Period, PeriodRequest
from llm_monitoring.figures.prompt_table import PromptRow, prompt_table
from llm_monitoring.web.pages import prompts
from tests.integration.stored import Book
from tests.integration.web.test_drill_down import listed
from tests.integration.web.world import World, sign_in

DAY: Final = date(2026, 11, 1)
WEEK: Final = Period(DAY, DAY + timedelta(6))


@pytest.fixture
def book(world: World) -> Book:
    """A week of three prompts at two assistants: one names the brand itself, one is behind a competitor."""
    rivals = (Entity("Holded"), Entity("Sage"))
    world.project = projects.add(world.db, projects.NewProject(world.ana, "P", Entity("Quipu"), "x", rivals))
    projects.add_prompts(world.db, world.project, ["¿Qué programa?", "¿Cuál es barato?", "¿Qué tal Quipu?"])
    made = Book(world.db, world.project)
    for number in range(7):
        day = DAY + timedelta(number)
        made.store(0, day, "1. **Holded**\n2. **Quipu**" if number < 2 else "Usa Holded.")
        made.store(0, day, "Usa Quipu o Sage.", provider="google")
        made.store(1, day, "Usa Quipu.")
        made.store(2, day, "Quipu va bien, mejor que Sage.")
    return made


def rows(world: World, **question: Any) -> list[PromptRow]:
    return list(prompt_table(world.db, PeriodRequest(world.project, WEEK, **question)).rows)


def shown(world: World, path: str) -> str:
    found = world.open(
        f"/projects/{world.project}/{path}", sign_in(world, world.ana), headers={"Accept-Language": "es"}
    )
    assert 200 == found.status_code, found.text
    text: str = found.text
    return text


def test_each_prompt_has_its_answers_by_assistant(world: World, book: Book) -> None:
    """Named of asked, in all and of each one; the competitor that is named most, and by how much it is ahead."""
    first, second, branded = rows(world)
    assert 9 == (first.total and first.total.named)
    assert 14 == (first.total and first.total.answers)
    assert {"google": (7, 7), "openai": (2, 7)} == {
        name: (each.named, each.answers) for name, each in first.by_provider.items()
    }
    assert first.total is not None
    assert ("64.29", "38.76", "83.66") == tuple(str(each) for each in astuple(first.total.rate))
    assert "Holded" == first.rival
    assert 7 == (first.rival_total and first.rival_total.named)
    assert "-14.29" == str(first.gap)
    assert second.rival is None
    assert second.gap is None
    assert second.branded is False
    assert branded.branded is True
    assert 7 == (branded.total and branded.total.named)


def test_a_provider_a_tag_and_a_change(world: World, book: Book) -> None:
    """The filters narrow the table; a change is that of the prompt's rate between the two periods."""
    projects.set_tags(world.db, world.project, book.queries[1]["id"], ["precio"])
    assert ["¿Cuál es barato?"] == [row.text for row in rows(world, tag="precio")]
    assert {"google"} == {name for row in rows(world, provider="google") for name in row.by_provider}
    for number in range(1, 8):
        book.store(1, DAY - timedelta(number), "Usa Sage.")
    changed = rows(world, compared=Period(DAY - timedelta(7), DAY - timedelta(1)))
    assert [None, "up", None] == [row.change and row.change.verdict for row in changed]


def test_a_paused_prompt_is_shown_while_it_has_answers(world: World, book: Book) -> None:
    """And one that was never asked, while it is active."""
    projects.set_prompts_active(world.db, world.project, [book.queries[0]["id"]], False)
    projects.add_prompts(world.db, world.project, ["¿Nueva?"])
    assert 4 == len(rows(world))
    later = PeriodRequest(world.project, Period(DAY + timedelta(30), DAY + timedelta(40)))
    assert ["¿Cuál es barato?", "¿Qué tal Quipu?", "¿Nueva?"] == [
        row.text for row in prompt_table(world.db, later).rows
    ]


@pytest.mark.ci
def test_the_table_is_sorted(world: World, book: Book) -> None:
    """By the lead of a competitor, then prompts without one; prompts that name the brand come last."""
    for sort, first in (("", "¿Qué programa?"), ("text", "¿Cuál es barato?"), ("rate", "¿Qué programa?")):
        page = shown(world, f"prompts?sort={sort}")
        places = [page.index(f">{row['query_text']}<") for row in book.queries]
        assert min(places) == page.index(f">{first}<")
        assert max(places) == places[2]


def test_a_long_list_of_prompts_has_pages(world: World, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each prompt is on one page, in the chosen order, and the head counts them all."""
    monkeypatch.setattr(prompts, "ROWS", 2)
    first, second = shown(world, "prompts?sort=text"), shown(world, "prompts?sort=text&page=2")
    on = [[row["query_text"] for row in book.queries if f">{row['query_text']}<" in page] for page in (first, second)]
    assert [["¿Qué programa?", "¿Cuál es barato?"], ["¿Qué tal Quipu?"]] == on
    assert "3 preguntas" in second
    assert f'<a href="/projects/{world.project}/prompts?sort=text&amp;page=2">2</a>' in first


def test_one_prompt_day_by_day(world: World, book: Book) -> None:
    """Each mark opens the answer of its day; a day without one has none."""
    page = shown(world, "prompts/" + str(book.queries[0]["id"]))
    assert 9 == page.count("●</a>") + page.count("● (2.º)</a>")
    assert 5 == page.count("○</a>")
    assert 14 == page.count('class="mark')
    missing = world.open(f"/projects/{world.project}/prompts/1", sign_in(world, world.ana))
    assert 404 == missing.status_code


def test_tags_are_changed_by_a_form(world: World, book: Book) -> None:
    """All of them at once, recorded with who did it; a tag that is none changes nothing."""
    path = f"/projects/{world.project}/prompts/{book.queries[0]['id']}"
    cookies = sign_in(world, world.ana)
    sent = world.open(f"{path}/tags", cookies, "POST", data={"tags": "Precio,  pymes , precio"})
    assert 303 == sent.status_code
    assert path == sent.headers["location"]
    assert ["precio", "pymes"] == book.queries[0]["tags"]
    entry = world.call("GET", "/audit").json()["data"][0]
    assert "person" == entry["actor_kind"]
    assert "prompt.change" == entry["action"]
    assert ["precio", "pymes"] == entry["after"]["tags"]
    assert 422 == world.open(f"{path}/tags", cookies, "POST", data={"tags": "x" * 51}).status_code
    assert ["precio", "pymes"] == book.queries[0]["tags"]
    assert 303 == world.open(f"{path}/tags", cookies, "POST", data={"tags": ""}).status_code
    assert [] == book.queries[0]["tags"]


def test_only_the_owner_changes_tags(world: World, book: Book) -> None:
    """Neither a viewer nor another site's form."""
    roles.add_viewer(world.db, world.project, world.bea)
    path = f"/projects/{world.project}/prompts/{book.queries[0]['id']}/tags"
    viewer = world.open(path, sign_in(world, world.bea), "POST", data={"tags": "x"})
    foreign = world.open(
        path, sign_in(world, world.ana), "POST", data={"tags": "x"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert 404 == viewer.status_code
    assert 403 == foreign.status_code
    assert [] == book.queries[0]["tags"]
    page = world.open(path.removesuffix("/tags"), sign_in(world, world.bea))
    assert 200 == page.status_code
    assert 'name="tags"' not in page.text


@pytest.mark.ci
def test_the_api_gives_the_same_table(world: World, book: Book) -> None:
    """Each prompt's figures, and its answers are as many as the list of them has, in all and by provider."""
    days = {"from": str(WEEK.first), "to": str(WEEK.last)}
    answer = world.call("GET", f"/projects/{world.project}/prompt-figures", params=days)
    assert 200 == answer.status_code, answer.text
    tag = {"If-None-Match": answer.headers["etag"]}
    assert 304 == world.call("GET", f"/projects/{world.project}/prompt-figures", params=days, headers=tag).status_code
    for row, found in zip(rows(world), answer.json()["data"], strict=True):
        assert row.id == found["id"]
        assert row.rival == found["competitor"]
        assert (row.gap and float(row.gap)) == found["gap"]
        cells = {None: found["all"], **found["by_provider"]}
        for provider, cell in cells.items():
            filters = {**days, "prompt": row.id, "counted_in": found["counted_in"]}
            own = listed(world, **filters, **({"provider": provider} if provider else {}))
            named = [each for each in own if each["brand_mentioned"]]
            assert cell["answers"] == len(own), (row.text, provider)
            assert cell["named"] == len(named), (row.text, provider)
