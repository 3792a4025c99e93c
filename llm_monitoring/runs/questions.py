"""Builds the questions that are asked: a prompt for a model, and the mentions of an answer for a judge."""

from __future__ import annotations

import secrets
from typing import Final

from llm_monitoring.analysis import JUDGE_INSTRUCTIONS, judge_prompt
from llm_monitoring.domain import Mode, ProviderName, Task
from llm_monitoring.projects import Project
from llm_monitoring.providers import Question, asks_in
from llm_monitoring.registry import Model
from llm_monitoring.settings import Settings

# A verdict is short, but thinking counts as output: recorded replies to short questions hold up to 832 tokens of it.
JUDGE_OUTPUT_TOKENS: Final = 1000


def prompt_question(task: Task, project: Project, model: Model, settings: Settings) -> Question:
    """The user's prompt as written, with the prompt's language and the project's country."""
    searches = model.searches(project.web_search, settings.max_searches)
    return Question(
        prompt=task.prompt,
        model_id=model.model_id,
        max_output_tokens=min(settings.max_output_tokens, model.max_output_tokens or settings.max_output_tokens),
        language=task.language,
        country=project.country,
        web_search=searches > 0,
        max_searches=searches,
        reasoning_effort=model.reasoning_effort,
    )


def first_mode(project: Project, provider: ProviderName, settings: Settings) -> Mode:
    """How a project's calls to a provider are asked first: cheaper if its pace and the operator allow it."""
    mode = settings.economy.get(provider, "standard")
    return mode if project.pace != "prompt" and asks_in(provider, mode) else "standard"


def judge_question(brand: str, contexts: tuple[str, ...], model: Model) -> Question:
    return Question(
        prompt=judge_prompt(brand, contexts, secrets.token_hex(16)),
        model_id=model.model_id,
        max_output_tokens=min(JUDGE_OUTPUT_TOKENS, model.max_output_tokens or JUDGE_OUTPUT_TOKENS),
        instructions=JUDGE_INSTRUCTIONS,
        reasoning_effort=model.reasoning_effort,
    )
