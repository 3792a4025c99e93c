"""What holds for the places of any answer built of lists, tables, headings, cards and medals, cut at any point."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_monitoring.analysis import Analysis, Entity, Matcher

MATCHER = Matcher(Entity("Kordio"), [Entity("Velmaro"), Entity("Tinquay"), Entity("Sablix")])
NAMES = ("Kordio", "Velmaro", "Tinquay", "Sablix", "Ostika", "Melbu One", "hojas de cálculo", "Velmaro Kordio", "")
DRESSES = (
    "{}", "**{}**", "[{}](https://a.example)", "**[{}](https://a.example)**", "*{}*", "<b>{}</b>", "**Best: {}**",
    "`{}`", "**{}'s price**", "Open {}", "**Choose {} if**", "{} is quick", "The {} is big", "**vs. {} ($9):**",
    "{} Strengths", "¿{}?", "**{} and Velmaro**", "**{} i Velmaro**", "{}は人気です", "{}に登録する", "**{}",
    "[{}](", "{}: $9", "{} – nice.",
)  # fmt: skip
LANGUAGES = (None, "en", "es", "ca", "da", "pl", "ja", "ko", "??")
ITEMS = st.lists(st.builds(str.format, st.sampled_from(DRESSES), st.sampled_from(NAMES)), min_size=1, max_size=5)


def marked(*marks: str) -> Callable[[list[str]], str]:
    """What writes items a line, each after its mark."""
    return lambda items: "\n".join(f"{mark}{item}" for mark, item in zip(marks, items, strict=False))


def nested(items: list[str]) -> str:
    """Items as options under two categories."""
    return "1. **For teams**\n" + "\n".join(f"   - {item}" for item in items) + "\n2. **For one**\n   - Sablix\n"


def table(items: list[str]) -> str:
    """Items as the rows of a table of ranks."""
    rows = "\n".join(f"| {place} | {item} | $9 |" for place, item in enumerate(items, 1))
    return f"| # | Name | Price |\n|---|---|---|\n{rows}"


WRITERS = (
    marked("1. ", "2. ", "3. ", "4. ", "5. "), marked("1) ", "1) ", "1) ", "1) ", "1) "), marked(*["- "] * 5),
    marked("a) ", "b) ", "c) ", "d) ", "e) "), marked("🥇 ", "🥈 ", "🥉 ", "4. ", "5. "), marked(*["・"] * 5),
    marked(*["✅ "] * 5), marked(*["\n### "] * 5), marked(*["\n"] * 5),
    marked("\n## 1. ", "\n## 2. ", "\n## 3. ", "\n## 4. ", "\n## 5. "),
    marked(*["\n[A page](https://a.example)\n"] * 5), marked(*["| "] * 5), nested, table,
)  # fmt: skip
COUNTDOWN = marked("5. ", "4. ", "3. ", "2. ", "1. ")
FLAT = (COUNTDOWN, *(write for write in WRITERS if write is not nested))
OTHERS = st.sampled_from(
    ["**Pros:**", "## Sources", "Some words on Kordio.", "| a | b |\n|-|-|", "---", "```", "<div>"]
)


@st.composite
def analyses(draw: st.DrawFn, *, broken: bool) -> Analysis:
    """The analysis of blocks in a row, cut somewhere; broken ones also count down and run into each other."""
    writers = (*WRITERS, COUNTDOWN) if broken else WRITERS
    written = st.builds(lambda write, items: write(items), st.sampled_from(writers), ITEMS)
    between = draw(st.sampled_from(["\n\n", "\n"])) if broken else "\n\n"
    text = between.join(draw(st.lists(st.one_of(written, OTHERS), min_size=1, max_size=4)))
    cut = draw(st.integers(0, len(text)))
    return MATCHER.analyse(text[: len(text) - cut // 3], language=draw(st.sampled_from(LANGUAGES)))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(analyses(broken=True))
def test_a_place_has_a_kind_and_a_total_of_two_or_more(analysis: Analysis) -> None:
    """Position, total and kind are there together, and a ranking has at least two items."""
    facts = (analysis.position_in_list, analysis.total_items_in_list, analysis.ranking_kind)
    assert facts == (None, None, None) or None not in facts
    assert analysis.total_items_in_list is None or analysis.total_items_in_list >= 2


@settings(max_examples=100, deadline=None, derandomize=True)
@given(analyses(broken=False))
def test_a_place_is_no_greater_than_the_total(analysis: Analysis) -> None:
    """In lists that count from one, a place lies within the list."""
    assert analysis.position_in_list is None or 1 <= analysis.position_in_list <= (analysis.total_items_in_list or 0)


@pytest.mark.parametrize("write", FLAT, ids=range(len(FLAT)))
@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.sampled_from(["Kordio", "**Kordio**"]), st.sampled_from(["", "hojas de cálculo", "the price"]))
def test_one_name_alone_is_not_ranked(write: Callable[[list[str]], str], name: str, other: str) -> None:
    """Whatever the form, a block that names one option gives it no place."""
    assert MATCHER.analyse(write([name, other])).position_in_list is None
