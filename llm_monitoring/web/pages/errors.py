"""Errors as pages, in the visitor's language."""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response

from llm_monitoring.web.pages.error_texts import error_text
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.pages.words import page_language, page_words
from llm_monitoring.web.problems import CODES, Problem, request_id

PROGRAM_PATHS: Final = ("/api/", "/mcp", "/healthz")
DESCRIBED: Final = frozenset(
    {
        "not_found",
        "scope_missing",
        "sign_in_needed",
        "sign_in_refused",
        "no_address",
        "foreign_origin",
        "invalid",
        "internal",
        "unavailable",
        "too_many_requests",
    }
)


FILTERS: Final = {
    "from": "shell.from",
    "to": "shell.to",
    "compare_from": "shell.compare_from",
    "compare_to": "shell.compare_to",
    "tag": "shell.tag",
    "provider": "assistant",
}
"""How the bar of filters calls what the address names."""


def is_page(request: Request) -> bool:
    """Whether the address is one for people: what lies elsewhere answers programs with a document."""
    return not request.url.path.startswith(PROGRAM_PATHS)


def problem_page(request: Request, problem: Problem) -> Response:
    """The page of a problem: what it is, what to do next, and the number of the request."""
    words = page_words(page_language(request))
    response = render(
        request,
        "problem.html",
        status=CODES[problem.code][0],
        code=problem.code if problem.code in DESCRIBED else "other",
        fields=[(each.pointer.rpartition(":")[2].strip("/"), error_text(words, each)) for each in problem.errors],
        labels=FILTERS,
        has_filters=request.method == "GET" and problem.code == "invalid" and bool(request.url.query),
        cause=error_text(words, problem.cause) if problem.cause and problem.code != "not_found" else None,
        number=request_id(request),
    )
    response.headers.update({**problem.headers, "Cache-Control": "no-store"})
    return response
