"""Competitors over the API: listed in pages, added, changed, removed, each change on record."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.web.world import World


def path(world: World, name: str = "") -> str:
    return f"/projects/{world.project}/competitors{name and '/'}{name}"


def names(world: World) -> list[str]:
    return [each["name"] for each in world.call("GET", path(world)).json()["data"]]


def last_entry(world: World) -> dict[str, Any]:
    entry: dict[str, Any] = world.call("GET", "/audit").json()["data"][0]
    return entry


def test_a_competitor_is_added_once(world: World) -> None:
    """With its spellings and sites; the name again, in any case of letters, is refused and changes nothing."""
    body = {"name": "Sage", "domains": ["sage.com"], "exclude": ["sage green"]}
    made = world.call("POST", path(world), json=body)
    assert 201 == made.status_code
    assert path(world, "Sage") == made.headers["location"].partition("monitoring")[2]
    assert {**body, "aliases": [], "case_sensitive": False} == made.json()
    assert "competitor.add" == last_entry(world)["action"]
    assert made.json() == last_entry(world)["after"]
    for name in ("SAGE", "quipu"):
        again = world.call("POST", path(world), json={"name": name})
        assert 409 == again.status_code
        assert "already_exists" == again.json()["code"]
    assert ["Holded", "Sage"] == names(world)


def test_competitors_come_in_pages(world: World) -> None:
    """Each once, in the order in which they were added."""
    for name in ("Sage", "Anfix"):
        world.call("POST", path(world), json={"name": name})
    first = world.call("GET", path(world), params={"limit": 2}).json()
    assert ["Holded", "Sage"] == [each["name"] for each in first["data"]]
    rest = world.call("GET", path(world), params={"cursor": first["next_cursor"]}).json()
    assert ["Anfix"] == [each["name"] for each in rest["data"]]
    assert rest["next_cursor"] is None


def test_a_change_keeps_what_it_does_not_name(world: World) -> None:
    """A new name keeps the former one as an alias, unless the aliases are given too; null takes the default."""
    world.call("PATCH", path(world, "holded"), json={"domains": ["holded.com"]})
    renamed = world.call("PATCH", path(world, "Holded"), json={"name": "Holded Pro"}).json()
    assert "Holded Pro" == renamed["name"]
    assert ["Holded"] == renamed["aliases"]
    assert ["holded.com"] == renamed["domains"]
    entry = last_entry(world)
    assert "competitor.change" == entry["action"]
    assert "Holded" == entry["before"]["name"]
    assert "Holded Pro" == entry["after"]["name"]
    bare = world.call("PATCH", path(world, "Holded Pro"), json={"name": "H", "case_sensitive": True, "aliases": None})
    assert "H" == bare.json()["name"]
    assert [] == bare.json()["aliases"]


@pytest.mark.short(every=2)
@pytest.mark.parametrize("patch", [{"name": None}, {"brand": True}, {"domains": ["no site"]}, {"name": "Quipu"}])
def test_a_change_that_is_not_accepted_changes_nothing(world: World, patch: dict[str, Any]) -> None:
    """No name, an unknown field, a site that is none, the brand's name."""
    answer = world.call("PATCH", path(world, "Holded"), json=patch)
    assert 422 == answer.status_code
    assert "invalid" == answer.json()["code"]
    assert ["Holded"] == names(world)


def test_a_competitor_is_removed(world: World) -> None:
    """On record with what it was; a second time it is missing, as any name is that the project does not have."""
    assert 204 == world.call("DELETE", path(world, "HOLDED")).status_code
    assert "competitor.remove" == last_entry(world)["action"]
    assert "Holded" == last_entry(world)["before"]["name"]
    gone = path(world, "Holded")
    for again in (world.call("DELETE", gone), world.call("PATCH", gone, json={})):
        assert 404 == again.status_code
        assert "not_found" == again.json()["code"]


def test_a_name_with_a_slash_has_an_address(world: World) -> None:
    """Names may hold what paths are made of."""
    made = world.call("POST", path(world), json={"name": "A/B? 50 %"})
    address = made.headers["location"].partition("monitoring")[2]
    assert 204 == world.call("DELETE", address).status_code
    assert ["Holded"] == names(world)


def test_the_list_is_replaced_by_those_who_saw_it(world: World) -> None:
    """Whole, with the ETag that every page of the list has; without one, or with a stale one, it stays as it is."""
    seen = world.call("GET", path(world), params={"limit": 1})
    body = {"competitors": [{"name": "Sage", "domains": ["sage.com"]}, {"name": "Anfix"}]}
    assert 428 == world.call("PUT", path(world), json=body).status_code
    changed = world.call("PUT", path(world), json=body, headers={"If-Match": seen.headers["etag"]})
    assert 200 == changed.status_code
    assert ["Sage", "Anfix"] == [each["name"] for each in changed.json()["data"]]
    assert changed.headers["etag"] == world.call("GET", path(world)).headers["etag"]
    assert ("competitors.replace", ["Holded"], ["Sage", "Anfix"]) == (
        last_entry(world)["action"],
        *([each["name"] for each in last_entry(world)[side]["competitors"]] for side in ("before", "after")),
    )
    assert 412 == world.call("PUT", path(world), json=body, headers={"If-Match": seen.headers["etag"]}).status_code
    twice = {"competitors": [{"name": "Sage"}, {"name": "SAGE"}]}
    assert 422 == world.call("PUT", path(world), json=twice, headers={"If-Match": "*"}).status_code
    assert ["Sage", "Anfix"] == names(world)


def test_a_list_that_the_caller_has_is_not_sent_again(world: World) -> None:
    """304 until the list changes."""
    tag = world.call("GET", path(world)).headers["etag"]
    assert 304 == world.call("GET", path(world), headers={"If-None-Match": tag}).status_code
    world.call("POST", path(world), json={"name": "Sage"})
    assert 200 == world.call("GET", path(world), headers={"If-None-Match": tag}).status_code
