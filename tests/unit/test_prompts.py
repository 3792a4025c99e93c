"""Prompts from templates: shares, variety, grammar of the slots."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from llm_monitoring.analysis import Entity, Matcher
from llm_monitoring.projects.definition import Project
from llm_monitoring.projects.prompt_ideas import (
    KINDS,
    LANGUAGES,
    SLOT,
    Kind,
    inside_sentence,
    plain_words,
    sentences,
    split,
    templates,
)

RIVALS = (Entity("Holded"), Entity("Odoo"), Entity("Intuit"))
INDUSTRIES = {
    "es": "Software de facturación",
    "en": "sales CRM software",
    "fr": "Hébergement web",
    "de": "Rechnungssoftware",
    "it": "Scarpe da corsa",
    "pt": "Software de gestão",
}


def project(language: str, rivals: tuple[Entity, ...] = RIVALS) -> Project:
    return Project(
        1, 1, "P", Entity("Quipu"), rivals, INDUSTRIES[language], language, None, ("openai",), False, 1, True
    )


def texts(language: str, kind: Kind, rivals: tuple[Entity, ...] = RIVALS, seed: int = 0) -> list[str]:
    return list(sentences(project(language, rivals), kind, templates(language), random.Random(seed)))


@pytest.mark.parametrize(
    ("count", "rivals", "expected"),
    [
        (10, True, (6, 2, 2)),
        (1, True, (1, 0, 0)),
        (2, True, (1, 1, 0)),
        (3, True, (2, 1, 0)),
        (4, True, (2, 1, 1)),
        (7, True, (4, 2, 1)),
        (60, True, (36, 12, 12)),
        (10, False, (8, 2, 0)),
        (3, False, (2, 1, 0)),
    ],
)
def test_shares(count: int, rivals: bool, expected: tuple[int, int, int]) -> None:
    """60 : 20 : 20 in whole prompts, by largest remainder; without competitors the general ones take their part."""
    assert expected == tuple(split(count, with_competitors=rivals).values())


def test_shares_always_add_up() -> None:
    """However many are asked for, no prompt is lost or won in rounding."""
    assert all(sum(split(n, with_competitors=flag).values()) == n for n in range(1, 501) for flag in (True, False))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_templates_are_used_once_before_any_comes_again(language: str, kind: Kind) -> None:
    """The first sentences come from as many templates; no sentence ever comes twice."""
    found, available = texts(language, kind), templates(language).by_kind[kind]
    patterns = [pattern(template) for template in available]
    used = Counter(
        next(i for i, each in enumerate(patterns) if each.fullmatch(text)) for text in found[: len(available)]
    )
    assert {1} == set(used.values())
    assert len(available) == len(used)
    assert len(found) == len(set(map(plain_words, found)))


def pattern(template: str) -> re.Pattern[str]:
    """What a template matches: names where names stand, anything else elsewhere."""
    slots = {"brand": "Quipu", "competitor": "(?:Holded|Odoo|Intuit)", "other": "(?:Holded|Odoo|Intuit)"}
    parts = re.split(r"\{(\w+)\}", template)
    return re.compile("".join(slots.get(part, ".+") if i % 2 else re.escape(part) for i, part in enumerate(parts)))


@pytest.mark.short("es")
@pytest.mark.parametrize("language", LANGUAGES)
def test_who_is_named_in_which_kind(language: str) -> None:
    """The matcher finds the brand in every branded prompt and in no other, a competitor in every one of its kind."""
    brand, rivals = Matcher(Entity("Quipu")), Matcher(Entity("none"), RIVALS)
    assert all(brand.names_brand(text) for text in texts(language, "with_brand"))
    assert not any(brand.names_brand(text) for kind in ("general", "with_competitor") for text in texts(language, kind))
    assert all(rivals.mentions(text) for text in texts(language, "with_competitor"))
    assert not any(rivals.mentions(text) for text in texts(language, "general"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_written_as_people_write(language: str) -> None:
    """A capital or a ¿ opens every sentence, no slot or double space is left, an industry inside is in lower case."""
    found = [text for kind in KINDS for text in texts(language, kind)]
    assert [] == [text for text in found if "{" in text or "  " in text or not (text[0].isupper() or text[0] == "¿")]
    capital = [text for text in found if INDUSTRIES[language][:1].upper() + INDUSTRIES[language][1:] in text[1:]]
    assert (capital != []) == (language == "de")


@pytest.mark.parametrize("language", LANGUAGES)
def test_templates_know_their_slots(language: str) -> None:
    """Data files have enough of each kind and no slot that nothing fills."""
    found = templates(language)
    slots = {slot for kind in KINDS for text in found.by_kind[kind] for slot in SLOT.findall(text)}
    assert {"industry", "brand", "need", "person", "competitor", "other"} == slots
    assert min(len(found.by_kind[kind]) for kind in KINDS) >= 12
    assert len(set(found.needs)) == len(found.needs) >= 12


def test_neighbouring_prompts_vary() -> None:
    """The first dozen of general prompts do not repeat one need over and over."""
    needs = templates("es").needs
    said = Counter(need for text in texts("es", "general")[:20] for need in needs if need in text)
    assert max(said.values()) <= 3


def test_without_competitors_no_sentence_needs_one() -> None:
    """A project without competitors has branded prompts, none of which compares."""
    assert [] == texts("en", "with_competitor", ())
    assert all(not re.search("vs|switch|different from", text) for text in texts("en", "with_brand", ()))


def test_one_competitor_is_not_compared_with_itself() -> None:
    """With a single competitor, the templates that compare two are left out."""
    assert [] == [text for text in texts("en", "with_competitor", RIVALS[:1]) if text.count("Holded") > 1]


@pytest.mark.parametrize(
    ("industry", "language", "inside"),
    [
        ("Software de facturación", "es", "software de facturación"),
        ("CRM para pymes", "es", "CRM para pymes"),
        ("SaaS", "en", "SaaS"),
        ("Rechnungssoftware", "de", "Rechnungssoftware"),
        ("  Abogados ", "es", "abogados"),
    ],
)
def test_an_industry_inside_a_sentence(industry: str, language: str, inside: str) -> None:
    """A capital that only opened the text goes, acronyms and German nouns keep theirs."""
    assert inside == inside_sentence(industry, language)


def test_a_seed_decides() -> None:
    """The same seed proposes the same sentences, another one others."""
    assert texts("es", "general") == texts("es", "general") != texts("es", "general", seed=1)
