"""A run's batches on a fresh database, at a provider in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.environment import open_environment
from tests.integration.batches.in_memory import Scene

PROMPTS = 24


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    """A user with a project of PROMPTS prompts, of which batches have brought answers before."""
    with open_environment(database_url) as environment:
        user = environment.add_user(providers=["anthropic"])
        environment.add_numbered_project(user, PROMPTS, ["anthropic"])
        scene = Scene(environment)
        scene.prove()
        yield scene
