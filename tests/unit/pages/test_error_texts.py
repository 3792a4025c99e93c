"""Why a value is not accepted is in words of the visitor: every error that a page can meet has a text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from llm_monitoring.errors import Kind
from llm_monitoring.web.api.schemas import EntityBody, ProjectBody, Text
from llm_monitoring.web.pages.error_texts import PREFIX, error_text, in_spanish
from llm_monitoring.web.pages.words import PAGE_LANGUAGES, page_words
from llm_monitoring.web.problems import FieldError, Problem, refusals

PACKAGE: Final = Path(__file__).resolve().parents[3] / "llm_monitoring"
# what pages call that raises errors about values
MET: Final = (
    "projects", "edits", "access", "keys/store.py", "figures/periods.py", "reporting/name_preview.py",
    "reporting/stored_answers.py", "web/api/periods.py", "web/pages/filters.py", "web/api/competitors.py",
)  # fmt: skip
# who is a user is entered on the command line; a row that a host broke is no value of a form
NOT_MET: Final = ("projects/users.py", "access/projects.py")
RAISED: Final = {"Invalid": 2, "NotReady": 3, "value_problem": 2, "problem": 3, "refused": 3}
PLACE: Final = {"value_problem": 0, "problem": 1, "refused": 2}  # where the code stands as an argument without a name


def modules() -> Iterator[Path]:
    for name in MET:
        path = PACKAGE / name
        yield from [path] if path.is_file() else sorted(path.glob("*.py"))


def raised() -> Iterator[tuple[str, str | None, set[str]]]:
    """Every error about a value: where it is raised, its code, and the facts that come with it."""
    for path in modules():
        place = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if place not in NOT_MET else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                name, keywords = node.func.id, {each.arg: each.value for each in node.keywords if each.arg}
                if name == "AlreadyExists" and isinstance(node.args[0], ast.Constant):
                    yield f"{place}:{node.lineno}", f"{node.args[0].value!s}_exists", set()
                elif name in RAISED and not any(isinstance(each, ast.Starred) for each in node.args):
                    found = node.args[PLACE[name]] if name in PLACE else keywords.get("code")
                    is_passed_on = isinstance(found, ast.Name | ast.Attribute)
                    code = str(found.value) if isinstance(found, ast.Constant) else None
                    if not is_passed_on:
                        yield f"{place}:{node.lineno}", code, {*keywords} - {"code"}


ALL: Final = list(raised())


def test_the_errors_are_found() -> None:
    """Fifty places and more: a search that finds none would hold nothing."""
    assert len(ALL) > 50


@pytest.mark.parametrize("language", PAGE_LANGUAGES)
def test_every_error_has_a_text(language: str) -> None:
    """With facts for all that the text names."""
    texts = page_words(language).text
    lacking = [(place, code) for place, code, _ in ALL if f"{PREFIX}{code}" not in texts]
    assert [] == lacking
    unknown = [
        (place, code)
        for place, code, facts in ALL
        if not set(re.findall(r"{(\w+)}", texts[f"{PREFIX}{code}"])) <= facts
    ]
    assert [] == unknown


def test_a_thing_that_exists_has_a_text() -> None:
    """Of the kinds that a page makes."""
    made = {"project", "competitor", "prompt"}
    assert made <= set(get_args(Kind))
    assert made <= {name.removeprefix(PREFIX).removesuffix("_exists") for name in page_words("es").text}


ENTITY: Final[dict[str, Any]] = {"name": "Acme"}
PROJECT: Final[dict[str, Any]] = {"name": "Acme", "brand": ENTITY, "industry": "CRM"}


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "a" * 256},
        {"name": "\u200b"},
        {"name": "a\nb"},
        {"name": "a\0b"},
        {"language": "a" * 36},
        {"country": "Spain"},
        {"providers": []},
        {"providers": ["bing"]},
        {"samples_per_query": "many"},
        {"samples_per_query": "0"},
        {"samples_per_query": "21"},
        {"pace": "never"},
        {"brand": {"name": "a", "aliases": ["b"] * 51}},
        {"other": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("language", PAGE_LANGUAGES)
def test_what_the_types_of_a_form_refuse_has_a_text(language: str, change: dict[str, Any]) -> None:
    """A text of its own and not the one for what no one foresaw."""
    words = page_words(language)
    with pytest.raises(ValidationError) as refused:
        ProjectBody.model_validate({**PROJECT, **change})
    texts = [error_text(words, each) for each in refusals(refused.value)]
    assert texts
    assert words.say("errors.of_value_error") not in texts


def test_an_entity_and_a_text_are_refused_alike() -> None:
    """The codes do not depend on the body."""
    with pytest.raises(ValidationError) as entity:
        EntityBody.model_validate({"name": "\u200b"})
    with pytest.raises(ValidationError) as text:
        TypeAdapter(Text).validate_python("\u200b")
    assert ["invisible"] * 2 == [refusals(each.value)[0].code for each in (entity, text)]


@pytest.mark.parametrize("language", PAGE_LANGUAGES)
def test_a_code_without_a_text_says_that_the_value_is_not_accepted(language: str) -> None:
    """In the visitor's language, and never the English detail of the API."""
    words = page_words(language)
    assert words.say("errors.of_value_error") == error_text(words, FieldError("/name", "an English detail", "new_code"))


def test_a_problem_without_a_text_of_its_own_keeps_its_words() -> None:
    """Headers, code and what no text is made for stay as they are."""
    made = Problem("invalid", "why", errors=[FieldError("/a", "b", "no_such_code")], headers={"Retry-After": "3"})
    found = in_spanish(made)
    assert ("invalid", "why", {"Retry-After": "3"}) == (found.code, found.detail, found.headers)
    assert made.errors == found.errors
