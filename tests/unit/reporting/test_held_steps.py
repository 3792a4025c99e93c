"""What a paced day leaves out, as reports say it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from llm_monitoring.domain import PACING_STEPS, PacingStep
from llm_monitoring.reporting.held_steps import step_text
from llm_monitoring.reporting.markdown import render_markdown
from llm_monitoring.reporting.page import render
from llm_monitoring.reporting.view import view
from llm_monitoring.reporting.words import LANGUAGES, load_words
from llm_monitoring.runs.held_steps import HeldStep
from tests.unit.reporting.scene import material


def held(step: PacingStep, since: date | None = date(2026, 11, 12)) -> HeldStep:
    return HeldStep(1, 1, date(2026, 11, 20), step, since, samples=1, left_out=("perplexity",), asked=12, prompts=30)


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ("sentiment", "el sentimiento de las respuestas no se evalúa, desde el 12 nov 2026"),
        ("samples", "como máximo 1 respuestas por prompt y asistente, desde el 12 nov 2026"),
        ("mode", "todo se pregunta en el modo más barato, desde el 12 nov 2026"),
        (
            "rotation",
            "los prompts se turnan, 12 de 30 el último día (cada uno, cada 2,5 días más o menos), desde el 12 nov 2026",
        ),
        ("providers", "no se pregunta a Perplexity, desde el 12 nov 2026"),
    ],
)
def test_each_step_says_what_is_left_out_since_when(step: PacingStep, text: str) -> None:
    """With its numbers, in the language of the report."""
    assert text == step_text(held(step), load_words("es"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_step(language: str) -> None:
    """None stays without a text, and each says the day."""
    words = load_words(language)
    assert all(words.day(date(2026, 11, 12)) in step_text(held(step), words) for step in PACING_STEPS)


def test_a_report_says_that_less_was_asked() -> None:
    """The page and the Markdown, with what it means for figures; a report of full days says nothing."""
    for shown in (render, render_markdown):
        said = [shown(view(replace(material(), held=steps))) for steps in ((held("sentiment"),), ())]
        assert [True, False] == ["el sentimiento de las respuestas no se evalúa, desde el " in each for each in said]
        assert "los cambios comparan solo lo que se preguntó en ambos periodos" in said[0]
