"""Requests: the form of each provider's request, sent once, for the right account."""

from __future__ import annotations

from typing import Any

import pytest

from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.providers import BadRequest, ProviderError, ProviderUnavailable, open_provider, read_reply
from tests.providers.server import KEY, PATHS, Received, Server, hangs, question, replies, resets, says

INSTRUCTION = (
    "Answer in the language with the ISO 639-1 code 'es'. The user is in the country with the ISO 3166-1 code 'ES'."
)

FULL: dict[str, Any] = {
    "web_search": True,
    "max_searches": 3,
    "country": "ES",
    "language": "es",
    "reasoning_effort": "low",
}


def sent(server: Server, name: ProviderName, *, fresh: bool = False, **changes: Any) -> Received:
    server.script(replies(f"{name}_plain"))
    server.open(name, fresh=fresh).send(question(name, **changes))
    return server.received[-1]


def test_openai_plain_request(server: Server) -> None:
    """A plain question is the prompt as written, capped, not stored, at the standard price, with nothing else."""
    request = sent(server, "openai")
    assert "POST" == request.method
    assert "/openai/v1/responses" == request.path
    assert request.json == {
        "model": "gpt-6.1-terra",
        "input": "¿Qué software?",
        "max_output_tokens": 900,
        "store": False,
        "service_tier": "default",
    }


def test_openai_full_request(server: Server) -> None:
    """Search, country, language and effort each have their field, and the searches their cap."""
    location = {"type": "approximate", "country": "ES"}
    assert sent(server, "openai", **FULL).json == {
        "model": "gpt-6.1-terra",
        "input": "¿Qué software?",
        "max_output_tokens": 900,
        "store": False,
        "service_tier": "default",
        "instructions": INSTRUCTION,
        "reasoning": {"effort": "low"},
        "tools": [{"type": "web_search", "search_context_size": "low", "user_location": location}],
        "max_tool_calls": 3,
    }


def test_openai_search_without_country(server: Server) -> None:
    """Without a country the location has its type alone, as no location means the United States."""
    body = sent(server, "openai", web_search=True, max_searches=1).json
    assert body["tools"][0]["user_location"] == {"type": "approximate"}


def test_anthropic_requests(server: Server) -> None:
    """Anthropic gets no temperature, the SDK's API version, and a capped basic search tool."""
    request = sent(server, "anthropic")
    assert "POST" == request.method
    assert "/anthropic/v1/messages" == request.path
    assert request.headers["anthropic-version"] == "2026-10-21"
    assert request.json == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 900,
        "messages": [{"role": "user", "content": "¿Qué software?"}],
    }
    body = sent(server, "anthropic", **FULL).json
    assert body["system"] == INSTRUCTION
    assert body["output_config"] == {"effort": "low"}
    location = {"type": "approximate", "country": "ES"}
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3, "user_location": location}
    assert body["tools"] == [tool]


def test_google_requests(server: Server) -> None:
    """Google is asked on v1beta, with the country in the instruction only."""
    request = sent(server, "google")
    assert "POST" == request.method
    assert "/google/v1beta/models/gemini-3.8-flash:generateContent" == request.path
    assert request.json == {
        "contents": [{"parts": [{"text": "¿Qué software?"}], "role": "user"}],
        "generationConfig": {"maxOutputTokens": 900},
    }
    body = sent(server, "google", web_search=True, max_searches=2, country="ES", language="es").json
    assert body["systemInstruction"]["parts"] == [{"text": INSTRUCTION}]
    assert body["tools"] == [{"googleSearch": {}}]


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gemini-3.8-flash", "low", {"thinking_level": "LOW"}),
        ("gemini-4-argon", "max", {"thinking_level": "HIGH"}),
        ("gemini-2.5-flash", "low", {"thinking_budget": 1024}),
        ("gemini-2.5-flash", "none", {"thinking_budget": 0}),
    ],
)
def test_google_thinking(server: Server, model: str, effort: str, expected: dict[str, object]) -> None:
    """An effort is a level for Gemini 3 and later, and a budget of tokens for 2.5."""
    body = sent(server, "google", model_id=model, reasoning_effort=effort).json
    assert body["generationConfig"]["thinkingConfig"] == expected


