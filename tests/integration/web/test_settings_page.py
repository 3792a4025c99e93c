"""The settings of a project: names with a preview, what is asked, prompts a line each, and what was changed."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import pytest

from llm_monitoring import projects
from llm_monitoring.access import roles
from llm_monitoring.web.pages import settings
from tests.conftest import Databases
from tests.integration.web.two_periods import two_periods
from tests.integration.web.world import World, sign_in

BRAND = {"edit": "brand", "name": "Quipu", "domains": "getquipu.com"}
PROJECT = {
    "name": "P",
    "industry": "x",
    "language": "es",
    "country": "ES",
    "samples_per_query": "2",
    "providers": "google",
}


@pytest.fixture
def measured(databases: Databases) -> Iterator[World]:
    """Two measured periods of one project of Ana, which Bea may view."""
    with two_periods(databases) as world:
        roles.add_viewer(world.db, world.project, world.bea)
        yield world


def address(world: World, path: str = "") -> str:
    return f"/projects/{world.project}/settings{path}"


def post(world: World, path: str, **fields: Any) -> Any:
    cookies = sign_in(world, world.ana)
    return world.open(address(world, path), cookies, "POST", data=fields, headers={"Accept-Language": "en"})


def show(world: World, path: str = "", user: int | None = None) -> Any:
    return world.open(address(world, path), sign_in(world, user or world.ana), headers={"Accept-Language": "en"})


def actions(world: World) -> list[tuple[str, str]]:
    rows = world.call("GET", "/audit").json()["data"]
    return [(row["actor_kind"], row["action"]) for row in rows if row["project_id"] == world.project]


def test_a_preview_says_what_would_change_and_changes_nothing(measured: World) -> None:
    """How many answers would name the brand, and by which spelling."""
    shown = post(measured, "/names", **BRAND, aliases="Holded", act="preview")
    assert 200 == shown.status_code
    assert "mentions instead of" in shown.text
    assert 'href="/projects/3/answers/' in shown.text
    assert () == projects.find(measured.db, measured.project).brand.aliases
    assert [] == actions(measured)


def test_a_preview_without_a_difference_says_so(measured: World) -> None:
    """The same names read the same."""
    assert "No stored answer would be read otherwise" in post(measured, "/names", **BRAND, act="preview").text


def test_names_are_stored_with_the_former_one(measured: World) -> None:
    """An owner renames brand and competitor, adds one and removes one; each is recorded."""
    fields = {**BRAND, "name": "Quipu Pro", "aliases": "Kipu\n\n  Kippu ", "act": "save"}
    saved = post(measured, "/names", **fields)
    assert 303 == saved.status_code
    assert address(measured, "?saved=names") == saved.headers["location"]
    assert 303 == post(measured, "/names", edit="=Holded", name="Holded SL", act="save").status_code
    assert 303 == post(measured, "/names", edit="new", name="Billin", domains="billin.net", act="save").status_code
    assert 303 == post(measured, "/names/remove", edit="=Sage").status_code
    project = projects.find(measured.db, measured.project)
    assert "Quipu Pro" == project.brand.name
    assert ("Kipu", "Kippu", "Quipu") == project.brand.aliases
    assert [("Holded SL", ("Holded",)), ("Billin", ())] == [(each.name, each.aliases) for each in project.competitors]
    assert ["competitor.remove", "competitor.add", "competitor.change", "project.change"] == [
        action for kind, action in actions(measured) if kind == "person"
    ]


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"edit": "brand", "name": ""}, "entity-name"),
        ({"edit": "brand", "name": "x" * 256}, "entity-name"),
        ({"edit": "brand", "name": "Holded"}, "competitors"),
        ({"edit": "new", "name": "Sage"}, "entity-name"),
        ({"edit": "new", "name": "Acme", "domains": "acme.com/page"}, "competitors"),
        ({"edit": "=Nobody", "name": "Acme"}, "entity-name"),
    ],
)
def test_names_that_cannot_be_are_said_next_to_the_field(measured: World, fields: dict[str, str], field: str) -> None:
    """What was typed stays, and nothing is stored."""
    refused = post(measured, "/names", **fields, aliases="Typed words", act="save")
    assert 422 == refused.status_code
    assert f'id="{field}-error"' in refused.text
    assert "Typed words" in refused.text
    assert [] == actions(measured)


def test_what_is_asked_is_changed(measured: World) -> None:
    """Names stay as they are; a value that cannot be is said next to its field."""
    assert 303 == post(measured, "/project", **PROJECT).status_code
    project = projects.find(measured.db, measured.project)
    assert "ES" == project.country
    assert ("google",) == project.providers
    assert 2 == project.samples_per_query
    assert project.web_search is False
    assert "Quipu" == project.brand.name
    assert 2 == len(project.competitors)
    for field, value in (("samples_per_query", "many"), ("language", "klingon"), ("country", "XX"), ("name", "")):
        refused = post(measured, "/project", **{**PROJECT, field: value, "industry": "typed words"})
        assert 422 == refused.status_code, field
        assert f'id="{field}-error"' in refused.text, field
        assert "typed words" in refused.text, field
    assert (
        422
        == post(
            measured, "/project", **{name: each for name, each in PROJECT.items() if name != "providers"}
        ).status_code
    )


def test_prompts_are_checked_line_by_line_and_added_all_or_none(measured: World) -> None:
    """A line that is known is left alone; one that cannot be added stops all."""
    before = len(projects.list_prompts(measured.db, measured.project))
    text = "¿Otra pregunta?\n\n¿Qué es Quipu?\n"
    shown = post(measured, "/prompts", prompts=text, act="preview")
    assert 200 == shown.status_code
    assert 1 == shown.text.count("Already there")
    assert 1 == shown.text.count(">New<")
    refused = post(measured, "/prompts", prompts=f"{text}{'x' * 4001}", act="add")
    assert 422 == refused.status_code
    assert "Cannot be added" in refused.text
    assert before == len(projects.list_prompts(measured.db, measured.project))
    assert 303 == post(measured, "/prompts", prompts=text, act="add").status_code
    assert before + 1 == len(projects.list_prompts(measured.db, measured.project))
    assert 422 == post(measured, "/prompts", prompts=" \n ", act="add").status_code


SHEET = 'query{0}language{0}tags\r\n\'=¿Cuál es mejor?{0}es{0}Precios|pymes\r\n"¿Y barato, o gratis?"{0}en{0}\r\n'


@pytest.mark.parametrize("mark", ["\t", ";", ","], ids=["cells", "semicolons", "commas"])
def test_a_sheet_of_prompts_is_pasted(measured: World, mark: str) -> None:
    """Its language and tags are of each prompt, the form's tags of all; an apostrophe of an export is none of it."""
    shown = post(measured, "/prompts", prompts=SHEET.format(mark), tags="Nuevas", act="preview")
    assert 200 == shown.status_code
    assert 2 == shown.text.count(">New</span>")
    assert 303 == post(measured, "/prompts", prompts=SHEET.format(mark), tags="Nuevas", act="add").status_code
    rows = projects.list_prompts(measured.db, measured.project)[-2:]
    assert [
        ("=¿Cuál es mejor?", "es", ["nuevas", "precios", "pymes"]),
        ("¿Y barato, o gratis?", "en", ["nuevas"]),
    ] == [(row["query_text"], row["language"], sorted(row["tags"])) for row in rows]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("best erp\t1000\ncheap erp\t200", "put the title query above that of the prompts"),
        ("query,query\nx,y", "The title “query” is there twice."),
        ("query,type\nx,a\n¿Cuál, dime?,a", "Line 3 has more fields than there are titles"),
        ('query,type\n"open,a', "Line 2 cannot be read as CSV"),
        ("query\tlanguage\n¿Cuál?\txx1", "This is no code of a language"),
        ("query\ttags\n¿Cuál?\t" + "t" * 51, "A tag has 1 to 50 characters"),
    ],
)
def test_a_sheet_that_cannot_be_read_is_said_and_adds_nothing(measured: World, text: str, said: str) -> None:
    """In the reader's language, and what was pasted stays in the field."""
    before = len(projects.list_prompts(measured.db, measured.project))
    refused = post(measured, "/prompts", prompts=text, act="add")
    assert 422 == refused.status_code
    assert said in refused.text
    assert escape(text.splitlines()[0]) in refused.text
    assert before == len(projects.list_prompts(measured.db, measured.project))


