"""Which language an answer is read in."""

from __future__ import annotations

import pytest

from llm_monitoring.analysis import Entity, Matcher, analyse
from llm_monitoring.analysis.text.languages import language_of
from llm_monitoring.analysis.text.markdown import read_markdown


@pytest.mark.parametrize(
    ("code", "language"),
    [("de", "de"), ("DE", "de"), (" de-AT ", "de"), ("pt_BR", "pt"), ("zh-Hant-TW", "zh"), ("", None), (None, None)],
)
def test_a_code_is_read_whatever_its_case_and_region(code: str | None, language: str | None) -> None:
    """Codes of prompts come from people and from the host's tables."""
    assert language == language_of(code)


@pytest.mark.parametrize("code", ["German", "d", "42", "de;DROP", 7])
def test_what_is_no_code_is_no_language(code: object) -> None:
    """The rules that name languages do not apply then; nothing is raised."""
    assert language_of(code) is None


def test_the_language_reaches_the_document() -> None:
    """Everything that reads a document finds the language in it."""
    assert "da" == read_markdown("Kordio", "da-DK").language


def test_the_public_function_and_the_matcher_take_the_language() -> None:
    """Both forms of the analysis give the same figures."""
    assert analyse("Kordio", Entity("Kordio"), language="de") == Matcher(Entity("Kordio")).analyse("Kordio", (), "de")
