"""The inbox of names: what is offered, what tracking a name would change, accepting and dismissing it."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any, Final

import pytest

from llm_monitoring import projects
from llm_monitoring.access import roles
from llm_monitoring.analysis import Entity
from llm_monitoring.domain import ProviderName
from tests.integration.stored import Book, done, refused
from tests.integration.web.test_page_access import share
from tests.integration.web.world import World, sign_in

DAY: Final = date(2026, 11, 1)
LISTS: Final = (
    "1. **Quipu**\n2. **Anfix**\n3. **Holded**",
    "1. **Holded**\n2. **ANFIX**\n3. **Average**",
    "| Programa | Precio |\n|---|---|\n| Holded | 9 € |\n| Odoo | 0 € |",
)


@pytest.fixture
def book(world: World) -> Book:
    """Six answers: Anfix stands in four of them, Odoo in two, and a common word in two."""
    new = projects.NewProject(world.ana, "P", Entity("Quipu"), "x", (Entity("Holded"),))
    world.project = projects.add(world.db, new)
    projects.add_prompts(world.db, world.project, [f"¿Qué conviene en el caso {n}?" for n in range(3)])
    made = Book(world.db, world.project)
    providers: tuple[ProviderName, ...] = ("openai", "google")
    for number, text in enumerate(LISTS):
        for shift, provider in enumerate(providers):
            made.store(number, DAY + timedelta(shift), text, provider=provider)
    return made


def names(world: World, **params: str) -> Any:
    answer = world.call("GET", f"/projects/{world.project}/names", params=params)
    assert 200 == answer.status_code, answer.text
    return answer.json()


def test_names_are_offered_with_their_evidence(world: World, book: Book) -> None:
    """Most listed first, spellings together; a word that few answers list is none."""
    found = names(world)
    assert [("Anfix", ["ANFIX"], 4, 2), ("Odoo", [], 2, 1)] == [
        (row["name"], row["spellings"], row["answers"], row["prompts"]) for row in found["data"]
    ]
    assert {"openai", "google"} == set(found["data"][0]["providers"])
    assert {"openai", "google"} == {each["provider"] for each in found["data"][0]["examples"]}
    assert 6 == found["answers"]
    assert [] == found["dismissed"]
    assert [] == names(world, to="2026-10-31")["data"]


def test_a_dismissed_name_is_offered_no_more(world: World, book: Book) -> None:
    """In any spelling, until it is restored; both are recorded once."""
    path = f"/projects/{world.project}/names/dismissed"
    assert [201, 201] == [world.call("POST", path, json={"name": text}).status_code for text in ("anfix", "Anfix")]
    assert ["Odoo"] == [row["name"] for row in names(world)["data"]]
    assert ["anfix"] == [row["name"] for row in names(world)["dismissed"]]
    assert 204 == world.call("DELETE", f"{path}/ANFIX").status_code
    assert 404 == world.call("DELETE", f"{path}/ANFIX").status_code
    assert 2 == len(names(world)["data"])
    actions = [row["action"] for row in world.call("GET", "/audit").json()["data"]]
    assert ["name.restore", "name.dismiss"] == actions[:2]


def test_a_tracked_name_is_offered_no_more(world: World, book: Book) -> None:
    """Neither as a name nor as an alias nor as an excluded phrase."""
    projects.add_competitor(world.db, world.project, Entity("Odoo"))
    projects.edit_competitor(world.db, world.project, "Holded", {"exclude": ["Anfix"]})
    assert [] == names(world)["data"]


def test_the_preview_is_what_tracking_it_gives(world: World, book: Book) -> None:
    """The figures that the project has once the name is a competitor; the preview writes nothing."""
    before = [tuple(row.items()) for row in book.rows("id, rules_fingerprint, competitors_mentioned::text")]
    preview = world.call(
        "GET", f"/projects/{world.project}/names/preview", params={"name": "Anfix", "alias": "ANFIX"}
    ).json()
    assert before == [tuple(row.items()) for row in book.rows("id, rules_fingerprint, competitors_mentioned::text")]
    projects.add_competitor(world.db, world.project, Entity("Anfix", ("ANFIX",)))
    days = {"from": preview["from"], "to": preview["to"]}
    figures = world.call("GET", f"/projects/{world.project}/figures", params=days).json()
    after = {each["name"]: each for each in figures["competitors"]}
    then = {each["then"]["name"]: each["then"] for each in preview["others"]}
    for found in (preview["added"], then["Holded"]):
        figure = after[found["name"]]
        assert figure["mention_rate"]["value"] == found["mention_rate"]
        assert figure["share_of_voice"]["value"] == found["share_of_voice"]
    brand = next(each for each in preview["others"] if each["then"]["name"] == "Quipu")
    assert figures["all"]["share_of_voice"]["value"] == brand["then"]["share_of_voice"] < brand["now"]["share_of_voice"]
    again = world.call("GET", f"/projects/{world.project}/names/preview", params={"name": "anfix"})
    assert 409 == again.status_code
    assert "already_exists" == again.json()["code"]


def test_names_are_decided_on_the_page(world: World, book: Book) -> None:
    """Dismissed, restored and accepted with the spellings that the preview shows."""
    cookies, path = sign_in(world, world.ana), f"/projects/{world.project}/names"
    page = world.open(path, cookies).text
    assert "Anfix" in page
    assert "preview?name=Anfix&amp;alias=ANFIX" in page
    assert 303 == world.open(f"{path}/dismiss", cookies, "POST", data={"name": "Odoo"}).status_code
    assert ["Odoo"] == [row["name"] for row in names(world)["dismissed"]]
    assert 303 == world.open(f"{path}/restore", cookies, "POST", data={"name": "Odoo"}).status_code
    assert 200 == world.open(f"{path}/preview?name=Anfix&alias=ANFIX", cookies).status_code
    sent = {"name": "Anfix", "alias": ["ANFIX"]}
    assert 303 == world.open(f"{path}/accept", cookies, "POST", data=sent).status_code
    assert "Anfix" == book.project.competitors[-1].name
    assert ("ANFIX",) == book.project.competitors[-1].aliases
    assert 409 == world.open(f"{path}/accept", cookies, "POST", data=sent).status_code
    entry = world.call("GET", "/audit").json()["data"][0]
    assert "person" == entry["actor_kind"]
    assert "competitor.add" == entry["action"]
    assert "Anfix" == entry["object_id"]


def test_only_the_owner_decides(world: World, book: Book) -> None:
    """A viewer reads the names, and has neither a preview nor a button."""
    roles.add_viewer(world.db, world.project, world.bea)
    cookies, path = sign_in(world, world.bea), f"/projects/{world.project}/names"
    page = world.open(path, cookies)
    assert 200 == page.status_code
    assert "Odoo" in page.text
    assert "/names/dismiss" not in page.text
    sent = {"name": "Odoo"}
    tried = [world.open(f"{path}/{verb}", cookies, "POST", data=sent).status_code for verb in ("accept", "dismiss")]
    assert [404, 404, 404] == [*tried, world.open(f"{path}/preview?name=Odoo", cookies).status_code]


@pytest.mark.ci
def test_a_share_link_does_not_show_them(world: World, book: Book) -> None:
    """Neither the page nor a link to it; the pages of prompts and answers open."""
    cookies, path = share(world, world.project, world.ana), f"/projects/{world.project}"
    assert 404 == world.open(f"{path}/names", cookies).status_code
    pages = [world.open(f"{path}/{noun}", cookies) for noun in ("prompts", "answers", "answers/1", "rivals")]
    assert [(200, False)] * 4 == [(page.status_code, "/names" in page.text) for page in pages]
    assert "USD" not in pages[2].text


@pytest.mark.short(every=3)
@pytest.mark.parametrize("name", ["   ", "x" * 256, "a\x00b"], ids=["blank", "long", "control"])
def test_a_name_that_is_none_is_refused(world: World, book: Book, name: str) -> None:
    """By the preview, the page and the API, and nothing is stored; so is a preview of many days."""
    cookies, path = sign_in(world, world.ana), f"/projects/{world.project}/names"
    api = world.call("GET", f"{path}/preview", params={"name": name})
    tried = [world.open(f"{path}/{verb}", cookies, "POST", data={"name": name}) for verb in ("accept", "dismiss")]
    dismissed = world.call("POST", f"{path}/dismissed", json={"name": name})
    page = world.open(f"{path}/preview", cookies, params={"name": name})
    assert [422] * 5 == [each.status_code for each in (api, *tried, dismissed, page)]
    assert ["Holded"] == [each.name for each in book.project.competitors]
    assert [] == names(world)["dismissed"]
    long = {"name": "Odoo", "from": "2020-01-01", "to": "2026-01-01"}
    assert 422 == world.call("GET", f"{path}/preview", params=long).status_code


def test_a_hostile_name_stays_text(world: World, book: Book) -> None:
    """On the page and in the address of its preview."""
    hostile = "Ab<script>alert(1)</script>"
    for number in range(2):
        book.store(number, DAY, f'1. `{hostile}`\n2. Holded\n3. `A"&b=c`', sample=2)
    cookies, path = sign_in(world, world.ana), f"/projects/{world.project}/names"
    shown = [world.open(path, cookies), world.open(f"{path}/preview", cookies, params={"name": hostile})]
    assert [(200, False)] * 2 == [(page.status_code, "<script>alert" in page.text) for page in shown]


@pytest.mark.ci
def test_the_command_lists_dismisses_and_restores(
    world: World, book: Book, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same names as the API."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    number = str(world.project)
    rows = json.loads(done("competitors", "candidates", number, "--json"))["data"]
    assert [row["name"] for row in names(world)["data"]] == [row["name"] for row in rows]
    done("competitors", "dismiss", number, "Odoo")
    assert "Odoo" not in done("competitors", "candidates", number)
    done("competitors", "restore", number, "odoo")
    assert "Odoo" in done("competitors", "candidates", number)
    assert "no name" in refused("competitors", "restore", number, "Odoo")
