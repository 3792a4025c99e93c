"""What is left out of a project's day so that a budget lasts the month, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from llm_monitoring.reporting.words import Words
from llm_monitoring.runs.held_steps import HeldStep


def step_text(held: HeldStep, words: Words) -> str:
    """A step with what it leaves out and since when."""
    text = words.say(
        f"held_{held.step}",
        samples=words.number(held.samples),
        asked=words.number(held.asked),
        prompts=words.number(held.prompts),
        providers=", ".join(words.provider(name) for name in held.left_out),
    )
    if held.step == "rotation" and held.asked:
        text += " " + words.say("held_every", days=words.number(Decimal(held.prompts) / held.asked, 1))
    return text if held.since is None else text + ", " + words.say("held_since", day=words.day(held.since))


def steps_text(steps: Iterable[HeldStep], words: Words) -> str:
    """All steps of a project in one sentence."""
    return "; ".join(step_text(held, words) for held in steps) + "."