def test_perplexity_always_searches(server: Server) -> None:
    """Perplexity is made to search whatever the project says, in rounds that are capped."""
    request = sent(server, "perplexity")
    assert "POST" == request.method
    assert "/perplexity/v1/responses" == request.path
    assert request.json == {
        "model": "perplexity/sonar",
        "input": "¿Qué software?",
        "max_output_tokens": 900,
        "store": False,
        "tools": [{"type": "web_search"}],
        "tool_choice": {"type": "web_search"},
        "max_steps": 1,
    }
    body = sent(server, "perplexity", **FULL).json
    assert body["tools"] == [{"type": "web_search", "user_location": {"country": "ES"}}]
    assert 3 == body["max_steps"]
    assert body["instructions"] == INSTRUCTION
    assert body["reasoning"] == {"effort": "low"}


@pytest.mark.parametrize("name", ["openai", "anthropic", "google"])
def test_search_needs_a_cap(server: Server, name: ProviderName) -> None:
    """A search without a cap on its fees is refused before anything is sent."""
    server.script(replies(f"{name}_plain"))
    with pytest.raises(BadRequest) as caught:
        server.open(name).send(question(name, web_search=True))
    assert "no" == caught.value.billed
    assert 0 == len(server.received)


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    "step",
    [
        says("{}", 429, retry_after="0", x_should_retry="true"),
        says("{}", 500, x_should_retry="true"),
        says("{}", 503, retry_after="0"),
        says("{}", 401),
        says("{}", 408),
        says("", 307, location="/elsewhere"),
        says("", 302, location="/elsewhere"),
        resets,
        hangs(1.0),
    ],
    ids=["429", "500", "503", "401", "408", "307", "302", "reset", "timeout"],
)
def test_one_request_a_call(server: Server, name: ProviderName, step: Any) -> None:
    """No failure makes an SDK send, and bill, a second request."""
    server.script(step)
    provider = server.open(name, timeout=0.3)
    with pytest.raises(ProviderError):
        provider.send(question(name))
    assert len(server.received) == 1


@pytest.mark.parametrize("name", ["openai", "anthropic", "perplexity"])
def test_sdk_retries_are_off(server: Server, name: ProviderName) -> None:
    """An SDK that would retry is not even left to wait for it."""
    provider: Any = server.open(name)
    assert getattr(provider, "client", provider).sdk.max_retries == 0


def test_anthropic_long_answers_need_no_stream(server: Server) -> None:
    """A cap at which the SDK would insist on streaming goes out all the same."""
    assert sent(server, "anthropic", max_output_tokens=64000).json["max_tokens"] == 64000


def test_google_continuation_is_not_followed(server: Server) -> None:
    """A reply that offers to go on in a further billed request is taken as cut."""
    server.script(replies("google_continued"))
    provider = server.open("google")
    answer = read_reply("google", provider.send(question("google")))
    assert "max_tokens" == answer.finish_reason
    assert 1 == len(server.received)


