"""Texts that make careless parsers and patterns explode."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llm_monitoring.analysis import Entity, Matcher
from llm_monitoring.analysis.mentions.matching import Candidate, Search
from llm_monitoring.analysis.mentions.vocabulary import MOST_JOINED, Term

UNITS = (
    *"<ul><li>a|<table><tr><td>|[|🥇 Holded\n|*a |>|- |a.|a-|a@|<b>a|# Holded\n|Holded no |[a](".split("|"),
    *("e\u0301", "a\u200b", "🥇", "citeturn0", "[web:1", "🏆 Holded\n", "\ue200entity\ue202[", "a가 나", "字が"),
)


@pytest.mark.short(every=4)
@pytest.mark.parametrize("unit", UNITS)
def test_hostile_text_is_analysed_to_its_end(unit: str) -> None:
    """However deep or repetitive, the last name of the text is found."""
    text = unit * (100_000 // len(unit)) + "\n\nAcme\n"
    assert 1 == Matcher(Entity("Acme"), [Entity("Holded")]).analyse(text).mention_count


def test_half_an_emoji_costs_no_answer() -> None:
    """A lone surrogate, which models do emit, is one unreadable character."""
    text = "1. Holded \ud83d\n2. **Acme** \ude00 [a](https://acme.com/\ud83d)\n\n| \ud83d |\n|-|\n"
    analysis = Matcher(Entity("Acme"), [Entity("Holded")]).analyse(text, [{"url": "https://a.com/\ud83d"}])
    assert 1 == analysis.mention_count
    assert 2 == analysis.position_in_list
    assert 2 == len(analysis.sources)


NAMES: list[Callable[[int], str]] = [
    lambda number: f"Acme {number}",
    lambda number: f"Acme-{'a-' * 100}{number}",
    lambda number: f"a*{number}",
    lambda number: f"+{number}",
    lambda number: f"不{number}",
]


@pytest.mark.parametrize("name_of", NAMES, ids=["word", "parts", "mark", "symbol", "unspaced"])
def test_the_number_of_names_does_not_multiply_the_work(
    name_of: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of hundreds of names that open alike only those are tried of which the letters stand there."""
    names = [Entity(name_of(number)) for number in range(300)]
    tried: list[Term] = []
    attempt = Search.attempt

    def noted(search: Search, term: Term, position: int, floor: int) -> Candidate | None:
        tried.append(term)
        return attempt(search, term, position, floor)

    monkeypatch.setattr(Search, "attempt", noted)
    text = f"{name_of(0)[:-1]} " * 20 + f"and {name_of(277)}"
    found = Matcher(Entity("Quipu"), names).mentions(text)
    assert name_of(277) == found[-1].entity
    assert len(tried) < 100


def test_a_name_of_many_parts_is_entered_a_few_times() -> None:
    """Its parts may be joined from the first on, as far as anyone joins them."""
    vocabulary = Matcher(Entity("a-" * 120 + "z")).vocabulary
    assert MOST_JOINED == len(vocabulary.by_word)


def test_marks_of_names_are_kept_wherever_they_stand() -> None:
    """Escaped, in another case, next to other marks and at the edges; a letter next to a name is part of the word."""
    matcher = Matcher(Entity("E*TRADE", ("snake_case", "*NSYNC", "ISI_X")), [])
    text = "**e*trade** e\\*Trade, (snake\\_case) _snake_case_ *NSYNC ısı_x İsi_x xsnake_case snake_cases e*trades"
    assert 7 == matcher.analyse(text).mention_count
