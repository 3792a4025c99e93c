"""Pausing, resuming, archiving and restoring a project, on its page and over the API; and a new one."""

from __future__ import annotations

from typing import Any

import pytest

from llm_monitoring import projects
from llm_monitoring.access import roles
from llm_monitoring.domain import PACES
from llm_monitoring.web.pages.words import PAGE_LANGUAGES, page_words
from tests.integration.web.world import World, sign_in

NEW: dict[str, Any] = {
    "brand": "Zeta",
    "aliases": "Zeta Flux\nZetaflux",
    "domains": "zeta.com",
    "industry": "software",
    "competitors": "Holded\nSage",
    "language": "es",
    "country": "es",
    "providers": ["openai", "google"],
    "samples_per_query": "2",
    "pace": "prompt",
}


def post(world: World, path: str, user: int | None = None, **fields: Any) -> Any:
    cookies = {**sign_in(world, user or world.ana), "lang": "en"}
    return world.open(path, cookies, "POST", data=fields)


def state(world: World) -> tuple[bool, bool]:
    """Whether the project is active and whether it is archived."""
    return projects.find(world.db, world.project).is_active, bool(roles.is_archived(world.db, world.project))


def actions(world: World) -> list[str]:
    return [
        row["action"]
        for row in world.db.all("SELECT action FROM llm_audit_log ORDER BY id")
        if "project" in row["action"]
    ]


def test_a_project_is_paused_archived_and_restored(world: World) -> None:
    """Each by a form, with its record; a restored one is paused."""
    found = []
    for act in ("pause", "resume", "archive", "restore"):
        answer = post(world, f"/projects/{world.project}/settings/state", act=act, sure="on")
        assert 303 == answer.status_code
        found.append(state(world))
    assert [(False, False), (True, False), (False, True), (False, False)] == found
    assert ["project.change", "project.change", "project.archive", "project.restore"] == actions(world)


def test_what_changes_nothing_leaves_no_record(world: World) -> None:
    """A project is archived once and restored once, however often that is asked."""
    path = f"/projects/{world.project}"
    for method, address in (("DELETE", path), ("POST", f"{path}/restore")):
        assert {200, 204} >= {world.call(method, address).status_code for _ in range(2)}
    assert ["project.archive", "project.restore"] == actions(world)


@pytest.mark.short(every=3)
@pytest.mark.parametrize("fields", [{"act": "archive"}, {"act": "remove", "sure": "on"}, {}])
def test_nothing_is_archived_by_mistake(world: World, fields: dict[str, Any]) -> None:
    """Without the box, or with another act, nothing is changed."""
    assert 400 == post(world, f"/projects/{world.project}/settings/state", **fields).status_code
    assert (True, False) == state(world)
    assert [] == actions(world)


def test_an_archived_project_is_found_by_its_owner(world: World) -> None:
    """From the portfolio, which does not list it, to the page that restores it."""
    post(world, f"/projects/{world.project}/settings/state", act="archive", sure="on")
    cookies = {**sign_in(world, world.ana), "lang": "en"}
    portfolio = world.open("/", cookies).text
    address = f"/projects/{world.project}/settings#state"
    assert "1 archived project" in portfolio
    assert address in portfolio
    assert "Restore the project" in world.open(address, cookies).text


@pytest.mark.short(every=2)
@pytest.mark.parametrize("language", PAGE_LANGUAGES)
def test_every_pace_is_offered(world: World, language: str) -> None:
    """Those of the domain, with a text in both languages."""
    page = world.open(f"/projects/{world.project}/settings", {**sign_in(world, world.ana), "lang": language}).text
    assert all(f'<option value="{pace}"' in page for pace in PACES)
    assert all(f"settings.pace_{pace}" in page_words(language).text for pace in PACES)


def test_the_pace_is_changed(world: World) -> None:
    """And a form without it leaves it as it is."""
    form: dict[str, Any] = {
        "name": "Quipu",
        "industry": "x",
        "language": "es",
        "samples_per_query": "1",
        "providers": "google",
    }
    post(world, f"/projects/{world.project}/settings/project", **form, pace="prompt")
    post(world, f"/projects/{world.project}/settings/project", **{**form, "industry": "y"})
    found = projects.find(world.db, world.project)
    assert "prompt" == found.pace
    assert "y" == found.industry


def test_the_api_pauses_and_resumes(world: World) -> None:
    """And restores an archived project by resuming it; a viewer's token does not reach it."""
    path = f"/projects/{world.project}"
    paused = world.call("POST", f"{path}/pause").json()
    world.call("DELETE", path)
    resumed = world.call("POST", f"{path}/resume").json()
    assert [(False, False), (True, False)] == [(each["is_active"], each["is_archived"]) for each in (paused, resumed)]
    roles.add_viewer(world.db, world.project, world.bea)
    assert 404 == world.call("POST", f"{path}/pause", world.texts["bea"]).status_code


