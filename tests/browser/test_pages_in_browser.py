"""Every page of the service on thirty simulated days, opened in headless Chromium in every way of looking."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlencode
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import pytest
from fastapi import Request

from llm_monitoring import projects
from llm_monitoring.access import tokens
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database
from llm_monitoring.web.pages import measuring
from llm_monitoring.web.service import PREFIX
from llm_monitoring.web.visitor import ProjectVisitor
from tests.browser.service import Served
from tests.integration.web.figure_links import figures_in, listed
from tests.integration.web.page_table import PAGES, Page

MOST_BYTES: Final = 150_000
WAYS: Final = [
    (width, scheme, language) for width in (1280, 390) for scheme in ("light", "dark") for language in ("es", "en")
]


@pytest.fixture(scope="module", params=PAGES, ids=lambda page: page.name)
def looks(served: Served, request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """A page in every way; the folder PICTURES gets a picture of each, for people to look at."""
    folder = os.environ.get("PICTURES")
    return served.visit([request.param], WAYS, Path(folder) if folder else None)


def test_pages_are_calm(looks: list[dict[str, Any]]) -> None:
    """No page fails, speaks in the console, loads anything from elsewhere, or has an inline script or style."""
    for seen in looks:
        status = 404 if seen["name"].startswith("missing") else 200
        messages = [each for each in seen["messages"] if status == 200 or "404" not in each]
        assert status == seen["status"], seen["name"]
        assert [] == messages, seen["name"]
        assert [] == seen["outside"], seen["name"]
        assert 0 == seen["styled"], seen["name"]


def test_pages_are_accessible(looks: list[dict[str, Any]]) -> None:
    """axe-core finds nothing of any impact, with everything opened."""
    assert {} == {seen["name"]: seen["violations"] for seen in looks if seen["violations"]}


def test_pages_fit(looks: list[dict[str, Any]]) -> None:
    """Nothing is wider than the window, opened or closed."""
    wide = {seen["name"] for seen in looks for width, window in (seen["closed"], seen["opened"]) if width > window}
    assert set() == wide


def test_no_table_has_to_be_swiped(looks: list[dict[str, Any]]) -> None:
    """On a phone every table is read downwards, with everything opened; on a desktop those in narrow charts too."""
    assert {} == {seen["name"]: seen["swiped"] for seen in looks if seen["swiped"]}


def test_no_table_has_to_be_swiped_on_a_tablet(looks: list[dict[str, Any]]) -> None:
    """At widths of 768 and 1024 nothing is wider than its place either."""
    assert {} == {seen["name"]: seen["tablet"] for seen in looks if seen["tablet"]}


def test_every_id_is_of_one_element(looks: list[dict[str, Any]]) -> None:
    """A label and a message lead to the field that they are written next to, on pages with several forms too."""
    assert {} == {seen["name"]: seen["ids"] for seen in looks if seen["ids"]}


def test_pages_are_light(looks: list[dict[str, Any]]) -> None:
    """A first visit takes less than 150 kB with all its files."""
    assert {} == {seen["name"]: seen["bytes"] for seen in looks if not 0 < seen["bytes"] < MOST_BYTES}


def test_pages_speak_the_language(looks: list[dict[str, Any]]) -> None:
    """The page is in the visitor's language, and the same in no other."""
    assert [] == [seen["name"] for seen in looks if seen["language"] != seen["name"].rpartition("-")[2]]
    texts = {seen["name"]: seen["text"] for seen in looks}
    assert [] == [
        name
        for name, text in texts.items()
        if text == texts.get(name.removesuffix("es") + "en") and name.endswith("es")
    ]


def test_pages_are_dark_at_night(looks: list[dict[str, Any]]) -> None:
    """The background follows the system, and paper is always white."""
    grounds = {("dark" in seen["name"], seen["background"]) for seen in looks}
    assert 2 == len(grounds)
    assert {"rgb(255, 255, 255)"} == {seen["printed"]["background"] for seen in looks}
    assert [] == [seen["name"] for seen in looks if seen["printed"]["controls"]]


def test_everything_is_reached_by_keyboard(looks: list[dict[str, Any]]) -> None:
    """Tab comes to every control, each shows that it has the focus, and the first one skips to the content."""
    for seen in looks:
        if seen["keyboard"]:
            assert {"first": "skip", "unmarked": [], "unreached": [], "skipped": "main"} == seen["keyboard"], seen[
                "name"
            ]


def test_pages_work_without_script(looks: list[dict[str, Any]]) -> None:
    """With script off a page says the same, and the console stays silent."""
    for seen in looks:
        if seen["plain"] and seen["status"] == 200:
            assert seen["text"].split() == seen["plain"]["text"].split(), seen["name"]


