"""The service on a fresh database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.web.world import World, open_world


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """Ana and Bea with a project each, and the service that they call."""
    with open_world(database_url) as made:
        yield made