def test_a_new_project_begins_with_a_look_at_its_names(world: World) -> None:
    """The check names what may mislead and stores nothing; then it is created as it was typed."""
    count = len(projects.overview(world.db))
    checked = post(world, "/new-project", **{**NEW, "brand": "Go"}, act="check")
    assert 200 == checked.status_code
    assert "may be counted wrongly" in checked.text
    assert count == len(projects.overview(world.db))
    made = post(world, "/new-project", **NEW, act="create")
    assert 303 == made.status_code
    project = projects.find(world.db, int(made.headers["location"].split("/")[2]))
    assert world.ana == project.user_id
    assert "Zeta" == project.name
    assert "prompt" == project.pace
    assert ("openai", "google") == project.providers
    assert 2 == project.samples_per_query
    assert "ES" == project.country
    assert [("Zeta Flux", "Zetaflux"), ["Holded", "Sage"]] == [
        project.brand.aliases,
        [each.name for each in project.competitors],
    ]
    assert ["project.create"] == actions(world)
    assert "Add its prompts" in world.open(made.headers["location"], {**sign_in(world, world.ana), "lang": "en"}).text


def test_a_new_project_that_cannot_be_says_why(world: World) -> None:
    """Above the form and next to each field, with what was typed; nothing is stored."""
    count = len(projects.overview(world.db))
    refused = post(world, "/new-project", **{**NEW, "language": "Klingon?", "domains": "zeta.com/shop"}, act="create")
    assert 422 == refused.status_code
    assert "Klingon?" in refused.text
    assert 'href="#field-' in refused.text
    assert count == len(projects.overview(world.db))


def test_who_only_looks_makes_no_project(world: World) -> None:
    """A viewer who owns none: neither the page nor a link to it."""
    world.db.execute("DELETE FROM llm_monitoring_projects WHERE id = %(id)s", {"id": world.foreign})
    roles.add_viewer(world.db, world.project, world.bea)
    cookies = sign_in(world, world.bea)
    assert "/new-project" not in world.open("/", cookies).text
    assert 404 == world.open("/new-project", cookies).status_code
    assert 404 == post(world, "/new-project", world.bea, **NEW).status_code


def test_a_person_without_a_project_is_led_to_the_first(world: World) -> None:
    """By links, and no command."""
    user = projects.add_user(world.db, "new@example.com")
    page = world.open("/", sign_in(world, user)).text
    assert 'href="/new-project"' in page
    assert "llm-monitoring" not in page


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "text",
    ["a" * 255, "\u202egnp.exe", "<script>alert(1)</script>", "{{7*7}}", "=cmd()", "مرحبا", "a\r\nX: y", "a\0b", " "],
)
def test_a_hostile_name_is_text_or_refused(world: World, text: str) -> None:
    """On every page of the project that it makes; never an error of ours."""
    form = {**NEW, "brand": text, "industry": "software", "aliases": "", "domains": text, "competitors": f"{text}x"}
    assert post(world, "/new-project", **form, act="check").status_code in (200, 400, 422)
    made = post(world, "/new-project", **{**form, "domains": ""}, act="create")
    assert made.status_code in (303, 400, 422)
    if made.status_code == 303:
        root, cookies = made.headers["location"].partition("/settings")[0], sign_in(world, world.ana)
        pages = [
            world.open(path, cookies) for path in ("/", root, f"{root}/settings", f"{root}/rivals", f"{root}/changes")
        ]
        assert [200] * 5 == [page.status_code for page in pages]
        assert [] == [page for page in pages if "<script>alert" in page.text]


@pytest.mark.parametrize(
    ("act", "said", "place"),
    [
        (None, "The next daily run asks every active prompt", None),
        ("prompts", "The project has no active prompt, so nothing is asked.", "#add"),
        ("pause", "The project is paused: it is not asked.", "#state"),
        ("archive", "The project is archived: it is not asked.", None),
    ],
)
def test_a_project_without_answers_says_what_happens_next(
    world: World, act: str | None, said: str, place: str | None
) -> None:
    """A project that is not asked never promises figures; its owner is led to where that can be changed."""
    world.db.execute("DELETE FROM llm_monitoring_results")
    if act == "prompts":
        world.db.execute("UPDATE llm_monitoring_queries SET is_active = FALSE")
    elif act:
        post(world, f"/projects/{world.project}/settings/state", act=act, sure="on")
    cookies = {**sign_in(world, world.ana), "lang": "en"}
    page = world.open(f"/projects/{world.project}", cookies).text
    assert said in page
    assert (said != "The next daily run asks every active prompt") == ("The next daily run" not in page)
    assert bool(place) == (f'/projects/{world.project}/settings{place}"' in page)
    answers = world.open(f"/projects/{world.project}/answers", cookies).text
    assert "No answer was obtained in this period." in answers
