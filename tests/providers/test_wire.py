"""The line under the SDKs holds its rules whatever an SDK tries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.providers import AuthFailed, BadRequest, ProviderUnavailable
from llm_monitoring.providers.transport import HttpTransport
from tests.providers.server import KEY, Server, hangs, question, says


@pytest.fixture
def wire(server: Server) -> Iterator[HttpTransport]:
    opened = HttpTransport(
        "openai",
        KEY,
        base_url=server.url + "/v1",
        headers={"authorization": f"Bearer {KEY.reveal()}"},
        timeout_seconds=0.2,
        total_seconds=5.0,
    )
    yield opened
    opened.close()


def test_second_request_is_stopped(server: Server, wire: HttpTransport) -> None:
    """An SDK that asks twice in one call is stopped, and the first reply is the reply."""

    def asks_twice() -> None:
        wire.http.post(f"{server.url}/v1/first")
        wire.http.post(f"{server.url}/v1/second")

    server.script(says("first"), says("second"))
    assert wire.exchange(asks_twice).body == b"first"
    assert [r.path for r in server.received] == ["/v1/first"]


@pytest.mark.parametrize("path", ["/v2/responses", "/", "/v10/x"])
def test_other_address_is_refused(server: Server, wire: HttpTransport, path: str) -> None:
    """A request outside the base URL is not sent, and costs nothing."""
    server.script(says("{}"))
    with pytest.raises(ProviderUnavailable, match="instead of") as caught:
        wire.exchange(lambda: wire.http.post(server.url + path))
    assert "no" == caught.value.billed
    assert server.received == []


def test_our_timeout_holds(server: Server, wire: HttpTransport) -> None:
    """An SDK that would wait for ever waits as long as we say."""
    server.script(hangs(1.0))
    with pytest.raises(ProviderUnavailable, match="ReadTimeout") as caught:
        wire.exchange(lambda: wire.http.post(f"{server.url}/v1/x", timeout=None))
    assert caught.value.billed == "maybe"


def test_call_without_a_request(wire: HttpTransport) -> None:
    """An SDK that refuses its arguments has sent nothing, and says why without the key."""

    def refuses() -> None:
        raise ValueError(f"no good: {KEY.reveal()}")

    with pytest.raises(BadRequest, match=r"ValueError: no good: \*\*\*") as caught:
        wire.exchange(refuses)
    assert caught.value.billed == "no"


def test_any_error_before_a_request_is_a_refused_call(wire: HttpTransport) -> None:
    """An error that no SDK is known for is named, and nothing was sent."""
    with pytest.raises(BadRequest, match="ZeroDivisionError") as caught:
        wire.exchange(lambda: 1 / 0)
    assert caught.value.billed == "no"


@pytest.mark.parametrize("error", [RecursionError, MemoryError, AssertionError, KeyError])
def test_the_status_decides_whatever_the_sdk_raises(
    server: Server, wire: HttpTransport, error: type[Exception]
) -> None:
    """Once a reply is there, its status says what it means, also if the SDK breaks on it."""

    def breaks() -> None:
        wire.http.post(f"{server.url}/v1/x")
        raise error

    server.script(says("[" * 200_000, 401))
    with pytest.raises(AuthFailed) as caught:
        wire.exchange(breaks)
    assert caught.value.billed == "no"


def test_request_outside_a_call(server: Server, wire: HttpTransport) -> None:
    """Nothing is sent but by a call that is watched."""
    server.script(says("{}"))
    with pytest.raises(LookupError):
        wire.http.get(f"{server.url}/v1/x")
    assert server.received == []


def test_endless_body(server: Server, wire: HttpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that outgrows every answer is left before it fills the memory."""
    monkeypatch.setattr("llm_monitoring.providers.bodies.MAX_BODY_BYTES", 1000)
    server.script(says("x" * 1001))
    with pytest.raises(ProviderUnavailable, match="longer than") as caught:
        wire.exchange(lambda: wire.http.get(f"{server.url}/v1/x"))
    assert caught.value.billed == "maybe"


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("what", ["answer", "models"])
def test_a_refusal_that_breaks_the_sdk_is_a_refusal(server: Server, name: ProviderName, what: str) -> None:
    """A 401 with a body that is nested too deep is a refused key, for a call and for the list of models."""
    server.script(says("[" * 200_000, 401))
    provider = server.open(name)
    with pytest.raises(AuthFailed) as caught:
        provider.send(question(name)) if what == "answer" else provider.list_models()
    assert caught.value.billed == "no"
