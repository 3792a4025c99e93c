"""What each provider refuses, in its own words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors

from llm_monitoring.demo.server.loopback import DemoServer

PROVIDERS = ("openai", "anthropic", "google", "perplexity")


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(keys={name: [f"{name}-good-key-0123456789"] for name in PROVIDERS}) as running:
        yield running


@pytest.mark.parametrize(
    ("provider", "status", "where", "expected"),
    [
        ("openai", 401, ("error", "code"), "invalid_api_key"),
        ("anthropic", 401, ("error", "type"), "authentication_error"),
        ("google", 400, ("error", "status"), "INVALID_ARGUMENT"),
        ("perplexity", 401, ("error", "type"), "invalid_api_key"),
    ],
)
def test_a_wrong_key_is_refused(
    server: DemoServer, plain: Any, provider: str, status: int, where: tuple[str, str], expected: str
) -> None:
    """A key that is not on the list gets the provider's own error and is billed nothing."""
    reply = plain.ask(provider, key=f"{provider}-wrong-key-9876543210")
    assert status == reply.status
    assert expected == reply.json()[where[0]][where[1]]
    assert () == server.bill.lines
    assert plain.ask(provider, key=f"{provider}-good-key-0123456789").status == 200


def test_openai_shows_only_the_ends_of_a_wrong_key(plain: Any) -> None:
    """As the real one does, OpenAI's error names the key's first eight and last four characters."""
    message = plain.ask("openai", key="sk-proj-abcdefghijklmnop-wxyz").json()["error"]["message"]
    assert "sk-proj-" in message
    assert "wxyz" in message
    assert "abcdefghijklmnop" not in message


@pytest.mark.parametrize(
    ("provider", "status"), [("openai", 401), ("anthropic", 401), ("google", 403), ("perplexity", 401)]
)
def test_no_key_is_refused(plain: Any, provider: str, status: int) -> None:
    """A request without a key is refused."""
    assert status == plain.ask(provider, key="").status


def test_google_says_why_a_key_is_refused(server: DemoServer) -> None:
    """google-genai raises ClientError 400 with the reason API_KEY_INVALID."""
    options = genai.types.HttpOptions(base_url=server.url("google"), api_version="v1beta")
    client = genai.Client(api_key="AQ.wrong", http_options=options)
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="gemini-3.8-flash", contents="hi")
    client.close()
    assert 400 == caught.value.code
    assert "API_KEY_INVALID" in str(caught.value.details)


@pytest.mark.parametrize(
    ("provider", "status", "word"),
    [
        ("openai", 404, "model_not_found"),
        ("anthropic", 404, "not_found_error"),
        ("google", 404, "NOT_FOUND"),
        ("perplexity", 400, "invalid_model"),
    ],
)
def test_an_unknown_model_is_refused(plain: Any, provider: str, status: int, word: str) -> None:
    """A model that the provider does not serve gets the provider's own error."""
    reply = plain.ask(provider, model="no-such-model", key=f"{provider}-good-key-0123456789")
    assert status == reply.status
    assert word in str(reply.json())


def test_a_retired_model_no_longer_answers(server: DemoServer) -> None:
    """Anthropic still lists a retired model, but a request that names it fails."""
    client = anthropic.Anthropic(
        api_key="anthropic-good-key-0123456789", base_url=server.url("anthropic"), max_retries=0
    )
    listed = {model.id: model.lifecycle for model in client.models.list()}
    with client, pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="claude-opus-4-1", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    assert "retired" == listed["claude-opus-4-1-20250805"]


def test_perplexity_refuses_any_unknown_field(server: DemoServer) -> None:
    """Perplexity answers 400 to a field that only OpenAI knows, also inside a tool."""
    key = "perplexity-good-key-0123456789"
    tools: Any = [{"type": "web_search", "user_location": {"type": "approximate", "country": "ES"}}]
    with openai.OpenAI(api_key=key, base_url=server.url("perplexity"), max_retries=0) as client:
        with pytest.raises(openai.BadRequestError, match="truncation"):
            client.responses.create(model="perplexity/sonar", input="hi", truncation="auto")
        with pytest.raises(openai.BadRequestError, match="user_location"):
            client.responses.create(model="perplexity/sonar", input="hi", tools=tools)


def test_openai_refuses_temperature_and_tiny_caps(server: DemoServer) -> None:
    """Reasoning models take no temperature, and max_output_tokens starts at 16."""
    key = "openai-good-key-0123456789"
    with openai.OpenAI(api_key=key, base_url=server.url("openai"), max_retries=0) as client:
        with pytest.raises(openai.BadRequestError, match="temperature"):
            client.responses.create(model="gpt-6-luna", input="hi", temperature=0.2)
        with pytest.raises(openai.BadRequestError, match="max_output_tokens"):
            client.responses.create(model="gpt-6-luna", input="hi", max_output_tokens=5)


def test_anthropic_refuses_sampling_on_its_new_version(server: DemoServer) -> None:
    """temperature is an error on version 2026-10-21 and fine on 2023-06-01."""
    key = "anthropic-good-key-0123456789"
    asked: Any = {
        "model": "claude-sonnet-5-5",
        "max_tokens": 900,
        "messages": [{"role": "user", "content": "hi"}],
    }
    with anthropic.Anthropic(api_key=key, base_url=server.url("anthropic"), max_retries=0) as client:
        with pytest.raises(anthropic.BadRequestError, match="temperature"):
            client.messages.create(**asked, extra_body={"temperature": 0.3})
        old = {"anthropic-version": "2023-06-01"}
        assert client.messages.create(**asked, extra_body={"temperature": 0.3}, extra_headers=old).content


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_body_that_is_no_json_is_a_bad_request(plain: Any, provider: str) -> None:
    """A broken request body gets 400, not a closed connection."""
    paths = {
        "openai": "/openai/v1/responses",
        "anthropic": "/anthropic/v1/messages",
        "google": "/google/v1beta/models/gemini-3.8-flash:generateContent",
        "perplexity": "/perplexity/v1/responses",
    }
    reply = plain.send("POST", paths[provider], b"{not json", {"authorization": "Bearer k", "x-goog-api-key": "k"})
    assert 400 == reply.status
    assert "error" in reply.json()
