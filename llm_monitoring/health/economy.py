"""Checks of the cheaper modes that LLM_ECONOMY allows: whether models are sold in them, and what that saves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from llm_monitoring import registry
from llm_monitoring.db import Database, RowErrors
from llm_monitoring.domain import Mode, ProviderName
from llm_monitoring.health.check_result import CheckResult, green, yellow
from llm_monitoring.health.searching import named, projects_with_search
from llm_monitoring.ledger import Budget
from llm_monitoring.process.wording import PROGRAM
from llm_monitoring.projects import Project
from llm_monitoring.providers import asks_in
from llm_monitoring.registry import Model, is_worth, saving_percent
from llm_monitoring.settings import Settings


def modes(db: Database, settings: Settings, budget: Budget) -> Iterator[CheckResult]:
    """One result a provider with a cheaper mode, and what a stop of a run costs then."""
    catalogue, searching = registry.read_catalogue(db, RowErrors()), list(projects_with_search(db))
    for provider, mode in settings.economy.items():
        model = catalogue.current(provider)
        if model is not None:
            affected = [each for each in searching if provider in each.providers and each.pace != "prompt"]
            yield from of_model(model, mode, affected, budget.today())
    if "flex" in settings.economy.values() and settings.on_railway:
        yield yellow(
            "economy",
            f"a flex call may take {settings.flex_timeout_seconds:.0f} s; one that is cut by a stop of the service is "
            "charged its ceiling",
            "set the service's draining seconds above LLM_FLEX_TIMEOUT_SECONDS",
        )


def of_model(model: Model, mode: Mode, searching: list[Project], day: date) -> Iterator[CheckResult]:
    """Whether a current model is asked in a mode, and what that saves; `searching`: the projects with web search."""
    name = f"{model.provider}/{model.model_id}"
    if not asks_in(model.provider, mode):
        yield yellow("economy", f"{model.provider} cannot be asked in {mode} mode", needs(model.provider))
        return
    if model.prices is None or (plain := saving_percent(model.prices.on(day), mode, 0)) is None:
        fix = f"`{PROGRAM} models price {model.provider} {model.model_id} --{mode}-factor FACTOR`, if it is sold so"
        yield yellow("economy", f"{name} has no {mode} factor: it is asked at the standard price", fix)
        return
    searched = saving_percent(model.prices.on(day), mode, 1)
    saves = f"{name} in {mode} mode saves about {plain:.0f} % of an answer without web search"
    yield green("economy", saves if searched is None else f"{saves}, {searched:.0f} % with one search")
    if searching and searched is not None and not is_worth(searched):
        yield yellow(
            "economy",
            f"{mode} mode is not worth it for {name}: it saves {searched:.0f} % in {named(searching)}",
            f"`{PROGRAM} projects edit N --pace prompt`, if these should be asked at once",
        )


def needs(provider: ProviderName) -> str:
    return f"install google-genai, or take {provider} out of LLM_ECONOMY"
