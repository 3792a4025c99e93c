"""The loopback server as a fixture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers.server import Server, running


@pytest.fixture(scope="session")
def running_server() -> Iterator[Server]:
    with running() as started:
        yield started


@pytest.fixture
def server(running_server: Server) -> Server:
    """The server with nothing received and no script yet."""
    running_server.received = []
    running_server.steps = []
    return running_server
