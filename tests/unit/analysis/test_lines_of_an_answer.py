"""The lines of an answer are read alike, whatever ends them and whatever invisible characters open them."""

from __future__ import annotations

import time

import pytest

from llm_monitoring.analysis import Analysis, Entity, analyse
from llm_monitoring.analysis.text.lines import plain_lines

FORMS = {
    "numbered": "1. Holded\n2. Quipu",
    "bulleted": "- Holded\n- Quipu",
    "headings": "## Holded\n\nFine.\n\n## Quipu\n\nCheap.",
    "table": "| Tool | Score |\n|---|---|\n| Holded | 9 |\n| Quipu | 8 |\nScores of May.",
    "bold": "**Holded**: fine\n\n**Quipu**: cheap",
}
LINE_ENDS = ("\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029")
INVISIBLE = ("\ufeff", "\u200b", "\u200e", "\u200f", "\u202b", "\u2060", "\u2067", "\u00ad")


def read(text: str) -> Analysis:
    return analyse(text, Entity("Quipu"), [Entity("Holded")])


def place(text: str) -> tuple[int | None, int | None, str | None]:
    found = read(text)
    return found.position_in_list, found.total_items_in_list, found.ranking_kind


@pytest.mark.parametrize("kind", FORMS)
def test_any_line_end_ends_a_line(kind: str) -> None:
    """Answers stored on another system, or copied from one, have their rankings."""
    found = {end: place(FORMS[kind].replace("\n", end)) for end in LINE_ENDS}
    assert dict.fromkeys(LINE_ENDS, (2, 2, kind)) == found


@pytest.mark.parametrize("kind", FORMS)
def test_invisible_characters_hide_no_mark(kind: str) -> None:
    """A mark of direction ahead of each line, as right-to-left text has, or of the whole answer changes nothing."""
    lines = FORMS[kind].split("\n")
    found = {char: place("\n".join(f"{char}{line}" for line in lines)) for char in INVISIBLE}
    assert dict.fromkeys(INVISIBLE, (2, 2, kind)) == found


@pytest.mark.parametrize("kind", FORMS)
def test_a_quoted_ranking_is_one(kind: str) -> None:
    """An answer may put all of its list into a quotation."""
    assert (2, 2, kind) == place("\n".join(f"> {line}" for line in FORMS[kind].split("\n")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-\u00a0Holded\n-\u00a0Quipu", (2, 2, "bulleted")),
        ("##\u202fHolded\n\nx\n\n##\u202fQuipu\n\ny", (2, 2, "headings")),
        ("\u00a0\u00a0- Holded\n\u00a0\u00a0- Quipu", (2, 2, "bulleted")),
        ("\u3000\u3000• Holded\n\u3000\u3000• Quipu", (2, 2, "bulleted")),
        ("\u00a0\u00a0\u00a0\u00a01. Holded\n\u00a0\u00a0\u00a0\u00a02. Quipu", (2, 2, "numbered")),
        ("> ✅ Holded\n> ✅ Quipu\n> ❌ Zorb", (2, 3, "bulleted")),
        ("> · Holded\n> · Quipu\n> · Zorb", (2, 3, "bulleted")),
        ("    1. Holded\n    2. Quipu", (None, None, None)),
        ("Holded\u00a0- Quipu\u00a0- Zorb", (None, None, None)),
        ("a > Holded\nb > Quipu\nc > Zorb", (None, None, None)),
    ],
)
def test_other_spaces_and_quotations_hide_no_mark(
    text: str, expected: tuple[int | None, int | None, str | None]
) -> None:
    """Other spaces stand for plain ones around a mark; four plain ones are code, and inside a line is no mark."""
    assert expected == place(text)


def test_a_name_that_a_line_separator_parts_is_read() -> None:
    """A line separator inside a name is a kind of space."""
    assert 1 == analyse("Usa Conta\u2028Azul", Entity("Conta Azul")).mention_count


def test_references_in_a_quotation_are_sources() -> None:
    """Two marks in a row that the parser takes for one link give both of their pages."""
    found = read("> Quipu [1][2].\n>\n> [1]: https://a.example/x\n> [2]: https://b.example/y")
    assert ["https://a.example/x", "https://b.example/y"] == [source["url"] for source in found.sources]


def test_long_runs_of_spaces_take_linear_time() -> None:
    """A line of spaces is looked through once for each of the patterns."""
    text = (" " * 200_000 + "\u200bx\n") + "\u00a0" * 200_000 + "x\n" + "> " * 100_000 + "\u200b|---|\n"
    began = time.process_time()
    assert "x" in plain_lines(text)
    read(text)
    assert time.process_time() - began < 3.0
