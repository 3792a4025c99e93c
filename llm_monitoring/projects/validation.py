"""Checks projects and prompts: limits, codes, names and sites."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from llm_monitoring.analysis import Entity
from llm_monitoring.errors import Invalid
from llm_monitoring.projects.locale_codes import country_problem, language_problem
from llm_monitoring.projects.sites import site_problem

if TYPE_CHECKING:
    from llm_monitoring.projects.definition import Definition, NewPrompt

MOST_COMPETITORS: Final = 200
MOST_SPELLINGS: Final = 50
LONGEST_NAME: Final = 255
LONGEST_PROMPT: Final = 4000
LONGEST_TYPE: Final = 50
EDGES: Final = re.compile(r"^[\W_]+|[\W_]+$")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a field of a project, and what to write instead."""

    field: str
    text: str
    code: str = ""


Problems = Mapping[Problem, int]  # by how much each is wrong


def problems(new: Definition) -> Problems:
    """All problems of a definition."""
    found = dict.fromkeys(field_problems(new), 1)
    for field, entity in (("brand", new.brand), *(("competitors", each) for each in new.competitors)):
        found |= entity_problems(field, entity)
    if len(new.competitors) > MOST_COMPETITORS:
        too_many = Problem("competitors", f"a project has at most {MOST_COMPETITORS} competitors")
        found[too_many] = len(new.competitors)
    names = Counter(name.casefold() for name in (new.brand.name, *(entity.name for entity in new.competitors)))
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is not None:
        text = f"brand and competitors need different names, and {twice!r} is there twice"
        found[Problem("competitors", text)] = names[twice]
    return found


def field_problems(new: Definition) -> Iterator[Problem]:
    """What is wrong with the fields other than the names of brand and competitors."""
    for field, label, text in (("name", "project's name", new.name), ("industry", "industry", new.industry)):
        if not 0 < len(text.strip()) <= LONGEST_NAME:
            yield Problem(field, f"the {label} is empty or over {LONGEST_NAME} characters")
    if problem := language_problem(new.language):
        yield Problem("language", problem)
    if new.country and (problem := country_problem(new.country)):
        yield Problem("country", problem)
    if not new.providers:
        yield Problem("providers", "a project needs at least one provider")
    if not 1 <= new.samples_per_query <= 20:
        yield Problem("samples_per_query", "samples per query are 1 to 20")


def entity_problems(field: str, entity: Entity) -> dict[Problem, int]:
    """What is wrong with the names and sites of a brand or competitor."""
    found: dict[Problem, int] = {}
    for letter in entity.single_letters:
        text = f"{letter!r} is one letter, which any text holds: give a longer name, or count it only in its own case"
        found[Problem(field, text, code="one_letter")] = 1
    for name in (*entity.spellings, *entity.exclude):
        if len(name) > LONGEST_NAME:
            text = f"a name is at most {LONGEST_NAME} characters long: {name[:40]!r}…"
            found[Problem(field, text)] = len(name)
    for site in entity.domains:
        if problem := site_problem(site):
            found[Problem(field, f"the site {site[:80]!r} of {entity.name[:80]!r}: {problem}")] = 1
    spellings = len(entity.spellings) + len(entity.exclude)
    if spellings > MOST_SPELLINGS:
        text = f"{entity.name[:80]!r} may have at most {MOST_SPELLINGS} spellings and excluded phrases"
        found[Problem(field, text)] = spellings
    if len(entity.domains) > MOST_SPELLINGS:
        text = f"{entity.name[:80]!r} may have at most {MOST_SPELLINGS} sites"
        found[Problem(field, text)] = len(entity.domains)
    return found


def check(new: Definition, before: Definition | None = None) -> None:
    """Raise Invalid for the first problem that a change adds; a project keeps the ones that it has already."""
    known = {} if before is None else problems(before)
    for problem, size in problems(new).items():
        if size > known.get(problem, 0):
            raise Invalid(problem.field, problem.text, code=problem.code)


def check_prompt(query: NewPrompt) -> None:
    """Raise Invalid if a prompt cannot be stored."""
    text = query.text.strip()
    if not text:
        raise Invalid("prompt", "the prompt is empty")
    if len(text) > LONGEST_PROMPT:
        raise Invalid("prompt", f"the prompt is longer than {LONGEST_PROMPT} characters: {text[:60]!r}…")
    if query.language is not None and (problem := language_problem(query.language)):
        raise Invalid("language", problem)
    if not 0 < len(query.query_type) <= LONGEST_TYPE:
        raise Invalid("type", f"type {query.query_type[:60]!r} is empty or over {LONGEST_TYPE} characters")


def prompt_key(text: str) -> str:
    """The key of a prompt: its words without case, spaces, and marks at the ends. Equal prompts have equal keys."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return EDGES.sub("", folded) or folded
