"""Prompts with their tags: added on the page, and downloaded as a sheet there and over the API."""

from __future__ import annotations

from llm_monitoring import projects
from llm_monitoring.access import roles
from tests.integration.web.world import World, sign_in


def test_prompts_are_added_with_tags_on_the_page(world: World) -> None:
    """All of a form, and a tag that cannot be is refused next to its field."""
    path, cookies = f"/projects/{world.project}/settings/prompts", {**sign_in(world, world.ana), "lang": "en"}
    refused = world.open(path, cookies, "POST", data={"prompts": "Uno\nDos", "tags": "a" * 51, "act": "add"})
    assert 422 == refused.status_code
    assert "A tag has 1 to 50 characters" in refused.text
    world.open(path, cookies, "POST", data={"prompts": "Uno\nDos", "tags": "Precios, pymes,", "act": "add"})
    found = {row["query_text"]: row["tags"] for row in projects.list_prompts(world.db, world.project)}
    assert [["precios", "pymes"]] * 2 == [found["Uno"], found["Dos"]]


def test_the_sheet_is_downloaded(world: World) -> None:
    """Over the API and by the owner on the page; what a spreadsheet would run is harmless in it."""
    projects.add_prompts(world.db, world.project, ["=1+1"])
    roles.add_viewer(world.db, world.project, world.bea)
    path = f"/projects/{world.project}"
    called = world.call("GET", f"{path}/exports/prompts")
    shown = world.open(f"{path}/settings/prompts.csv", sign_in(world, world.ana))
    assert 200 == shown.status_code
    assert called.content == shown.content
    assert "'=1+1,es,general,,true" in called.text
    assert 404 == world.open(f"{path}/settings/prompts.csv", sign_in(world, world.bea)).status_code
