"""A request of a batch may take minutes: a process that is asked to stop does not wait for it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from threading import Event, Timer

import pytest

from llm_monitoring.domain import ProviderName
from llm_monitoring.providers import BatchClient, ProviderUnavailable, open_batches, transport
from tests.providers.batches import BATCH_PROVIDERS, OUR_BATCH, requests
from tests.providers.server import KEY

LONG = "x" * 2_000_000


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections, and neither reads nor answers."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


@pytest.fixture(params=BATCH_PROVIDERS)
def batches(request: pytest.FixtureRequest, silent: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchClient]:
    """The batch calls at the silent server, stopped after a moment."""
    monkeypatch.setattr(transport, "STOPPED_SECONDS", 0.3)
    monkeypatch.setattr(transport, "SLICE_SECONDS", 0.05)
    stop, name = Event(), request.param
    timer = Timer(0.2, stop.set)
    with closing(open_batches(name, KEY, base_url=silent, timeout_seconds=60.0, total_seconds=60.0, stop=stop)) as made:
        timer.start()
        yield made
    timer.cancel()


def test_a_stop_ends_the_wait_for_a_reply(batches: BatchClient) -> None:
    """A look that is not answered: whether there is a batch stays unknown."""
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="no reply"):
        batches.get("batch_1")
    assert time.monotonic() - began < 20


def test_a_stop_ends_an_upload_that_is_not_taken(batches: BatchClient) -> None:
    """The creation, or the upload, of many prompts to a server that reads nothing: it is perhaps charged."""
    began, long = time.monotonic(), requests(batches.name, prompt=LONG)
    with pytest.raises(ProviderUnavailable, match="no reply") as raised:
        batches.upload(OUR_BATCH, long) or batches.create(OUR_BATCH, long, None)
    assert "maybe" == raised.value.billed
    assert time.monotonic() - began < 20


@pytest.mark.ci
@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_a_silent_server_ends_a_request_without_a_stop(silent: str, name: ProviderName) -> None:
    """The longest time without a byte ends it, although its socket operations wait in slices."""
    with closing(open_batches(name, KEY, base_url=silent, timeout_seconds=0.8, stop=Event())) as made:
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable, match="ReadTimeout"):
            made.get("batch_1")
        assert 0.7 <= time.monotonic() - began < 20
