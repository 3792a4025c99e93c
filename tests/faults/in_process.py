"""Daily runs in the test's own process, where the clock of retries and breakers can be shortened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, Final

import pytest

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.app import App
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.runs import call_errors, daily, limits, report, runner
from llm_monitoring.settings.fields import load_settings
from tests.environment import Environment

TODAY: Final = date(2026, 11, 23)


def run_day(environment: Environment, day: date = TODAY, /, **variables: str) -> report.DayReport:
    """One daily run in this process."""
    named = {**environment.server.environment(), **environment.operator, "LLM_SENTIMENT": "false", **variables}
    settings = load_settings(named, dotenv=False)
    app = App(environment.db, environment.budget, environment.store, settings)
    return daily.run_day(app, daily.RunRequest(day))


def ask(
    environment: Environment, user: int, prompts: Sequence[str], providers: Sequence[ProviderName] = PROVIDERS
) -> int:
    """A project with these prompts."""
    new = projects.NewProject(user, f"P{user}", Entity("Quipu"), "software", [Entity("Holded")], providers=providers)
    project = projects.add(environment.db, new)
    projects.add_prompts(environment.db, project, prompts)
    return project


@contextmanager
def impatient(**limit: Any) -> Iterator[None]:
    """Retries wait hundredths of a second and breakers a twentieth; `limit` sets further constants of `limits`."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (runner, call_errors):
            patch.setattr(module, "backoff", lambda tries: 0.01)
        for name, value in {"COOL_DOWN_SECONDS": (0.05, 0.05, 0.05), **limit}.items():
            patch.setattr(limits, name, value)
        yield
