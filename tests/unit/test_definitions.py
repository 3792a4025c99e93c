"""What a project may be: sites, countries, languages, limits, and prompts that say the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_monitoring.analysis import Entity
from llm_monitoring.analysis.name_doubts import doubts
from llm_monitoring.errors import BadInput
from llm_monitoring.projects.definition import NewProject, NewPrompt
from llm_monitoring.projects.locale_codes import countries, country_code, country_problem, language_code
from llm_monitoring.projects.sites import site_problem
from llm_monitoring.projects.validation import check, check_prompt, problems, prompt_key

PROJECT = NewProject(user_id=1, name="P", brand=Entity("Quipu"), industry="ERP")


def refusal(project: NewProject, before: NewProject | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        check(project, before)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("*.muller.de", "write muller.de"),
        (".muller.de", "write muller.de"),
        ("nike.com, nike.es", "nike.com and nike.es"),
        ("nike.com nike.es", "nike.com and nike.es"),
        ("nike.com;nike.es", "nike.com and nike.es"),
        ("nike.com|nike.es", "nike.com and nike.es"),
        ("https://nike.com/golf", "write nike.com"),
        ("nike.com/golf", "write nike.com"),
        ("https://nike.com/?a=1", "write nike.com"),
        ("nike.com#top", "write nike.com"),
        ("info@nike.com", "write nike.com"),
        ("https://nike.com:8080", "write nike.com"),
        *((text, "can exist") for text in (
            "nike", "nike..com", "-nike.com", "nike-.com", "ni_ke.com", "nike.c", "192.168.1.1", "localhost", "a.local",
            "x" * 64 + ".com", "nike.com!", "*", "https://", "nike.123", "*.*.com", "[::1]",
        )),
    ],
)  # fmt: skip
def test_what_is_no_site(text: str, advice: str) -> None:
    """Patterns, lists, pages, addresses and hosts that cannot exist are refused with what to write."""
    assert advice in str(site_problem(text))


@pytest.mark.parametrize(
    "text", ["nike.com", "https://www.nike.com/", "müller.de", "xn--mller-kva.de", "NIKE.ES", "a.b.co.uk", "nike.com."]
)
def test_what_is_a_site(text: str) -> None:
    """A host in any spelling is taken."""
    assert site_problem(text) is None


def test_sites_of_brand_and_competitors_are_checked() -> None:
    """The refusal names the entity."""
    bad = replace(PROJECT, brand=Entity("Quipu", domains=("*.quipu.com",)))
    assert "the site '*.quipu.com' of 'Quipu': write quipu.com: its subdomains count as well" == refusal(bad)
    assert "of 'Sage'" in refusal(replace(PROJECT, competitors=[Entity("Sage", domains=("sage",))]))


@pytest.mark.parametrize(
    ("text", "hint"),
    [("UK", "write GB"), ("Spain", "write ES"), ("germany", "write DE"), ("XX", "such as ES or US"), ("EU", "such as"),
     ("ESP", "such as"), ("ZZ", "such as"), ("SU", "write RU"), ("E", "such as"), ("419", "such as")],
)  # fmt: skip
def test_what_is_no_country(text: str, hint: str) -> None:
    """Only codes of ISO 3166-1 are taken; the one that may be meant is named."""
    assert hint in str(country_problem(text))
    assert "is no ISO 3166 code" in refusal(replace(PROJECT, country=text))


def test_countries() -> None:
    """Every code of ISO 3166-1, in either case."""
    assert "ES" == country_code("es")
    assert "GB" == country_code(" GB ")
    assert "XK" not in countries()
    assert 249 == len(countries())


@pytest.mark.parametrize(
    ("text", "code"),
    [("DE", "de"), ("es", "es"), ("pt_BR", "pt-BR"), ("de-at", "de-AT"), ("deu", "de"), ("ca", "ca"), ("ast", "ast"),
     ("es-419", "es-419"), ("zh-Hant", "zh-Hant"), ("xx", None), ("zz", None), ("english", None), ("e", None),
     ("und", None), ("mul", None), ("", None), ("es; DROP", None), ("qaa", None)],
)  # fmt: skip
def test_languages(text: str, code: str | None) -> None:
    """Codes of existing languages, in the form that is usual; nothing else."""
    assert code == language_code(text)


def test_limits() -> None:
    """200 competitors, 50 spellings and 255 characters are stored, one more is refused."""
    rivals = [Entity(f"Rival {number}") for number in range(200)]
    check(replace(PROJECT, competitors=rivals))
    assert "a project has at most 200 competitors" == refusal(replace(PROJECT, competitors=[*rivals, Entity("One")]))
    check(replace(PROJECT, brand=Entity("Quipu", tuple(f"Quipu {number}" for number in range(49)))))
    many = Entity("Quipu", tuple(f"Quipu {number}" for number in range(50)))
    assert "'Quipu' may have at most 50 spellings and excluded phrases" == refusal(replace(PROJECT, brand=many))
    check(replace(PROJECT, brand=Entity("q" * 255)))
    assert "at most 255 characters long" in refusal(replace(PROJECT, brand=Entity("Quipu", ("q" * 256,))))
    assert "at most 255 characters long" in refusal(replace(PROJECT, brand=Entity("Quipu", ("\ufdfa" * 15,))))
    check(replace(PROJECT, brand=Entity("Quipu", ("\ufdfa" * 14,))))
    check_prompt(NewPrompt("p" * 4000))
    with pytest.raises(BadInput, match="longer than 4000 characters"):
        check_prompt(NewPrompt("p" * 4001))


def test_a_project_has_so_many_names_in_all() -> None:
    """Spellings, excluded phrases and sites together: reading any answer begins with compiling all of them."""
    words, sites = [f"Model {number}" for number in range(14)], [f"site{number}.example" for number in range(5)]
    brand, *rivals = [Entity(f"Acme {each}", tuple(words[:9]), tuple(sites), tuple(words[9:])) for each in range(100)]
    full = replace(PROJECT, brand=brand, competitors=rivals)
    check(full)
    assert "at most 2000 names" in refusal(replace(full, competitors=[*rivals, Entity("One")]))


def test_what_a_project_has_already_keeps_no_change_from_it() -> None:
    """A host's row beyond the limits can be edited, and made smaller, but not larger."""
    many = replace(PROJECT, country="UK", competitors=[Entity(f"Rival {number}") for number in range(300)])
    check(replace(many, name="Other", competitors=many.competitors[:250]), many)
    assert "at most 200" in refusal(replace(many, competitors=[*many.competitors, Entity("One")]), many)


def test_a_large_project_is_checked_fast() -> None:
    """Names are looked up and not compared pair by pair: each of 3,000 that share a word is looked at once."""
    entities = [Entity("Acme"), *(Entity(f"Acme Model{number}") for number in range(3000))]
    found = doubts(entities, [])
    assert 20 == len([doubt for doubt in found if doubt.term == "Acme" and doubt.kind == "part of another"])
    wrong = problems(replace(PROJECT, brand=entities[0], competitors=entities[1:]))
    assert {
        "a project has at most 200 competitors": 3000,
        "a project has at most 2000 names, excluded phrases and sites in all": 3001,
    } == {each.text: size for each, size in wrong.items()}


def test_prompts_that_say_the_same() -> None:
    """Case, spaces, forms of letters and marks at the ends make no other prompt; words do."""
    same = {prompt_key(text) for text in ("Mejor app", "mejor  app", " ¿MEJOR APP? ", "mejor app.", "ｍejor app")}
    assert 1 == len(same)
    assert prompt_key("mejor app de 2026") != prompt_key("mejor app")
    assert "???" == prompt_key("???")