@pytest.mark.parametrize("text", ["¿Qué ERP, y por qué?\n¿Otro; o no?", '"Best" CRM?\nWhich; or not?'])
def test_lines_of_prose_are_prompts_as_they_are(measured: World, text: str) -> None:
    """Commas, semicolons and quotes of a prompt divide no columns."""
    assert 303 == post(measured, "/prompts", prompts=text, act="add").status_code
    rows = projects.list_prompts(measured.db, measured.project)[-2:]
    assert text.splitlines() == [row["query_text"] for row in rows]


def test_prompts_are_proposed_to_be_read_first(measured: World) -> None:
    """Proposals stand in the field; none is stored."""
    before = len(projects.list_prompts(measured.db, measured.project))
    field = show(measured, "?generate=5").text.partition('id="field-prompts"')[2].partition("</textarea>")[0]
    assert 5 <= len(field.splitlines())
    assert before == len(projects.list_prompts(measured.db, measured.project))


def test_a_prompt_is_paused_resumed_and_removed_if_it_was_never_asked(measured: World) -> None:
    """One that was asked stays."""
    asked = projects.list_prompts(measured.db, measured.project)[0]["id"]
    projects.add_prompts(measured.db, measured.project, ["¿Nueva?"])
    new = projects.list_prompts(measured.db, measured.project)[-1]["id"]
    for act, is_active in (("pause", False), ("resume", True)):
        assert 303 == post(measured, f"/prompts/{asked}", act=act).status_code
        assert is_active == projects.find_prompt(measured.db, measured.project, asked)["is_active"]
    assert 422 == post(measured, f"/prompts/{asked}", act="remove").status_code
    assert 303 == post(measured, f"/prompts/{new}", act="remove").status_code
    assert new not in {row["id"] for row in projects.list_prompts(measured.db, measured.project)}


