"""The parts of which pages are made, rendered without a service."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from markupsafe import Markup

from llm_monitoring.figures import Change
from llm_monitoring.reporting.period_view import PeriodFigure
from llm_monitoring.web.pages.rendering import environment
from llm_monitoring.web.pages.words import page_words

CHANGE = Change(
    "mention_rate", None, Decimal("40.00"), Decimal("46.00"), Decimal("6.00"), Decimal("1.20"), Decimal("10.80"),
    12, 40, "up", Decimal("95.00"),
)  # fmt: skip
FOUND = PeriodFigure(Decimal("43.21"), Decimal("39.10"), Decimal("47.60"), 1234, 12, CHANGE)


def draw(call: str, language: str = "es", **data: Any) -> str:
    source = f'{{% from "parts.html" import figure, figure_cell, counted, verdict with context %}}{{{{ {call} }}}}'
    return environment().from_string(source).render(w=page_words(language), **data)


@pytest.mark.parametrize("call", ["figure(found, 'percent', href)", "figure_cell(found, 'percent', href)"])
def test_a_figure_links_to_what_it_counts(call: str) -> None:
    """A figure names how many answers it counts, and where they are listed."""
    assert 'data-n="1234" href="/a?x=1&amp;y=2"' in draw(call, found=FOUND, href="/a?x=1&y=2")


def test_a_figure_says_its_interval_basis_and_verdict() -> None:
    """Value, interval, answers, prompts and verdict stand in the card, in the page's language."""
    text = Markup(draw("figure(found, 'percent', '/a')", found=FOUND)).striptags()
    assert [] == [
        each
        for each in ("43,2 %", "39,1–47,6 %", "1234 respuestas a 12 preguntas", "+6,0 puntos (entre +1,2 y +10,8)")
        if each not in text.replace("\N{NO-BREAK SPACE}", " ")
    ]


def test_a_figure_without_a_value_links_nowhere() -> None:
    """What was not measured is no link, and says why."""
    drawn = draw("figure(found, 'percent', '/a', 'no site')", found=PeriodFigure())
    assert "<a" not in drawn
    assert "no site" in drawn


def test_text_of_others_stays_text() -> None:
    """Markup and marks that turn the direction do not reach a page."""
    drawn = draw("counted(text, 3, '/a')", text="<script>\u202e")
    assert "<script>" not in drawn
    assert "\u202e" not in drawn
