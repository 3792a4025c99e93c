"""Tags over the API: stored with prompts, and a filter of everything that is computed of answers."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import pytest

from llm_monitoring import projects
from tests.integration.stored import Book
from tests.integration.web.test_drill_down import listed, shown_figures
from tests.integration.web.world import World

DAY: Final = date(2026, 11, 1)
PERIOD: Final = {"from": str(DAY), "to": str(DAY)}


@pytest.fixture
def tagged(world: World) -> World:
    """Two prompts that are answered, the second of which has the tag `pymes`."""
    book = Book(world.db, world.project)
    book.store(0, DAY, "1. Quipu\n2. Holded", citations=["https://a.example/x"])
    book.store(1, DAY, "Usa Holded.", citations=["https://b.example/y"])
    book.figures(DAY)
    projects.set_tags(world.db, world.project, book.queries[1]["id"], ["pymes"])
    return world


def get(world: World, part: str, **params: str) -> Any:
    answer = world.call("GET", f"/projects/{world.project}/{part}", params=params)
    assert 200 == answer.status_code, answer.text
    return answer.json()


def test_prompts_are_tagged_and_found_by_tag(world: World) -> None:
    """Given with a prompt or changed later, all at once; what was changed is recorded."""
    new = {"prompts": [{"query_text": "¿Cuál es barato?", "tags": ["Precio", "precio "]}]}
    world.call("POST", f"/projects/{world.project}/prompts", json=new)
    (found,) = get(world, "prompts", tag="PRECIO")["data"]
    assert "¿Cuál es barato?" == found["query_text"]
    assert ["precio"] == found["tags"]
    path = f"/projects/{world.project}/prompts/{found['id']}"
    assert ["caro", "pymes"] == world.call("PATCH", path, json={"tags": ["pymes", "Caro"]}).json()["tags"]
    assert [] == get(world, "prompts", tag="precio")["data"]
    entry = world.call("GET", "/audit").json()["data"][0]
    assert "prompt.change" == entry["action"]
    assert ["precio"] == entry["before"]["tags"]
    assert ["caro", "pymes"] == entry["after"]["tags"]
    assert [] == world.call("PATCH", path, json={"tags": []}).json()["tags"]


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    "tags", [[""], ["a,b"], ["x" * 51], [f"t{n}" for n in range(21)]], ids=["", ",", "long", "many"]
)
def test_a_tag_that_is_none_is_refused(world: World, tags: list[str]) -> None:
    """And nothing is stored, neither a new prompt nor a change."""
    (first, *_) = get(world, "prompts")["data"]
    body = {"prompts": [{"query_text": "¿Otra?", "tags": tags}]}
    assert 422 == world.call("POST", f"/projects/{world.project}/prompts", json=body).status_code
    path = f"/projects/{world.project}/prompts/{first['id']}"
    assert 422 == world.call("PATCH", path, json={"tags": tags}).status_code
    assert [[], []] == [row["tags"] for row in get(world, "prompts")["data"]]


def test_a_tag_narrows_everything_that_is_measured(tagged: World) -> None:
    """Figures and the answers behind each, citations, trends, rivals and gaps: as if there were no other prompts."""
    assert (50.0, 0.0) == tuple(
        get(tagged, "figures", **PERIOD, **more)["all"]["mention_rate"]["value"] for more in ({}, {"tag": "Pymes"})
    )
    for filters, figure in shown_figures(tagged, **PERIOD, tag="pymes"):
        assert figure["answers"] == len(listed(tagged, **filters)), filters
    assert ["b.example"] == [row["domain"] for row in get(tagged, "citations", **PERIOD, tag="pymes")["data"]]
    assert 1 == get(tagged, "sources", **PERIOD, tag="pymes")["answers"]
    assert {1} == {row["mention_rate"]["answers"] for row in get(tagged, "rivals", **PERIOD, tag="pymes")["data"]}
    (trend,) = get(tagged, "trends", **PERIOD, tag="pymes")["data"]
    assert 1 == trend["mention_rate"]["answers"]
    gaps = {row["provider"]: row["answers"] for row in get(tagged, "gaps", **PERIOD, tag="pymes")["data"]}
    assert 1 == gaps["openai"]


def test_a_filter_that_is_no_tag_is_refused(tagged: World) -> None:
    """One that no prompt has measures nothing, which is null and never 0."""
    answer = tagged.call("GET", f"/projects/{tagged.project}/figures", params={"tag": "a,b"})
    assert 422 == answer.status_code
    assert "query:tag" == answer.json()["errors"][0]["pointer"]
    assert (None, 0) == tuple(
        get(tagged, "figures", tag="ninguno")["all"]["mention_rate"][name] for name in ("value", "answers")
    )
