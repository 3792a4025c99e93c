"""What the steps of a ladder say: logs and digest in Spanish, the command line in English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llm_monitoring.domain import PacingStep
from llm_monitoring.runs.held_steps import HeldStep, PacedDay
from llm_monitoring.runs.reason_texts import Language

STEPS: Final[dict[PacingStep, dict[Language, str]]] = {
    "sentiment": {"es": "sentimiento sin evaluar", "en": "sentiment is not judged"},
    "samples": {"es": "como máximo {samples} muestra(s) por prompt", "en": "at most {samples} sample(s) a prompt"},
    "mode": {"es": "todo en el modo más barato", "en": "everything in the cheaper mode"},
    "rotation": {
        "es": "prompts por turnos, {asked} de {prompts} el {day}{every}",
        "en": "prompts in turns, {asked} of {prompts} on {day}{every}",
    },
    "providers": {"es": "sin preguntar a {left_out}", "en": "{left_out} not asked"},
}
EVERY: Final[dict[Language, str]] = {
    "es": " (cada uno, cada {days} días de media)",
    "en": " (each every {days} days on average)",
}
SINCE: Final[dict[Language, str]] = {"es": ", desde el {since}", "en": ", since {since}"}
SHORT: Final[dict[Language, str]] = {
    "es": "la escalera no basta para que el presupuesto dure el mes: el {day} cuesta unos ${expected:.4f} de los "
    "${allowed:.4f} que le tocan",
    "en": "the ladder does not make the budget last: {day} costs about {expected:.4f} USD of an allowance of "
    "{allowed:.4f} USD",
}


def step_text(held: HeldStep, language: Language) -> str:
    """A step with what it leaves out and since when."""
    every = EVERY[language].format(days=f"{held.prompts / held.asked:.1f}") if held.asked else ""
    text = STEPS[held.step][language].format(
        samples=held.samples,
        asked=held.asked,
        prompts=held.prompts,
        day=held.day,
        every=every,
        left_out=", ".join(held.left_out),
    )
    return text if held.since is None else text + SINCE[language].format(since=held.since)


def steps_text(steps: Sequence[HeldStep], language: Language) -> str:
    """The steps of one project in one sentence."""
    return "; ".join(step_text(held, language) for held in steps)


def shortage_text(day: PacedDay, language: Language) -> str:
    """That a ladder does not save enough."""
    return SHORT[language].format(day=day.day, expected=day.expected_usd, allowed=day.day_usd)
