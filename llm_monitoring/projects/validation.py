"""What a project and its prompts may be: limits, codes, names and sites, each problem with what to write instead."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from llm_monitoring.analysis import Entity
from llm_monitoring.errors import BadInput
from llm_monitoring.projects.locale_codes import country_problem, language_problem
from llm_monitoring.projects.sites import site_problem

if TYPE_CHECKING:
    from llm_monitoring.projects.definition import NewProject, NewQuery

MOST_COMPETITORS: Final = 200
MOST_SPELLINGS: Final = 50
LONGEST_NAME: Final = 255
LONGEST_PROMPT: Final = 4000
LONGEST_TYPE: Final = 50
EDGES: Final = re.compile(r"^[\W_]+|[\W_]+$")

Problems = Mapping[str, int]  # what is wrong, and by how much


def problems(new: NewProject) -> Problems:
    """Everything that keeps a project from being stored or measured."""
    found = dict.fromkeys(plain_problems(new), 1)
    for entity in (new.brand, *new.competitors):
        found |= entity_problems(entity)
    if len(new.competitors) > MOST_COMPETITORS:
        found[f"a project has at most {MOST_COMPETITORS} competitors"] = len(new.competitors)
    names = Counter(name.casefold() for name in (new.brand.name, *(entity.name for entity in new.competitors)))
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is not None:
        found[f"brand and competitors need different names, and {twice!r} is there twice"] = names[twice]
    return found


def plain_problems(new: NewProject) -> Iterator[str]:
    """What is wrong with the fields that are no names of brand and competitors."""
    for field, text in (("project's name", new.name), ("industry", new.industry)):
        if not 0 < len(text.strip()) <= LONGEST_NAME:
            yield f"the {field} is empty or over {LONGEST_NAME} characters"
    if problem := language_problem(new.language):
        yield problem
    if new.country and (problem := country_problem(new.country)):
        yield problem
    if not new.providers:
        yield "a project needs at least one provider"
    if not 1 <= new.samples_per_query <= 20:
        yield "samples per query are 1 to 20"


def entity_problems(entity: Entity) -> Problems:
    """What is wrong with the names and sites of a brand or competitor."""
    found: dict[str, int] = {}
    for letter in entity.single_letters:
        found[f"{letter!r} is one letter, which any text holds: say --case-sensitive, or give a longer name"] = 1
    for text in (*entity.spellings, *entity.exclude):
        if len(text) > LONGEST_NAME:
            found[f"a name is at most {LONGEST_NAME} characters long: {text[:40]!r}…"] = len(text)
    for site in entity.domains:
        if problem := site_problem(site):
            found[f"the site {site[:80]!r} of {entity.name[:80]!r}: {problem}"] = 1
    spellings = len(entity.spellings) + len(entity.exclude)
    if spellings > MOST_SPELLINGS:
        found[f"{entity.name[:80]!r} may have at most {MOST_SPELLINGS} spellings and excluded phrases"] = spellings
    if len(entity.domains) > MOST_SPELLINGS:
        found[f"{entity.name[:80]!r} may have at most {MOST_SPELLINGS} sites"] = len(entity.domains)
    return found


def check(new: NewProject, before: NewProject | None = None) -> None:
    """Raise BadInput for the first problem that is new: what a project has already keeps no other change from it."""
    known = {} if before is None else problems(before)
    for problem, size in problems(new).items():
        if size > known.get(problem, 0):
            raise BadInput(problem)


def check_query(query: NewQuery) -> None:
    """Raise BadInput if a prompt cannot be stored."""
    text = query.text.strip()
    if not text:
        raise BadInput("the prompt is empty")
    if len(text) > LONGEST_PROMPT:
        raise BadInput(f"the prompt is longer than {LONGEST_PROMPT} characters: {text[:60]!r}…")
    if query.language is not None and (problem := language_problem(query.language)):
        raise BadInput(problem)
    if not 0 < len(query.query_type) <= LONGEST_TYPE:
        raise BadInput(f"type {query.query_type[:60]!r} is empty or over {LONGEST_TYPE} characters")


def prompt_key(text: str) -> str:
    """What prompts that ask the same in the same words have in common: no case, spaces, or marks at their ends."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return EDGES.sub("", folded) or folded
