"""The service on a fresh database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llm_monitoring.web.pages import measuring
from tests.conftest import Databases
from tests.integration.web.world import World, open_world, two_users


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """The address of a fresh database with Ana and Bea."""
    with databases.clone(two_users(databases)) as url:
        yield url


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page waits for its figures, so that tests do not depend on speed; those of waiting pages set less."""
    monkeypatch.setattr(measuring, "PATIENCE_SECONDS", 60.0)


@pytest.fixture(scope="session")
def steady_world(databases: Databases) -> Iterator[World]:
    """The world of tests that change nothing in it: made once."""
    with databases.clone(two_users(databases)) as url, open_world(url) as made:
        made.service.rate.limit = 1_000_000
        yield made


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """Ana and Bea with a project each, and the service that they call."""
    with open_world(database_url) as made:
        yield made
