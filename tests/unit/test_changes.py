"""What a new reading changes, put down to spellings."""

from __future__ import annotations

from datetime import date
from typing import Any

from llm_monitoring.analysis import Entity, Matcher
from llm_monitoring.answers.changes import Changes, Reading

NOTHING = {"competitors_mentioned": {}, "mention_count": 0, "brand_mentioned": False}


def changes(text: str, before: Entity, after: Entity, *, kept: bool = True) -> Changes:
    """One answer read with the names of before, then with those of after; `kept`: the former are known."""
    old, new = Matcher(before), Matcher(after)
    row: dict[str, Any] = {
        "id": 1,
        "llm_provider": "openai",
        "analysis_date": date(2026, 11, 1),
        "full_response": text,
        "sentiment_status": "none",
        **NOTHING,
        "mention_count": len(old.mentions(text)),
        "brand_mentioned": bool(old.mentions(text)),
    }
    analysis = new.analyse(text)
    columns = NOTHING | {"mention_count": analysis.mention_count, "brand_mentioned": analysis.brand_mentioned}
    found = Changes()
    earlier = old.mentions(text) if kept else None
    found.add(row, Reading(after.name, columns, analysis.visible_text, new.mentions(text), earlier, before.name))
    return found


def spellings(found: Changes) -> dict[str, int]:
    return {each.spelling: each.difference for change in found.names.values() for each in change.by_size()}


def test_a_mention_that_only_grew_is_neither_gained_nor_lost() -> None:
    """“Quipu” that now reads “Quipu App” is the mention that it was; the alias beside it is the one gained."""
    found = changes("Quipu App y Contamax", Entity("Quipu"), Entity("Quipu", ("Quipu App", "Contamax")))
    assert {"Contamax": 1} == spellings(found)


def test_gains_and_losses_of_one_answer_are_both_told() -> None:
    """An alias that goes and one that comes are told with their signs, though the sum is none."""
    found = changes("Quipu, Uno, Dos, Dos", Entity("Quipu", ("Uno",)), Entity("Quipu", ("Dos",)))
    assert {"Dos": 2, "Uno": -1} == spellings(found)
    assert 1 == found.names["Quipu"].difference


def test_a_renamed_brand_is_the_same_brand() -> None:
    """Mentions by the name of before are lost, those by the new name gained."""
    found = changes("Quipu y Contamax", Entity("Quipu"), Entity("Contamax", ("Max",)))
    assert {} == spellings(found)
    assert 0 == found.names["Contamax"].difference
    longer = changes("Quipu, Contamax, Max", Entity("Quipu"), Entity("Contamax", ("Max",)))
    assert {"Contamax": 1, "Max": 1, "Quipu": -1} == spellings(longer)


def test_spellings_are_one_whatever_their_case() -> None:
    """“MAX” and “Max” are one spelling, written as it was first seen."""
    assert {"MAX": 2} == spellings(changes("MAX o Max", Entity("Quipu"), Entity("Quipu", ("Max",))))


def test_without_the_names_of_before_only_the_sum_is_told() -> None:
    """Where the earlier names are unknown a difference is unexplained, unless nothing counted before."""
    found = changes("Quipu y Max", Entity("Quipu"), Entity("Quipu", ("Max",)), kept=False)
    assert {} == spellings(found)
    assert 1 == found.names["Quipu"].unexplained
    found = changes("Max", Entity("Quipu"), Entity("Quipu", ("Max",)), kept=False)
    assert {"Max": 1} == spellings(found)
    assert 0 == found.names["Quipu"].unexplained
