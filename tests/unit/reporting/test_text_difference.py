"""The difference of two texts: right for people, and bounded for texts that were made to take long."""

from __future__ import annotations

import random

import pytest

from llm_monitoring.reporting.text_difference import LONGEST_COMPARED, TextDifference, difference


def written(found: TextDifference) -> list[str]:
    """The lines with [-removed-] and {+added+} words."""
    marks = {"same": "{}", "added": "{{+{}+}}", "removed": "[-{}-]"}
    return [
        "".join(marks[each.kind].format(each.text) for each in line.stretches)
        if line.stretches
        else f"… {line.skipped}"
        for line in found.lines
    ]


def test_words_that_changed_are_marked() -> None:
    """Within their line, with the line before and after; the others are counted."""
    before = "Uno\nDos\nTres\nHolded es la mejor opción.\nCinco\nSeis\nSiete"
    after = before.replace("Holded es la mejor", "Quipu es una buena")
    assert [
        "… 2",
        "Tres",
        "[-Holded-]{+Quipu+} es [-la mejor-]{+una buena+} opción.",
        "Cinco",
        "… 2",
    ] == written(difference(before, after))


def test_lines_that_came_and_went() -> None:
    """Whole lines are added and removed as such."""
    assert ["Uno", "[-Dos-]", "Tres", "{+Cuatro+}"] == written(difference("Uno\nDos\nTres", "Uno\nTres\nCuatro"))
    assert ["{+Todo+}"] == written(difference("", "Todo"))


def test_equal_texts_are_the_same() -> None:
    """Nothing is marked."""
    found = difference("Uno\nDos", "Uno\nDos")
    assert found.is_same is True
    assert found.is_cut is False
    assert ["… 2"] == written(found)


@pytest.mark.short("few lines")
@pytest.mark.parametrize("kind", ["one word", "few words", "few lines", "one line", "all different"])
def test_a_megabyte_is_compared_in_bounded_time(kind: str) -> None:
    """Texts that repeat themselves, in one line and in many, are cut and shown whole where they are too long."""
    draw = random.Random(kind)
    words = {"one word": "a", "few words": "a b", "few lines": "a b c d e", "one line": "a b c", "all different": ""}

    def text() -> str:
        if not words[kind]:
            return "\n".join(str(draw.random()) for _ in range(50_000))
        end = " " if kind in ("one line", "one word") else "\n"
        return "".join(draw.choice(words[kind].split()) + end for _ in range(500_000))

    found = difference(text(), text())
    assert found.is_cut
    assert sum(len(each.text) for line in found.lines for each in line.stretches) <= 2 * LONGEST_COMPARED


def test_both_texts_can_be_read_off_the_difference() -> None:
    """What is not added is the earlier text, what is not removed the later one, for random texts."""
    draw, words = random.Random(7), "uno dos tres.\n cuatro, cinco".split(" ")
    for _ in range(200):
        texts = [" ".join(draw.choices(words, k=draw.randrange(1, 25))) for _ in "ab"]
        found = difference(*texts)
        if any(line.skipped for line in found.lines):
            continue
        for kind, text in zip(("removed", "added"), texts, strict=True):
            own = [each.text for line in found.lines for each in line.stretches if each.kind in ("same", kind)]
            assert "".join(text.split()) == "".join("".join(own).split())