def test_many_prompts_have_pages(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page has so many; who pauses one stays on its page, and a page that is not there is the last one."""
    monkeypatch.setattr(settings, "ROWS", 2)
    texts = [f"Which one, {number}?" for number in range(3)]
    post(measured, "/prompts", prompts="\n".join(texts), act="add")
    last = projects.list_prompts(measured.db, measured.project)[-1]
    shown = {number: show(measured, f"?page={number}").text for number in (1, 2, 9, "x")}
    assert [False, False] == [texts[2] in shown[number] for number in (1, "x")]
    paths = [row["id"] for row in projects.list_prompts(measured.db, measured.project)]
    assert f'settings?page={-(-len(paths) // 2)}#prompts" aria-current="page"' in shown[9]
    assert texts[2] in shown[9]
    paused = post(measured, f"/prompts/{last['id']}?page=2", act="pause")
    assert paused.headers["Location"].endswith("settings?saved=prompt&page=2")


def test_settings_are_the_owner_s_alone(measured: World) -> None:
    """A viewer has no such page."""
    assert 404 == show(measured, user=measured.bea).status_code
    assert 200 == show(measured).status_code


def test_hostile_names_stay_text(measured: World) -> None:
    """In lists, fields, previews and the record."""
    hostile = '"><script>alert(1)</script>'
    assert 303 == post(measured, "/names", edit="new", name=hostile, aliases=hostile, act="save").status_code
    for path in ("", "?edit=%3D%22%3E%3Cscript%3Ealert(1)%3C/script%3E"):
        shown = show(measured, path).text
        assert "<script>alert" not in shown
        assert escape(hostile)[:8] in shown or "&lt;script&gt;" in shown
