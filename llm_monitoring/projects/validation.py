"""Checks projects and prompts: limits, codes, names and sites."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from llm_monitoring import analysis
from llm_monitoring.analysis import Entity
from llm_monitoring.errors import Invalid
from llm_monitoring.projects.locale_codes import country_problem, language_problem
from llm_monitoring.projects.sites import site_problem
from llm_monitoring.projects.value_problems import ValueProblem, value_problem

if TYPE_CHECKING:
    from llm_monitoring.projects.definition import Definition, NewPrompt

MOST_COMPETITORS: Final = 200
MOST_SPELLINGS: Final = 50
MOST_NAMES: Final = 2_000
"""Names, excluded phrases and sites of a project in all: reading an answer begins with compiling them."""
LONGEST_NAME: Final = 255
LONGEST_PROMPT: Final = 4000
LONGEST_TYPE: Final = 50
MOST_SAMPLES: Final = 20
EDGES: Final = re.compile(r"^[\W_]+|[\W_]+$")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a field of a project; `prefix` says of what in the field."""

    field: str
    value: ValueProblem
    prefix: str = ""

    @property
    def text(self) -> str:
        return f"{self.prefix}{self.value}"


def problem(field: str, code: str, sentence: str, **facts: object) -> Problem:
    return Problem(field, value_problem(code, sentence, **facts))


Problems = Mapping[Problem, int]  # by how much each is wrong


def problems(new: Definition) -> Problems:
    """All problems of a definition."""
    found = dict.fromkeys(field_problems(new), 1)
    for field, entity in (("brand", new.brand), *(("competitors", each) for each in new.competitors)):
        found |= entity_problems(field, entity)
    if len(new.competitors) > MOST_COMPETITORS:
        text = f"a project has at most {MOST_COMPETITORS} competitors"
        found[problem("competitors", "competitors_too_many", text, most=MOST_COMPETITORS)] = len(new.competitors)
    entries = sum(number_of_names(each) for each in (new.brand, *new.competitors))
    if entries > MOST_NAMES:
        text = f"a project has at most {MOST_NAMES} names, excluded phrases and sites in all"
        found[problem("competitors", "names_too_many", text, most=MOST_NAMES)] = entries
    names = Counter(name.casefold() for name in (new.brand.name, *(entity.name for entity in new.competitors)))
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is not None:
        text = f"brand and competitors need different names, and {twice!r} is there twice"
        found[problem("competitors", "name_twice", text, name=twice[:80])] = names[twice]
    return found


def number_of_names(entity: Entity) -> int:
    """The entries of a brand or competitor: spellings, excluded phrases and sites."""
    return len(entity.spellings) + len(entity.exclude) + len(entity.domains)


def field_problems(new: Definition) -> Iterator[Problem]:
    """What is wrong with the fields other than the names of brand and competitors."""
    for field, label, text in (("name", "project's name", new.name), ("industry", "industry", new.industry)):
        if not 0 < len(text.strip()) <= LONGEST_NAME:
            sentence = f"the {label} is empty or over {LONGEST_NAME} characters"
            yield problem(field, "text_length", sentence, most=LONGEST_NAME)
    if found := language_problem(new.language):
        yield Problem("language", found)
    if new.country and (found := country_problem(new.country)):
        yield Problem("country", found)
    if not new.providers:
        yield problem("providers", "providers_missing", "a project needs at least one provider")
    if not 1 <= new.samples_per_query <= MOST_SAMPLES:
        yield problem(
            "samples_per_query", "samples_range", f"samples per query are 1 to {MOST_SAMPLES}", most=MOST_SAMPLES
        )


def entity_problems(field: str, entity: Entity) -> dict[Problem, int]:
    """What is wrong with the names and sites of a brand or competitor."""
    found: dict[Problem, int] = {}
    for letter in entity.single_letters:
        text = f"{letter!r} is one letter, which any text holds: give a longer name, or count it only in its own case"
        found[problem(field, "one_letter", text, letter=letter)] = 1
    for name in (*entity.spellings, *entity.exclude):
        length = max(len(name), len(analysis.fold(name).text))  # one sign may stand for a whole sentence
        if length > LONGEST_NAME:
            text = f"a name is at most {LONGEST_NAME} characters long: {name[:40]!r}…"
            found[problem(field, "name_too_long", text, most=LONGEST_NAME, name=name[:40])] = length
    for site in entity.domains:
        if wrong := site_problem(site):
            found[Problem(field, wrong, f"the site {site[:80]!r} of {entity.name[:80]!r}: ")] = 1
    spellings = len(entity.spellings) + len(entity.exclude)
    if spellings > MOST_SPELLINGS:
        text = f"{entity.name[:80]!r} may have at most {MOST_SPELLINGS} spellings and excluded phrases"
        found[problem(field, "spellings_too_many", text, most=MOST_SPELLINGS)] = spellings
    if len(entity.domains) > MOST_SPELLINGS:
        text = f"{entity.name[:80]!r} may have at most {MOST_SPELLINGS} sites"
        found[problem(field, "sites_too_many", text, most=MOST_SPELLINGS)] = len(entity.domains)
    return found


def check(new: Definition, before: Definition | None = None) -> None:
    """Raise Invalid for the first problem that a change adds; a project keeps the ones that it has already."""
    known = {} if before is None else problems(before)
    for found, size in problems(new).items():
        if size > known.get(found, 0):
            raise found.value.invalid(found.field, found.prefix)


def check_prompt(query: NewPrompt) -> None:
    """Raise Invalid if a prompt cannot be stored."""
    text = query.text.strip()
    if not text:
        raise Invalid("prompt", "the prompt is empty", code="prompt_empty")
    if len(text) > LONGEST_PROMPT:
        sentence = f"the prompt is longer than {LONGEST_PROMPT} characters: {text[:60]!r}…"
        raise Invalid("prompt", sentence, code="prompt_too_long", most=LONGEST_PROMPT)
    if query.language is not None and (wrong := language_problem(query.language)):
        raise wrong.invalid("language")
    if not 0 < len(query.query_type) <= LONGEST_TYPE:
        sentence = f"type {query.query_type[:60]!r} is empty or over {LONGEST_TYPE} characters"
        raise Invalid("type", sentence, code="type_length", most=LONGEST_TYPE)


def prompt_key(text: str) -> str:
    """The key of a prompt: its words without case, spaces, and marks at the ends. Equal prompts have equal keys."""
    folded = " ".join(analysis.normalise("NFKC", text).casefold().split())
    return EDGES.sub("", folded) or folded
