"""Why a value is not accepted, in the language of the visitor: by the code of the error, with its facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fastapi import Request

from llm_monitoring.errors import BadInput, Invalid
from llm_monitoring.reporting.words import Words
from llm_monitoring.web.pages.words import page_language, page_words
from llm_monitoring.web.problems import FieldError, Problem, field_error, refusal

PREFIX: Final = "errors.of_"
UNKNOWN: Final = "errors.of_value_error"
FORM: Final = "form"


def error_text(words: Words, error: FieldError) -> str:
    """The text of an error's code; of one that has none, that the value is not accepted."""
    key = f"{PREFIX}{error.code}"
    return words.say(key, **error.facts) if key in words.text else words.say(UNKNOWN)


def in_spanish(problem: Problem) -> Problem:
    """The problem with the Spanish texts of its codes; what has no code of its own keeps its words."""
    words = page_words("es")

    def text(error: FieldError, otherwise: str) -> str:
        return error_text(words, error) if f"{PREFIX}{error.code}" in words.text else otherwise

    detail = text(problem.cause, problem.detail) if problem.cause else problem.detail
    errors = [replace(each, detail=text(each, each.detail)) for each in problem.errors]
    return Problem(problem.code, detail, errors=errors, headers=problem.headers, cause=problem.cause)


def errors_of(request: Request, error: Problem | BadInput, at: str = FORM) -> dict[str, str]:
    """What is wrong, by the field of the form; what is no field's stands at the field `at`."""
    words = page_words(page_language(request))
    if isinstance(error, Problem):
        found = {each.name or at: error_text(words, each) for each in error.errors}
        return found or {at: error_text(words, error.cause or FieldError("", ""))}
    if isinstance(error, Invalid):
        return {field_error(error).name: error_text(words, field_error(error))}
    return {at: error_text(words, refusal(error))}
