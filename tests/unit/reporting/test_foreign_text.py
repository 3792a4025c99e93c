"""Text that others wrote: in its own direction, without marks that deceive, and without credentials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llm_monitoring.analysis import Entity
from llm_monitoring.reporting.answers import source_view
from llm_monitoring.reporting.citations import CitationTally, safe_href
from llm_monitoring.reporting.page import render
from llm_monitoring.reporting.showing import UNSHOWABLE
from llm_monitoring.reporting.view import view
from tests.unit.reporting.scene import BRAND, RIVALS, material, project

OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


def page_of(**changes: Any) -> str:
    return render(view(material(prompts=6, days=4, **changes)))


def test_no_mark_turns_the_text_after_it() -> None:
    """Direction overrides of names, titles, models, prompts and answers are nowhere in the page."""
    evil = f"Acme {OVERRIDES}gpj.exe"
    own = replace(project(brand=Entity(f"Qui{OVERRIDES}pu"), rivals=(Entity(evil),)), name=evil)
    scene = material(
        prompts=6,
        days=4,
        of=own,
        text=lambda number: f"{evil} es Qui{OVERRIDES}pu",
        sources=[{"url": f"https://a.example/{OVERRIDES}", "domain": evil, "title": evil, "kind": "provider"}],
    )
    scene = replace(
        scene,
        observations=[replace(each, model_id=f"m{OVERRIDES}-{each.day}") for each in scene.observations],
        texts=[{**row, "model": evil} for row in scene.texts],
        prompts=[{**row, "query_text": evil} for row in scene.prompts],
    )
    assert UNSHOWABLE.search(render(view(scene)).replace("\n", "")) is None


def test_foreign_text_keeps_its_own_direction() -> None:
    """Names in sentences and tables are isolated, prompts and answers find their direction by themselves."""
    own = project("en", brand=Entity("\u05e7\u05d5\u05d5\u05d9\u05e4\u05d5"), rivals=(Entity("هولدد"),))
    page = page_of(of=own)
    assert '<p class="lead">\n<bdi>\u05e7\u05d5\u05d5\u05d9\u05e4\u05d5</bdi> is named in' in page
    assert '<th scope="row"><bdi>هولدد</bdi></th>' in page
    assert 6 == page.count('<summary><q dir="auto">')
    assert 24 == page.count('<div class="text" dir="auto">')
    assert "&lt;bdi" not in page


@pytest.mark.parametrize(
    "url", ["https://user:pw@host.example/", "https://user@host.example/x", "https://a.example/\u202egpj.exe"]
)
def test_links_that_deceive_are_none(url: str) -> None:
    """An address with credentials or a direction override is no link."""
    assert safe_href(url) is None


def test_credentials_are_not_shown() -> None:
    """Where an address has no title its credentials are left out of what is shown in its place."""
    shown = source_view({"url": "https://user:pw@host.example/a@b", "domain": "host.example", "title": None})
    assert "host.example/a@b" == shown.label
    assert shown.href is None


def test_searched_pages_are_told_from_cited_ones() -> None:
    """A page that an assistant lists and does not mark in its text is said to be only searched, and is counted so."""
    sources: list[dict[str, Any]] = [
        {"url": "https://a.example/", "domain": "a.example", "title": "A", "kind": "provider", "cited": False},
        {"url": "https://b.example/", "domain": "b.example", "title": "B", "kind": "provider", "cited": True},
        {"url": "https://c.example/", "domain": "c.example", "title": "C", "kind": "provider"},
    ]
    scene = material(prompts=6, days=4, sources=sources)
    found = view(scene)
    assert {"a.example": 24, "b.example": 0, "c.example": 0} == {
        page.domain: page.searched for page in found.citations.pages
    }
    assert [True, False, False] == [source.searched for source in found.prompts[0].answers[0].sources]
    assert "«Solo consultada» es una página" in render(found)
    assert "olo consultada" not in page_of()


def test_without_sites_nothing_is_said_of_citations() -> None:
    """A brand without a declared site has no citation rate, and pages of no known owner are not attributed."""
    own = project(brand=replace(BRAND, domains=()), rivals=tuple(replace(each, domains=()) for each in RIVALS))
    scene = material(prompts=6, days=4, of=own)
    scene = replace(scene, observations=[replace(each, brand_cited=None) for each in scene.observations], versus=None)
    found = view(scene)
    citation = next(each for each in found.overview.headlines if each.figure == "citation_rate")
    assert citation.value is None
    assert citation.low is None
    assert 0 == citation.answers
    page = render(found)
    assert "No se ha declarado ninguna web de <bdi>Quipu</bdi>, así que nada puede decirse" in page
    assert "No se ha declarado la web de ningún competidor" in page
    assert "Terceros</span>" not in page
    assert "Sin atribuir</span>" in page
    assert "enlazan una página de un competidor" not in page


def test_owners_are_known_with_all_sites() -> None:
    """With every site declared a page of no owner is a third party's."""
    assert CitationTally(BRAND, RIVALS).view().all_have_sites
    assert "Terceros</span>" in page_of()


def test_answers_of_an_earlier_day_carry_it() -> None:
    """The latest answer of each prompt is shown, and one that is not of the last day says its date."""
    scene = material(prompts=2, days=3)
    texts = [{**row, "analysis_date": scene.first} if row["query_id"] == 1 else row for row in scene.texts]
    page = render(view(replace(scene, texts=texts)))
    assert 4 == page.count('<p class="fine">21 nov 2026 · <bdi>gpt-6-2026</bdi>')
