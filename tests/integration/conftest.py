"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.environment import Environment, open_environment


@pytest.fixture
def environment(database_url: str) -> Iterator[Environment]:
    """An environment without latency on a fresh database."""
    with open_environment(database_url) as made:
        yield made
