"""Renders a page: its language, its navigation, and the headers that let it load nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request, Response
from jinja2 import Environment

from llm_monitoring import analysis
from llm_monitoring.access.audit import subject_of
from llm_monitoring.reporting import charts
from llm_monitoring.reporting.templating import environment_of
from llm_monitoring.reporting.words import Words
from llm_monitoring.web.pages.compression import compressed
from llm_monitoring.web.pages.navigation import tabs
from llm_monitoring.web.pages.static_files import static
from llm_monitoring.web.pages.words import COOKIE, PAGE_LANGUAGES, page_language, page_words

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
YEAR_SECONDS: Final = 31_536_000


def render(request: Request, template: str, *, status: int = 200, **data: Any) -> Response:
    """A page of `templates/`, in the language of the visitor.

    Templates print text of others as it is given: markup in it stays text. `here` (ProjectVisitor) and `project` put a
    page below the tabs of a project; `visitor` alone is a page of a person; `bar` (FilterBar) shows the filters.
    """
    language = page_language(request)
    page = environment().get_template(template).render(
        w=page_words(language),
        languages=[(each, in_language(request, each), each == language) for each in PAGE_LANGUAGES],
        tabs=tabs(request, data["here"], data.get("filters")) if "here" in data else (),
        **data,
    )  # fmt: skip
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": "private, no-cache",
        "Content-Language": language,
        "Vary": "Cookie, Accept-Language",
    }
    response = compressed(request, page.encode(), headers, "text/html; charset=utf-8")
    response.status_code = status
    if request.query_params.get(COOKIE) == language:
        response.set_cookie(
            COOKIE, language, max_age=YEAR_SECONDS, httponly=True, samesite="lax", secure=request.url.scheme == "https"
        )
    return response


def in_language(request: Request, language: str) -> str:
    """The address of this page in another language; relative, so that the page of a missing thing names none."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != COOKIE]
    return f"?{urlencode([*query, (COOKIE, language)])}"


def assistants(providers: Iterable[str], words: Words) -> str:
    """Assistants as people call them, in one line."""
    return ", ".join(words.provider(each) for each in providers)


@cache
def environment() -> Environment:
    return environment_of(
        "llm_monitoring.web.pages",
        static=static,
        assistants=assistants,
        subject_of=subject_of,
        names_in=analysis.names_in,
        range_bar=charts.range_bar,
        sparkline=charts.sparkline,
    )
