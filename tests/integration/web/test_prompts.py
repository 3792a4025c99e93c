"""Prompts over the API: one and a list with their ETags, and changes as merge patches."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest

from tests.integration.stored import Book
from tests.integration.web.test_results import DAYS
from tests.integration.web.world import World


def path(world: World, prompt: int | None = None) -> str:
    return f"/projects/{world.project}/prompts" + ("" if prompt is None else f"/{prompt}")


@pytest.mark.short(every=2)
@pytest.mark.parametrize("prompt", [None, 1])
def test_what_the_caller_has_is_not_sent_again(world: World, prompt: int | None) -> None:
    """304 with the same ETag, marked as weak by a proxy too, until it changes."""
    tag = world.call("GET", path(world, prompt)).headers["etag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = world.call("GET", path(world, prompt), headers={"If-None-Match": given})
        assert 304 == again.status_code, given
        assert tag == again.headers["etag"], given
        assert b"" == again.content, given
    world.call("PATCH", path(world, 1), json={"is_active": False})
    assert 200 == world.call("GET", path(world, prompt), headers={"If-None-Match": tag}).status_code


def test_a_prompt_is_changed_by_those_who_saw_it(world: World) -> None:
    """If-Match is honoured: a stale one and a weak one are refused."""
    tag = world.call("GET", path(world, 1)).headers["etag"]
    patch = {"language": "en"}
    assert 412 == world.call("PATCH", path(world, 1), json=patch, headers={"If-Match": f"W/{tag}"}).status_code
    changed = world.call("PATCH", path(world, 1), json=patch, headers={"If-Match": tag})
    assert 200 == changed.status_code
    assert "en" == changed.json()["language"]
    assert changed.headers["etag"] == world.call("GET", path(world, 1)).headers["etag"]
    assert 412 == world.call("PATCH", path(world, 1), json=patch, headers={"If-Match": tag}).status_code


def test_a_field_that_is_null_takes_its_default(world: World) -> None:
    """The project's language, the general type, active; what is left out stays."""
    given = {"language": "en", "query_type": "brand", "is_active": False}
    assert given.items() <= world.call("PATCH", path(world, 1), json=given).json().items()
    kept = world.call("PATCH", path(world, 1), json={}).json()
    assert given.items() <= kept.items()
    reset = world.call("PATCH", path(world, 1), json=dict.fromkeys(given)).json()
    assert {"language": "es", "query_type": "general", "is_active": True}.items() <= reset.items()


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("patch", "code", "pointer"),
    [
        ({"query_text": None}, 422, "/query_text"),
        ({"query_text": ""}, 422, "/query_text"),
        ({"language": "no language"}, 422, "/language"),
        ({"id": 7}, 422, "/id"),
        ({"query_text": "¿Y para autónomos?"}, 409, None),
    ],
)
def test_a_patch_that_is_not_accepted_changes_nothing(
    world: World, patch: dict[str, Any], code: int, pointer: str | None
) -> None:
    """The value is named; words of another prompt are a conflict."""
    before = world.call("GET", path(world)).json()
    refused = world.call("PATCH", path(world, 1), json={"is_active": False, **patch})
    assert code == refused.status_code
    assert pointer == refused.json().get("errors", [{}])[0].get("pointer")
    assert before == world.call("GET", path(world)).json()


def test_the_words_of_a_prompt_that_was_asked_stay(world: World) -> None:
    """Other words are refused, since its figures belong to it; the same words are no change."""
    Book(world.db, world.project).store(0, DAYS[0], "1. Quipu")
    refused = world.call("PATCH", path(world, 1), json={"query_text": "¿Otra?"})
    assert 409 == refused.status_code
    assert "not_ready" == refused.json()["code"]
    words = world.call("GET", path(world, 1)).json()["query_text"]
    same = world.call("PATCH", path(world, 1), json={"query_text": words, "is_active": False})
    assert 200 == same.status_code
    assert same.json()["is_active"] is False


def test_a_prompt_of_another_project_is_missing(world: World) -> None:
    """The same 404 as for one that does not exist."""
    foreign, missing = (world.call("GET", path(world, number)) for number in (3, 999))
    assert 404 == foreign.status_code
    assert foreign.json()["detail"].replace("3", "N") == missing.json()["detail"].replace("999", "N")


@pytest.mark.short(every=3)
@pytest.mark.parametrize("change", ["prompt", "project", "competitors"])
def test_of_two_changes_at_once_one_is_refused(world: World, change: str) -> None:
    """Both saw the same state: the second one has 412, whenever it comes."""
    changes: dict[str, tuple[str, str, list[Any]]] = {
        "prompt": (path(world, 1), "PATCH", [{"query_type": "a"}, {"query_type": "b"}]),
        "project": (f"/projects/{world.project}", "PATCH", [{"industry": "a"}, {"industry": "b"}]),
        "competitors": (
            f"/projects/{world.project}/competitors",
            "PUT",
            [{"competitors": [{"name": "Sage"}]}, {"competitors": [{"name": "Anfix"}]}],
        ),
    }
    address, method, bodies = changes[change]
    tag = world.call("GET", address).headers["etag"]
    codes: list[int] = []

    def send(body: Any) -> None:
        codes.append(world.call(method, address, json=body, headers={"If-Match": tag}).status_code)

    threads = [Thread(target=send, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [200, 412] == sorted(codes)
