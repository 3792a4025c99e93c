"""A demo server in this process, the SDKs that talk to it, and a plain client for what the SDKs hide."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from llm_monitoring.demo.server.loopback import DemoServer

if TYPE_CHECKING:
    import anthropic
    import openai
    from google import genai

MODELS = {
    "openai": "gpt-6.1-terra",
    "anthropic": "claude-sonnet-5-5",
    "google": "gemini-3.8-flash",
    "perplexity": "perplexity/sonar",
}


DAY = date(2026, 11, 23)  # answers are another day's dice, and a model may search or not


@dataclass(frozen=True)
class Answered:
    """A raw reply."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Plain:
    """A plain HTTP client on one keep-alive connection."""

    port: int
    timeout: float = 10.0
    connection: HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answered:
        raw = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.connection.request(method, path, raw, headers or {})
        reply = self.connection.getresponse()
        return Answered(reply.status, {n.lower(): v for n, v in reply.getheaders()}, reply.read())

    def ask(self, provider: str, prompt: str = "best crm?", *, key: str = "k-1", model: str = "") -> Answered:
        """Send the smallest generation request of a provider."""
        name, headers = model or MODELS[provider], {"authorization": f"Bearer {key}"}
        match provider:
            case "openai":
                return self.send("POST", "/openai/v1/responses", {"model": name, "input": prompt}, headers)
            case "perplexity":
                return self.send("POST", "/perplexity/v1/responses", {"model": name, "input": prompt}, headers)
            case "anthropic":
                body = {"model": name, "max_tokens": 900, "messages": [{"role": "user", "content": prompt}]}
                headers |= {"anthropic-version": "2026-10-21"}
                return self.send("POST", "/anthropic/v1/messages", body, headers)
        path = f"/google/v1beta/models/{name}:generateContent"
        return self.send("POST", path, {"contents": [{"parts": [{"text": prompt}]}]}, {"x-goog-api-key": key})


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(epoch=DAY) as running:
        running.set_day(DAY)
        yield running


@pytest.fixture
def plain(server: DemoServer) -> Iterator[Plain]:
    client = Plain(server.port)
    yield client
    client.connection.close()


@pytest.fixture
def openai_client(server: DemoServer) -> Iterator[openai.OpenAI]:
    import openai

    with openai.OpenAI(api_key="sk-test-0123456789-wxyz", base_url=server.url("openai"), max_retries=0) as client:
        yield client


@pytest.fixture
def perplexity_client(server: DemoServer) -> Iterator[openai.OpenAI]:
    import openai

    with openai.OpenAI(api_key="pplx-test", base_url=server.url("perplexity"), max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(server: DemoServer) -> Iterator[anthropic.Anthropic]:
    import anthropic

    with anthropic.Anthropic(api_key="sk-ant-test", base_url=server.url("anthropic"), max_retries=0) as client:
        yield client


@pytest.fixture
def google_client(server: DemoServer) -> Iterator[genai.Client]:
    from google import genai
    from google.genai import types

    options = types.HttpOptions(base_url=server.url("google"), api_version="v1beta", timeout=10_000)
    client = genai.Client(api_key="AQ.test", http_options=options)
    yield client
    client.close()
