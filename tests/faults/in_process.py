"""Daily runs in the test's own process, where the clock of retries and breakers can be shortened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.app import App
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.runs import daily, limits, report, runner
from llm_monitoring.settings.fields import load_settings
from tests.faults.nursery import Nursery
from tests.faults.scene import PREFIXES, Scene, staged

TODAY: Final = date(2026, 11, 23)


@contextmanager
def staged_here(url: str, folder: Path, random: Random, **server: float) -> Iterator[Scene]:
    """A scene whose runs are not processes of their own."""
    with staged(url, folder, Nursery(folder), random, **server) as scene:
        yield scene


def run_day(scene: Scene, **environment: str) -> report.DayReport:
    """One daily run in this process."""
    named = {**scene.server.environment(), **scene.operator, "LLM_SENTIMENT": "false", **environment}
    settings = load_settings(named, dotenv=False)
    app = App(scene.db, scene.budget, scene.store, settings)
    return daily.run_day(app, daily.RunRequest(TODAY))


def ask(scene: Scene, user: int, prompts: Sequence[str], providers: Sequence[ProviderName] = PROVIDERS) -> int:
    """A project with these prompts."""
    new = projects.NewProject(user, f"P{user}", Entity("Quipu"), "software", [Entity("Holded")], providers=providers)
    project = projects.add(scene.db, new)
    projects.add_prompts(scene.db, project, prompts)
    return project


def key_of(scene: Scene, user: int, provider: ProviderName) -> str:
    """The key in the clear of a user for a provider."""
    return next(key for key, owner in scene.keys.items() if owner == user and key.startswith(PREFIXES[provider]))


@contextmanager
def impatient(**limit: Any) -> Iterator[None]:
    """Retries wait hundredths of a second and breakers a twentieth; `limit` sets further constants of `limits`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "backoff", lambda tries: 0.01)
        for name, value in {"COOL_DOWN_SECONDS": (0.05, 0.05, 0.05), **limit}.items():
            patch.setattr(limits, name, value)
        yield