def test_the_page_that_waits_is_as_calm_as_the_others(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in place of figures that are being measured fits, gives axe nothing to find and says how long."""

    def busy(request: Request, here: ProjectVisitor, *measurement: object) -> NoReturn:
        raise measuring.PageInProgress(here, 2)

    monkeypatch.setattr(measuring, "measured_for", busy)
    ways = [(width, "dark", language) for width in (1280, 390) for language in ("es", "en")]
    for seen in served.visit([Page("measuring", "/projects/{project}")], ways):
        assert 202 == seen["status"]
        assert [] == seen["messages"], seen["name"]
        assert [] == seen["outside"], seen["name"]
        assert [] == seen["violations"], seen["name"]
        assert seen["opened"][0] <= seen["opened"][1], seen["name"]
        assert re.search("2 (tareas|other tasks)", seen["text"]), seen["text"]


def test_a_long_name_fits_a_phone(served: Served, thirty_days: str) -> None:
    """One word of fifty letters, as German has them, makes no page wider than the window."""
    word = "Donaudampfschifffahrtsgesellschaftskapitänsmützen"
    with Database(thirty_days) as db:
        project = projects.add(db, projects.NewProject(served.user, f"{word}fabrik München", Entity(word), "Mützen"))
        try:
            paths = ("/", "/settings", f"/projects/{project}", f"/projects/{project}/settings?edit=brand")
            seen = served.visit([Page(path, path) for path in paths], [(390, "dark", "es")])
        finally:
            projects.remove(db, project)
    assert {} == {each["name"]: each["opened"] for each in seen if each["opened"][0] > each["opened"][1]}


def test_charts_have_a_shared_cursor(served: Served) -> None:
    """A chart's days are read by pointer and by arrow keys, and every chart shows the same day."""
    overview = served.numbers["project"]
    last, before, first = served.go(
        {"goto": f"/projects/{overview}"},
        {"focus": ".chart"},
        {"read": ".reading"},
        {"press": "ArrowLeft"},
        {"read": ".reading"},
        {"press": "Home"},
        {"read": ".reading"},
    )
    days = [{text.partition(" · ")[0] for text in each["texts"]} for each in (last, before, first)]
    assert [1, 1, 1] == [len(each) for each in days]
    assert 3 == len(set.union(*days))
    assert 4 == len(first["texts"])


def test_back_shows_the_filters_of_the_page(served: Served) -> None:
    """After a choice and Back the lists say what the page shows, and can all be used."""
    path = f"/projects/{served.numbers['project']}"
    chosen, provider, disabled = served.go(
        {"goto": path},
        {"choose": "select[name=provider]", "with": "google"},
        {"read": "figure h3"},
        {"back": ""},
        {"read": ".filters select[name=provider] option:checked"},
        {"read": ".filters :disabled"},
    )
    assert f"{path}?provider=google" == chosen["path"]
    assert path == provider["path"]
    assert ["Todos los asistentes"] == provider["texts"]
    assert [] == disabled["texts"]


def test_a_double_click_sends_a_form_once(served: Served) -> None:
    """Who clicks twice on a slow connection sends one request."""
    (sent,) = served.go({"goto": "/settings"}, {"twice": "form[action^='/settings/pacing'] button"})
    assert ["1"] == sent["texts"]


def test_filters_are_applied_with_and_without_script(served: Served) -> None:
    """A choice in the list is applied at once; without script the button sends it. Empty fields change nothing."""
    path = f"/projects/{served.numbers['project']}"
    chosen = served.go({"goto": path}, {"choose": "select[name=provider]", "with": "google"}, {"read": "figure h3"})
    assert f"{path}?provider=google" == chosen[0]["path"]
    assert 1 == len(chosen[0]["texts"])
    sent = served.go({"goto": path}, {"follow": ".filters button"}, {"read": "figure h3"}, script=False)
    assert "provider=&" in sent[0]["path"]
    assert 4 == len(sent[0]["texts"])


def test_each_figure_of_the_demo_links_to_what_it_counts(served: Served) -> None:
    """The drill-down law over thirty days, in which rates are smoothed."""
    with Database(served.url) as db:
        token = tokens.create(db, served.user, "a test", tokens.SCOPES)[1].reveal()

    def read(path: str, headers: dict[str, str]) -> str:
        with urlopen(HttpRequest(served.base + path, headers=headers)) as answer:
            text: str = answer.read().decode()
        return text

    def call(path: str, query: dict[str, Any]) -> Any:
        return json.loads(read(f"{PREFIX}{path}?{urlencode(query)}", {"Authorization": f"Bearer {token}"}))

    sent = "; ".join(f"{name}={text}" for name, text in served.cookies.items())
    figures = set(figures_in(read(f"/projects/{served.numbers['project']}", {"Cookie": sent})))
    assert len(figures) > 100
    assert [] == [(href, n, count) for href, n in sorted(figures) if n != (count := listed(call, href))]


@pytest.mark.parametrize(("language", "width"), [("es", 1280), ("en", 390)])
def test_an_analyst_finds_the_answers_in_three_clicks(served: Served, language: str, width: int) -> None:
    """Did the client's visibility in Gemini change, why, and which answers say so: a project, a figure, an answer."""
    project = served.numbers["project"]
    verdict, why, figure, listed_answers, text = served.go(
        {"goto": "/"},
        {"follow": f'.portfolio a[href="/projects/{project}"]'},
        {"read": "figure.p-google figcaption"},
        {"read": ".changes li"},
        {"read": "figure.p-google h3 a"},
        {"follow": "figure.p-google h3 a"},
        {"read": ".title .fine"},
        {"follow": "tbody th a"},
        {"read": "main"},
        language=language,
        width=width,
    )
    assert re.search(r"\d+[.,]\d", verdict["texts"][0])
    assert len(why["texts"]) > 2
    assert "counted_in=mention_rate" in listed_answers["path"]
    counted = int(re.sub(r"\D", "", listed_answers["texts"][0]))
    assert re.search(r"\d+[.,]\d", figure["texts"][0])
    assert counted > 100
    assert "Gemini" in text["texts"][0]
    assert len(text["texts"][0]) > 300
