"""Texts that make careless parsers and patterns explode."""

from __future__ import annotations

import pytest

from llm_monitoring.analysis import Entity, Matcher

UNITS = "[|*a |>|- |a.|a-|a@|<b>a|# Holded\n|Holded no |[a](|e\u0301|a\u200b".split("|")


@pytest.mark.parametrize("unit", UNITS)
def test_hostile_text_is_analysed_to_its_end(unit: str) -> None:
    """However deep or repetitive, the last name of the text is found."""
    text = unit * (100_000 // len(unit)) + "\n\nAcme\n"
    assert 1 == Matcher(Entity("Acme"), [Entity("Holded")]).analyse(text).mention_count
