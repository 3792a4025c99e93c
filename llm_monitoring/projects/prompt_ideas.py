"""Proposes prompts as customers type them, made of brand, industry, competitors and language of a project."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Final, Literal, TypeVar, get_args

from llm_monitoring.db import Database
from llm_monitoring.errors import Invalid
from llm_monitoring.projects import prompts, store
from llm_monitoring.projects.definition import NewPrompt, Project

T = TypeVar("T")
Kind = Literal["general", "with_brand", "with_competitor"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
LANGUAGES: Final = ("es", "en", "fr", "de", "it", "pt")
SHARES: Final[Mapping[Kind, int]] = {"general": 60, "with_brand": 20, "with_competitor": 20}
SLOT: Final = re.compile(r"\{(\w+)\}")
MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Templates:
    """The sentences of a language with slots, by kind, and the values of the slots `need` and `person`."""

    needs: Sequence[str]
    people: Sequence[str]
    by_kind: Mapping[Kind, Sequence[str]]


@dataclass(frozen=True, slots=True)
class ProposedPrompts:
    """Prompts that the project does not have yet; `wanted` is the number to propose of each kind."""

    project: Project
    queries: Sequence[NewPrompt]
    wanted: Mapping[Kind, int]

    @property
    def missing(self) -> int:
        """The number that is missing because there are no more different sentences."""
        return sum(self.wanted.values()) - len(self.queries)


@cache
def templates(language: str) -> Templates:
    """The templates of one of LANGUAGES."""
    text = (files("llm_monitoring.projects") / "data" / f"{language}.json").read_text(encoding="utf-8")
    found = json.loads(text)
    return Templates(found["needs"], found["people"], {kind: found[kind] for kind in KINDS})


def propose(db: Database, project_id: int, count: int, seed: int = 0) -> ProposedPrompts:
    """Propose `count` prompts that the project does not have; another `seed` proposes others. Stores nothing.

    Raises Invalid if there are no templates in the language of the project.
    """
    project = store.find(db, project_id)
    language = project.language.partition("-")[0]
    if language not in LANGUAGES:
        sentence = f"there are no templates in {project.language!r}, only in {', '.join(LANGUAGES)}"
        raise Invalid("language", sentence, code="no_templates")
    if not 0 < count <= MOST:
        raise Invalid("count", f"propose 1 to {MOST} prompts, not {count}", code="proposals_range", most=MOST)
    known = {plain_words(row["query_text"]) for row in prompts.list_prompts(db, project_id)}
    wanted = split(count, with_competitors=bool(project.competitors))
    queries = [
        NewPrompt(text, query_type=kind)
        for kind in KINDS
        for text in take(
            sentences(project, kind, templates(language), random.Random(f"{seed}:{kind}")), wanted[kind], known
        )
    ]
    return ProposedPrompts(project, queries, wanted)


def split(count: int, *, with_competitors: bool) -> dict[Kind, int]:
    """Divide `count` 60 : 20 : 20; the rest goes to the largest remainders, the earlier kind first.

    Without competitors their share goes to the general kind.
    """
    shares = {kind: count * share for kind, share in SHARES.items()}
    if not with_competitors:
        shares = {"general": count * 80, "with_brand": count * 20, "with_competitor": 0}
    parts = {kind: share // 100 for kind, share in shares.items()}
    by_remainder = sorted(KINDS, key=lambda kind: -(shares[kind] % 100))
    for kind in by_remainder[: count - sum(parts.values())]:
        parts[kind] += 1
    return parts


def take(found: Iterator[str], wanted: int, known: set[str]) -> list[str]:
    """The first `wanted` sentences that are not known; they are added to `known`."""
    taken: list[str] = []
    while len(taken) < wanted:
        text = next(found, None)
        if text is None:
            break
        if plain_words(text) not in known:
            known.add(plain_words(text))
            taken.append(text)
    return taken


def sentences(project: Project, kind: Kind, language: Templates, rng: random.Random) -> Iterator[str]:
    """Every sentence of a kind; each template is used once before any is used again."""
    values = slot_values(project, language, rng)
    texts = shuffled(language.by_kind[kind], rng)
    pending = [fillings(template, values, turn) for turn, template in enumerate(texts)]
    while pending:
        for each in list(pending):
            text = next(each, None)
            if text is None:
                pending.remove(each)
            else:
                yield text


def slot_values(project: Project, language: Templates, rng: random.Random) -> dict[str, list[str]]:
    """The values of each slot, in a random order."""
    rivals = shuffled([entity.name for entity in project.competitors], rng)
    return {
        "industry": [inside_sentence(project.industry, project.language)],
        "brand": [project.brand.name],
        "need": shuffled(language.needs, rng),
        "person": shuffled(language.people, rng),
        "competitor": rivals,
        "other": rivals,
    }


def fillings(template: str, values: Mapping[str, Sequence[str]], turn: int) -> Iterator[str]:
    """A template with every combination of its slots; each turn starts at another combination."""
    slots = list(dict.fromkeys(SLOT.findall(template)))
    found = [dict(zip(slots, chosen, strict=True)) for chosen in product(*(values[slot] for slot in slots))]
    usable = [chosen for chosen in found if chosen.get("other") != chosen.get("competitor") or "other" not in chosen]
    start = turn % len(usable) if usable else 0
    for chosen in usable[start:] + usable[:start]:
        text = template.format(**chosen)
        yield opened(text) if template.startswith("{industry}") else text


def shuffled(items: Sequence[T], rng: random.Random) -> list[T]:
    return rng.sample(list(items), len(items))


def inside_sentence(industry: str, language: str) -> str:
    """An industry inside a sentence: without the capital of its first word, except in German."""
    first, rest = industry.strip().partition(" ")[0], industry.strip()
    only_opens = first[1:].islower() or len(first) == 1
    return rest[:1].lower() + rest[1:] if only_opens and not language.startswith("de") else rest


def opened(text: str) -> str:
    """A sentence that starts with an industry, with a capital letter."""
    return text[:1].upper() + text[1:]


def plain_words(text: str) -> str:
    """The words of a prompt, without case, punctuation and spaces."""
    return " ".join(re.findall(r"\w+", text.casefold()))
