"""Codes of languages (IANA's registry of ISO 639) and countries (ISO 3166-1, as the time zone database lists them)."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

from llm_monitoring.projects.value_problems import ValueProblem, value_problem

LONGEST_LANGUAGE: Final = 10  # the width of the column
TAG: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
NO_LANGUAGE: Final = re.compile(r"(und|mul|mis|zxx|q[a-t][a-z])(-.*)?")  # undetermined, several, none, private


def language_code(text: str) -> str | None:
    """Return a language's code in its usual form (`DE` is `de`, `pt_br` is `pt-BR`); None if there is none."""
    from langcodes import standardize_tag, tag_is_valid
    from langcodes.tag_parser import LanguageTagError

    tag = text.strip().replace("_", "-")
    if not TAG.fullmatch(tag):
        return None
    try:
        code = standardize_tag(tag) if tag_is_valid(tag) else ""
    except LanguageTagError:
        return None
    return code if code and len(code) <= LONGEST_LANGUAGE and not NO_LANGUAGE.fullmatch(code) else None


def language_problem(text: str) -> ValueProblem | None:
    """Why a text is not the code of a language; None if it is one."""
    sentence = f"language {text!r} is no ISO 639 code such as es or en"
    return None if language_code(text) else value_problem("language_unknown", sentence)


@cache
def countries() -> dict[str, str]:
    """The names of all countries of ISO 3166-1 by code."""
    text = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    return dict(line.split("\t", 1) for line in text.splitlines() if line and not line.startswith("#"))


def country_code(text: str) -> str | None:
    """Return a country's code in capitals; None if ISO 3166-1 has no such code."""
    code = text.strip().upper()
    return code if code in countries() else None


def country_problem(text: str) -> ValueProblem | None:
    """Why a text is not the code of a country, with the code that may be meant; None if it is one."""
    if country_code(text):
        return None
    sentence, meant = f"country {text!r} is no ISO 3166 code", meant_country(text)
    if meant:
        return value_problem("country_meant", f"{sentence}: write {meant}", meant=meant)
    return value_problem("country_unknown", f"{sentence} such as ES or US")


def meant_country(text: str) -> str:
    """The code that another code or an English name stands for; empty if none is clear."""
    from langcodes import standardize_tag
    from langcodes.tag_parser import LanguageTagError

    wanted = text.strip().casefold()
    by_name = next((code for code, name in countries().items() if wanted and wanted == name.casefold()), "")
    if by_name or not re.fullmatch(r"[A-Za-z]{2}", text.strip()):
        return by_name
    try:
        code = standardize_tag(f"und-{text.strip()}").removeprefix("und-")
    except LanguageTagError:
        return ""
    return code if code in countries() else ""
