"""Errors about values on pages: in the visitor's language, next to the field; the API keeps its own."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from llm_monitoring.web.pages.words import page_words
from tests.integration.web.world import World, sign_in

NAMES = {"edit": "brand", "act": "save", "name": "Quipu"}
PROJECT = {
    "name": "Quipu",
    "industry": "software",
    "language": "es",
    "country": "ES",
    "providers": "openai",
    "samples_per_query": "1",
}


def errors(answer: Any) -> list[str]:
    found = re.findall(r'<span class="error"[^>]*>(.*?)</span>', answer.text, re.DOTALL)
    return [html.unescape(each) for each in found]


@pytest.mark.short(every=8)
@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize(
    ("place", "form", "code", "facts"),
    [
        ("names", {**NAMES, "domains": "acme.com/shop"}, "site_page", {"host": "acme.com"}),
        ("names", {**NAMES, "name": "Q"}, "one_letter", {"letter": "Q"}),
        ("names", {**NAMES, "edit": "new", "name": "holded"}, "competitor_exists", {}),
        ("names", {**NAMES, "name": "a" * 300}, "string_too_long", {"max_length": 255}),
        ("names", {**NAMES, "name": "\u200b"}, "invisible", {}),
        ("project", {**PROJECT, "language": "Spanish"}, "language_unknown", {}),
        ("project", {**PROJECT, "country": "UK"}, "country_meant", {"meant": "GB"}),
        ("project", {**PROJECT, "country": "XX"}, "country_unknown", {}),
        ("project", {**PROJECT, "samples_per_query": "99"}, "less_than_equal", {"le": 20}),
        ("project", {**PROJECT, "samples_per_query": "all"}, "int_parsing", {}),
        ("project", {**PROJECT, "providers": ""}, "literal_error", {}),
        ("project", {**PROJECT, "industry": " "}, "string_too_short", {}),
    ],
)
def test_a_form_says_what_is_wrong(
    world: World, language: str, place: str, form: dict[str, str], code: str, facts: dict[str, Any]
) -> None:
    """One error, in the language of the page, and what was typed stays."""
    path = f"/projects/{world.project}/settings/{place}"
    cookies = {**sign_in(world, world.ana), "lang": language}
    answer = world.open(path, cookies, "POST", data=form)
    assert 422 == answer.status_code
    assert [page_words(language).say(f"errors.of_{code}", **facts)] == errors(answer)


def test_a_project_of_the_same_name_is_named(world: World) -> None:
    """Next to the name, in Spanish."""
    world.call("POST", "/projects", json={"name": "Otro", "brand": {"name": "Otro"}, "industry": "software"})
    cookies = {**sign_in(world, world.ana), "lang": "es"}
    path = f"/projects/{world.project}/settings/project"
    answer = world.open(path, cookies, "POST", data={**PROJECT, "name": "Otro"})
    assert 422 == answer.status_code
    assert ["Ya tienes otro proyecto con este nombre."] == errors(answer)


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("query", "code", "label"),
    [
        ("from=x", "day_form", "Desde"),
        ("provider=bing", "provider_unknown", "Asistente"),
        ("from=2026-11-02&to=2026-11-01", "period_order", "Hasta"),
    ],
)
def test_the_page_of_a_bad_address_says_why(world: World, query: str, code: str, label: str) -> None:
    """With the filter as the page calls it, and a way back to the page without filters."""
    answer = world.open(f"/projects/{world.project}?{query}", {**sign_in(world, world.ana), "lang": "es"})
    assert 422 == answer.status_code
    assert f"<b>{label}</b>: {page_words('es').say(f'errors.of_{code}')}" in answer.text
    assert '<a href="?">Ver esta página sin filtros</a>' in answer.text


def test_the_api_answers_as_before(world: World) -> None:
    """A code of the problem, a pointer, and a sentence in English."""
    answer = world.call(
        "PATCH",
        f"/projects/{world.project}",
        json={"language": "Spanish"},
        headers={"Content-Type": "application/merge-patch+json", "Accept-Language": "es"},
    ).json()
    assert "invalid" == answer["code"]
    assert "/language" == answer["errors"][0]["pointer"]
    assert {"pointer", "detail"} == set(answer["errors"][0])
