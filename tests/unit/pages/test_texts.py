"""The texts of the pages: the same in both languages, and each of them used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from llm_monitoring.access.tokens import SCOPES
from llm_monitoring.keys import Reason
from llm_monitoring.web.pages.words import areas, page_words

PACKAGE = Path(__file__).resolve().parents[3] / "llm_monitoring"
PAGES = PACKAGE / "web" / "pages"
WRITERS = ("record", "record_in_project", "allow")  # of entries in the record of changes
AREAS = sorted({*areas("es"), *areas("en")})


def texts(area: str, language: str) -> dict[str, Any]:
    """Texts and counts of an area, each with its key."""
    found = areas(language).get(area, {})
    return {**found.get("text", {}), **found.get("counts", {})}


def named() -> Iterator[str]:
    """The texts that templates and modules name; one that ends in `_` is the beginning of several."""
    for path in [*PAGES.rglob("*.html"), *PAGES.rglob("*.py")]:
        yield from re.findall(r"""["']([a-z_]+\.[a-z0-9_]+)["']""", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("area", AREAS)
def test_both_languages_say_the_same(area: str) -> None:
    """Each text is there in both languages, with the same values in it."""
    spanish, english = texts(area, "es"), texts(area, "en")
    places = [
        {key: sorted(re.findall(r"{\w*}", str(text))) for key, text in each.items()} for each in (spanish, english)
    ]
    assert places[0] == places[1]


@pytest.mark.parametrize("area", AREAS)
def test_texts_are_translated(area: str) -> None:
    """No sentence of one language stands in the other."""
    spanish, english = texts(area, "es"), texts(area, "en")
    assert [] == [key for key, text in spanish.items() if text == english[key] and str(text).count(" ") > 2]


@pytest.mark.parametrize("area", AREAS)
def test_every_text_is_used(area: str) -> None:
    """A template or module names each text, or the beginning of its key."""
    used = set(named())
    beginnings = tuple(each for each in used if each.endswith("_"))
    keys = [f"{area}.{key}" for key in texts(area, "es")]
    assert [] == [key for key in keys if key not in used and not (beginnings and key.startswith(beginnings))]


@pytest.mark.parametrize("language", ["es", "en"])
def test_every_named_text_is_there(language: str) -> None:
    """Each text that a template names by its whole key exists."""
    words = page_words(language)
    known = {*words.text, *words.counts}
    wanted = {each for each in named() if each.partition(".")[0] in AREAS and not each.endswith(("_", ".html"))}
    assert set() == {each for each in wanted if each not in known}


@pytest.mark.parametrize("language", ["es", "en"])
def test_why_a_key_cannot_be_read_is_in_words(language: str) -> None:
    """A page shows no code of a stored key's problem."""
    known = page_words(language).text
    assert [] == [each for each in get_args(Reason) if f"account_settings.key_problem_{each}" not in known]


def recorded() -> Iterator[str]:
    """The actions that the package writes into the record of changes, such as `project.change`."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)] if "record" in text else []
        for call in calls:
            if getattr(call.func, "attr", getattr(call.func, "id", "")) in WRITERS:
                nodes = [node for each in call.args for node in ast.walk(each)]
                strings = [str(node.value) for node in nodes if isinstance(node, ast.Constant)]
                yield from (each for each in strings if re.fullmatch(r"[a-z_]+\.[a-z_]+", each))


@pytest.mark.parametrize("language", ["es", "en"])
def test_every_recorded_change_is_in_words(language: str) -> None:
    """A page shows no code of what was changed."""
    known = {key.removeprefix("records.did_") for key in page_words(language).text if key.startswith("records.did_")}
    assert {each.replace(".", "_") for each in recorded()} == known


@pytest.mark.parametrize("language", ["es", "en"])
def test_every_scope_is_in_words(language: str) -> None:
    """Who makes a token reads what each scope allows."""
    known = page_words(language).text
    assert [] == [each for each in SCOPES if f"account_settings.scope_{each.replace(':', '_')}" not in known]
