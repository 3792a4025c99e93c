"""Google through google-generativeai, if that package is installed instead of google-genai."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from llm_monitoring.domain import Usage
from llm_monitoring.providers import (
    AuthFailed,
    BadRequest,
    BadResponse,
    ModelNotFound,
    Provider,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Refused,
    has_google_genai,
    read_reply,
)
from tests.providers.server import (
    KEY,
    Server,
    Step,
    cuts,
    drips,
    hangs,
    question,
    recorded,
    replies,
    resets,
    says,
)
from tests.providers.test_secrets import ECHO_JSON, holds_key, whole_story

pytestmark = [
    pytest.mark.skipif(
        find_spec("google") is None or find_spec("google.generativeai") is None,
        reason="google-generativeai is not installed (requirements-google-legacy.txt)",
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def provider(server: Server) -> Iterator[Provider]:
    from llm_monitoring.providers.google_legacy import GoogleLegacyProvider

    opened = GoogleLegacyProvider(KEY, base_url=server.url + "/google", timeout_seconds=0.5, total_seconds=0.8)
    yield opened
    opened.close()


def test_it_stands_in_where_google_genai_is_missing(server: Server) -> None:
    """This package is used only if the newer one is not installed."""
    expected = "GoogleProvider" if has_google_genai() else "GoogleLegacyProvider"
    assert type(server.open("google")).__name__ == expected


def test_request(server: Server, provider: Provider) -> None:
    """The prompt goes out as written, with instruction, cap and key, once."""
    server.script(replies("google_plain"))
    provider.send(question("google", language="es"))
    (request,) = server.received
    assert "POST" == request.method
    assert "/google/v1beta/models/gemini-3.8-flash:generateContent" == request.path
    assert request.headers["x-goog-api-key"] == KEY.reveal()
    instruction = "Answer in the language with the ISO 639-1 code 'es'."
    assert request.json["contents"] == [{"parts": [{"text": "¿Qué software?"}], "role": "user"}]
    assert request.json["generationConfig"] == {"maxOutputTokens": 900}
    assert request.json["systemInstruction"]["parts"] == [{"text": instruction}]


@pytest.mark.parametrize("change", [{"web_search": True, "max_searches": 3}, {"reasoning_effort": "low"}])
def test_what_the_package_cannot_do(server: Server, provider: Provider, change: dict[str, Any]) -> None:
    """Options that the package would ignore silently are refused before anything is sent."""
    with pytest.raises(BadRequest, match="install google-genai") as caught:
        provider.send(question("google", **change))
    assert "no" == caught.value.billed
    assert server.received == []


def test_reply(server: Server, provider: Provider) -> None:
    """The reply is kept as it came, and read with its thoughts, which the package's own types drop."""
    server.script(replies("google_cached"))
    reply = provider.send(question("google"))
    assert reply.body == recorded("google_cached")
    assert read_reply("google", reply).usage == Usage(2200, 750, cached_tokens=2048, reasoning_tokens=640)


def test_new_reasons_keep_their_name(server: Server, provider: Provider) -> None:
    """A reason to stop that is newer than the package is still understood."""
    body = recorded("google_blocked_answer").replace(b'"SAFETY"', b'"MODEL_ARMOR"')
    server.script(says(body))
    with pytest.raises(Refused, match="MODEL_ARMOR"):
        read_reply("google", provider.send(question("google")))


def document(status: int, name: str) -> str:
    """Google's own error document."""
    return json.dumps({"error": {"code": status, "message": "Refused", "status": name}})


@pytest.mark.parametrize(
    ("step", "kind", "billed"),
    [
        (says("{}", 400), BadRequest, "no"),
        (says("{}", 401), AuthFailed, "no"),
        (says(document(403, "PERMISSION_DENIED"), 403), AuthFailed, "no"),
        (says(document(404, "NOT_FOUND"), 404), ModelNotFound, "no"),
        (says("{}", 403), BadRequest, "no"),
        (says("{}", 404), BadRequest, "no"),
        (says("{}", 429, retry_after="7"), RateLimited, "no"),
        (says("{}", 500), ProviderUnavailable, "maybe"),
        (says("{}", 503, retry_after="7"), ProviderUnavailable, "maybe"),
        (says("{}", 529), ProviderUnavailable, "maybe"),
        (says("", 302, location="/elsewhere"), BadRequest, "no"),
        (resets, ProviderUnavailable, "maybe"),
        (cuts(b"{"), ProviderUnavailable, "maybe"),
        (hangs(1.0), ProviderUnavailable, "maybe"),
        (drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" ", 2.0), ProviderUnavailable, "maybe"),
    ],
    ids=[
        *("400", "401", "403", "404", "403, no document", "404, no document", "429", "500", "503", "529", "302"),
        *("reset", "cut", "silence", "drip"),
    ],
)
def test_faults(server: Server, provider: Provider, step: Step, kind: type[ProviderError], billed: str) -> None:
    """Every fault is the same error and charge as with the newer package, after one request."""
    server.script(step)
    with pytest.raises(ProviderError) as caught:
        provider.send(question("google"))
    assert type(caught.value) is kind
    assert caught.value.billed == billed
    assert len(server.received) == 1
    assert (7.0 if caught.value.status in (429, 503) else None) == getattr(caught.value, "retry_after", None)


@pytest.mark.parametrize("body", ["<html></html>", "{}", "null", "[]", '{"candidates": [{'])
def test_garbage(server: Server, provider: Provider, body: str) -> None:
    """Any body under a 200 is kept first, and then refused as an answer."""
    server.script(says(body))
    reply = provider.send(question("google"))
    assert reply.body == body.encode()
    with pytest.raises(BadResponse) as caught:
        read_reply("google", reply)
    assert caught.value.billed == "maybe"


def test_listing(server: Server, provider: Provider) -> None:
    """All pages are read, and only what generates text is kept."""
    server.script(replies("google_models_1"), replies("google_models_2"))
    expected = ["gemini-4-argon", "gemini-3.8-flash", "gemini-flash-latest", "gemini-3.5-flash-lite"]
    assert [m.model_id for m in provider.list_models()] == expected
    assert len(server.received) == 2


@pytest.mark.parametrize("body", ["{}", "null", "<html></html>", '{"models": []}'])
def test_nonsense_lists(server: Server, provider: Provider, body: str) -> None:
    """A list that is empty or cannot be read is a failure."""
    server.script(says(body))
    with pytest.raises(BadResponse):
        provider.list_models()


def test_environment_and_process_do_not_steer(
    server: Server, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a variable nor the host application's own `configure` changes the key that pays."""
    import google.generativeai as genai

    monkeypatch.setenv("GOOGLE_API_KEY", "AIzaOther")
    monkeypatch.setenv("GEMINI_API_KEY", "AIzaOther2")
    genai.configure(api_key="AIzaHost", transport="rest", client_options={"api_endpoint": "127.0.0.1:9"})
    server.script(replies("google_plain"))
    assert provider.send(question("google")).status == 200
    assert server.received[0].headers["x-goog-api-key"] == KEY.reveal()
    host = import_module("google.generativeai.client")._client_manager
    assert host.client_config["client_options"].api_key == "AIzaHost"


def test_errors_hold_no_key(server: Server, provider: Provider) -> None:
    """Not even the locals of a traceback give the key away."""
    server.script(says(ECHO_JSON, 401))
    with pytest.raises(AuthFailed) as caught:
        provider.send(question("google"))
    assert not holds_key(whole_story(caught.value))