HOSTILE = {
    "OPENAI_API_KEY": "sk-other",
    "OPENAI_ADMIN_KEY": "sk-other-admin",
    "OPENAI_ORG_ID": "org-other",
    "OPENAI_PROJECT_ID": "proj_other",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer x\nOpenAI-Organization: org-x\nHost: other\nX-Bill: x",
    "ANTHROPIC_API_KEY": "sk-ant-other",
    "ANTHROPIC_AUTH_TOKEN": "other-token",
    "ANTHROPIC_PROFILE": "other",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
    "ANTHROPIC_CUSTOM_HEADERS": "Authorization: Bearer x\nx-api-key: x\nanthropic-version: 2023-06-01",
    "GOOGLE_API_KEY": "AIzaOther",
    "GEMINI_API_KEY": "AIzaOther2",
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_GENAI_USE_ENTERPRISE": "true",
    "GOOGLE_CLOUD_PROJECT": "other-project",
    "GOOGLE_CLOUD_LOCATION": "europe-west1",
    "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
    "GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:9",
    "GOOGLE_GENAI_API_VERSION": "v1",
    "GOOGLE_GENAI_CLIENT_MODE": "replay",
    "GOOGLE_GENAI_REPLAYS_DIRECTORY": "/nowhere",
    "GOOGLE_API_USE_MTLS_ENDPOINT": "always",
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_environment_does_not_steer(server: Server, name: ProviderName, monkeypatch: pytest.MonkeyPatch) -> None:
    """No SDK variable changes where a call goes, which key pays, or what else the provider receives."""
    calm = sent(server, name, fresh=True)
    for variable, value in HOSTILE.items():
        monkeypatch.setenv(variable, value)
    hostile = sent(server, name, fresh=True)
    assert hostile.method == calm.method
    assert hostile.path == calm.path
    assert hostile.body == calm.body
    assert hostile.headers == calm.headers
    key_header = "x-goog-api-key" if name == "google" else "authorization"
    assert hostile.headers[key_header].endswith(KEY.reveal())


PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@pytest.fixture
def no_bypass(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy is set but the one that a test sets, and nothing goes past it."""
    for variable in (*PROXIES, "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.usefixtures("no_bypass")
@pytest.mark.parametrize("variable", ["https_proxy", "all_proxy"])
@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("scheme", ["http://", ""], ids=["address", "host and port"])
def test_proxy_of_the_environment_is_used_for_https(
    server: Server, name: ProviderName, scheme: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY is the operator's, with or without its scheme: it is asked for a tunnel, and reads no key."""
    monkeypatch.setenv(variable, scheme + server.url.removeprefix("http://"))
    server.script(says("", 403))
    provider = open_provider(name, KEY, base_url="https://provider.invalid" + PATHS[name], timeout_seconds=2)
    with pytest.raises(ProviderUnavailable) as caught:
        provider.send(question(name))
    provider.close()
    assert caught.value.billed == "no"
    assert [("CONNECT", "provider.invalid:443")] == [(each.method, each.path) for each in server.received]
    assert KEY.reveal() not in str(server.received)


@pytest.mark.usefixtures("no_bypass")
@pytest.mark.parametrize("name", PROVIDERS)
def test_no_proxy_for_plain_http(server: Server, name: ProviderName, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway on this machine is called without any proxy, which would read the key."""
    for variable in PROXIES:
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    server.script(replies(f"{name}_plain"))
    provider = open_provider(name, KEY, base_url=server.url + PATHS[name], timeout_seconds=2)
    assert provider.send(question(name)).status == 200
    provider.close()


@pytest.mark.usefixtures("no_bypass")
@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTP_PROXY"])
@pytest.mark.parametrize("other", ["socks5://127.0.0.1:1080", "garbage://x"])
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_proxy_that_is_not_used_stops_no_provider(
    server: Server, name: ProviderName, other: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxy programs set ALL_PROXY to their SOCKS port next to HTTPS_PROXY, which alone is used."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv(variable, other)
    server.script(replies(f"{name}_plain"))
    provider = open_provider(name, KEY, base_url=server.url + PATHS[name], timeout_seconds=2)
    assert 200 == provider.send(question(name)).status
    provider.close()
    open_provider(name, KEY, base_url=None, timeout_seconds=2).close()


@pytest.mark.parametrize("proxy", ["socks5://u:secreto@127.0.0.1:1080", "ftp://127.0.0.1", "http://u:secreto@[::1"])
def test_proxy_that_cannot_be_used_is_named(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of another kind is an error of the configuration that names the variables and not the password."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY or ALL_PROXY cannot be used: it must be http") as caught:
        open_provider("openai", KEY, base_url=None, timeout_seconds=2)
    assert "secreto" not in str(caught.value)
