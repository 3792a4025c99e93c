"""Texts that make careless parsers and patterns explode."""

from __future__ import annotations

import pytest

from llm_monitoring.analysis import Entity, Matcher

UNITS = (
    "<ul><li>a|<table><tr><td>|[|🥇 Holded\n|*a |>|- |a.|a-|a@|<b>a|# Holded\n|Holded no |[a](|e\u0301|a\u200b".split(
        "|"
    )
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
