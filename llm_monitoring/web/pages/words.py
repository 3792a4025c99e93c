"""The texts of the pages in Spanish and English, and the language of a visitor."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from fastapi import Request

from llm_monitoring.reporting.words import Words, load_words
from llm_monitoring.web.problems import language_of

PAGE_LANGUAGES: Final = ("es", "en")
COOKIE: Final = "lang"


@cache
def page_words(language: str) -> Words:
    """The report's words with those of every page area: the text `skip` of `shell.es.toml` is `shell.skip`."""
    report = load_words(language)
    text, counts = dict(report.text), dict(report.counts)
    for area, found in areas(language).items():
        text |= {f"{area}.{key}": each for key, each in found.get("text", {}).items()}
        counts |= {f"{area}.{key}": each for key, each in found.get("counts", {}).items()}
    return Words(language, {"format": report.form, "text": text, "counts": counts, "reasons": report.reasons})


def areas(language: str) -> Mapping[str, Mapping[str, Any]]:
    """The texts of each page area, as its file has them."""
    folder = files(__package__) / "texts"
    suffix = f".{language}.toml"
    return {
        each.name.removesuffix(suffix): tomllib.loads(each.read_text(encoding="utf-8"))
        for each in folder.iterdir()
        if each.name.endswith(suffix)
    }


def page_language(request: Request) -> str:
    """The language of a page: the query's `lang`, else the cookie's, else the browser's."""
    for wanted in (request.query_params.get(COOKIE), request.cookies.get(COOKIE)):
        if wanted in PAGE_LANGUAGES:
            return wanted
    return language_of(request)
