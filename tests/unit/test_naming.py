"""Names that mislead, without a database."""

from __future__ import annotations

import pytest
from spellchecker import SpellChecker

from llm_monitoring.analysis import Entity
from llm_monitoring.analysis.name_doubts import COMMON_USE, LANGUAGES, common_words, doubts, key, names_in


def kinds(entity: Entity, *others: Entity, languages: tuple[str, ...] = ("es", "en")) -> set[str]:
    found = doubts([entity, *others], languages)
    return {doubt.kind for doubt in found if doubt.entity == entity.name}


@pytest.mark.parametrize("name", ["Quipu", "Holded", "HubSpot", "Pipedrive", "Salesforce", "Contasimple", "Personio"])
def test_a_name_of_its_own_is_no_doubt(name: str) -> None:
    """Coined names are left alone."""
    assert set() == kinds(Entity(name), languages=("es", "en"))


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("name", "languages", "expected"),
    [
        ("HP", ("en",), "short"),
        ("Sage", ("en",), "common word"),
        ("Sage", ("de",), "common word"),
        ("Mango", ("es",), "common word"),
        ("Básé", ("fr",), "common word"),
        ("Clear Books", ("en",), "common words"),
        ("On-Line", ("en",), "common word"),
        ("Sage", ("en",), "inside common words"),
    ],
)
def test_everyday_words_are_doubted(name: str, languages: tuple[str, ...], expected: str) -> None:
    """Short names, words of a language, written apart or with accents, and names inside words."""
    assert expected in kinds(Entity(name), languages=languages)


def test_a_word_of_another_language_is_none() -> None:
    """Only the languages asked about count: “mango” is no English or Spanish matter of a German text."""
    assert "common word" not in kinds(Entity("Mango"), languages=("de",))


def test_an_exact_case_settles_everyday_words() -> None:
    """A case-sensitive “Sage” is not doubted; a case-sensitive “sage” still is."""
    exact = Entity("Sage", case_sensitive=True), Entity("sage", case_sensitive=True)
    assert set() == kinds(exact[0])
    assert "common word" in kinds(exact[1])


def test_neighbours() -> None:
    """A name inside another's and a name that two have are said of the shorter and of both."""
    sage, intacct, alias = Entity("Sage X3"), Entity("Sage X3 Cloud"), Entity("Enterprise", aliases=("sage-x3",))
    assert {"part of another"} == kinds(sage, intacct) - {"short", "common words"}
    assert set() == kinds(intacct, sage) - {"common words"}
    assert "shared" in kinds(sage, alias) & kinds(alias, sage)


@pytest.mark.parametrize(
    "language", [pytest.param(each, marks=pytest.mark.long if each in ("it", "pt") else ()) for each in LANGUAGES]
)
def test_the_word_lists_are_of_a_size_to_be_used(language: str) -> None:
    """Every language has its everyday words and none of the long tail of names and rarities."""
    words = common_words(language)
    assert 10_000 < len(words) < 40_000
    assert not {"holded", "hubspot", "xqz", "pipedrive", "salesforce", "contasimple", "personio", "quipu"} & set(words)


def test_a_word_list_is_the_librarys() -> None:
    """Read a line at a time it has the same words in the same order, with the same shares, as the library reads."""
    frequency = SpellChecker(language="es", distance=1).word_frequency
    expected: dict[str, float] = {}
    for word, count in sorted(frequency.items(), key=lambda entry: -entry[1]):
        if count >= COMMON_USE * frequency.total_words:
            expected.setdefault(key(word), count / frequency.total_words)
    assert list(expected.items()) == list(common_words("es").items())


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("Holded, Sage", ["Holded", "Sage"]),
        ("Holded,Sage,Billin", ["Holded", "Sage", "Billin"]),
        ("Billin; Anfix", ["Billin", "Anfix"]),
        ("Holded | Sage", ["Holded", "Sage"]),
        ("Acme, Inc.", ["Acme"]),
        ("Acme, S.L.U.", ["Acme"]),
        ("Acme, S. A.", ["Acme"]),
        ("Acme Co., Ltd.", ["Acme Co."]),
        ("10,000 Villages", ["10,000 Villages"]),
        ("Crate & Barrel", ["Crate & Barrel"]),
        ("Sage 50", ["Sage 50"]),
        (",", []),
    ],
)
def test_names_in_one_name(term: str, expected: list[str]) -> None:
    """A comma lists names, unless what follows it is a legal form or a figure."""
    assert expected == names_in(term)


def test_a_list_of_names_is_a_doubt() -> None:
    """It counts as one name, which no answer writes; an exact case does not settle that."""
    found = doubts([Entity("Quipu"), Entity("Holded, Sage", case_sensitive=True)], ["es"])
    assert [("Holded, Sage", "several names")] == [(doubt.term, doubt.kind) for doubt in found]
