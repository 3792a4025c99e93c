"""A request that is sent again with another prompt is the one that the SDK would have written for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.providers import BadRequest, Question
from llm_monitoring.providers.written_requests import WrittenRequest, WrittenRequests
from tests.providers.server import KEY, Server, question, replies

Form = tuple[str, str, dict[str, str], Any]
BODY_HEADERS = {"content-length", "x-stainless-read-timeout"}
PROMPTS = [
    "¿Qué software?",
    'He said "Quipu\\n"; \\u0041 \\',
    "a\n\r\t\x00\u2028b",
    "Preis? 🧾 ホルデッド",
    "%s {prompt} $1 <b>&amp;</b>",
    '","model":"gpt-0","input":"',
]


def form(request: httpx2.Request) -> Form:
    """What a provider receives: the body as an object, because the prompt's characters may be escaped or not."""
    headers = {name: value for name, value in request.headers.items() if name not in BODY_HEADERS}
    return request.method, str(request.url), headers, json.loads(request.read())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[httpx2.Request, httpx2.Request]]:
    """Each request that was sent, with the one that the SDK writes for the same question."""
    pairs: list[tuple[httpx2.Request, httpx2.Request]] = []
    original = WrittenRequests.of

    def both(self: WrittenRequests, ask: Question, write: Callable[[Question], object]) -> httpx2.Request:
        request = original(self, ask, write)
        pairs.append((request, self.record(lambda: write(ask))))
        return request

    monkeypatch.setattr(WrittenRequests, "of", both)
    return pairs


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("full", [False, True], ids=["plain", "full"])
def test_a_prompt_is_sent_as_the_sdk_writes_it(
    server: Server, asked: list[tuple[httpx2.Request, httpx2.Request]], name: ProviderName, full: bool
) -> None:
    """Method, address, headers and body of every prompt are those of the SDK, also for prompts that look like JSON."""
    changes: dict[str, Any] = {"web_search": True, "max_searches": 3, "country": "ES", "language": "es"} if full else {}
    provider = server.open(name, fresh=True)
    for prompt in PROMPTS:
        server.script(replies(f"{name}_plain"))
        provider.send(question(name, prompt=prompt, **changes))
    assert [form(written) for _, written in asked] == [form(sent) for sent, _ in asked]


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_sdk_writes_one_request_of_a_kind(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: ProviderName
) -> None:
    """A second prompt with the same model and limits needs no SDK; another model does."""
    kinds: list[str] = []
    original = WrittenRequest.around.__func__  # type: ignore[attr-defined]

    def counted(cls: type[WrittenRequest], mark: str, request: httpx2.Request) -> WrittenRequest:
        kinds.append(mark)
        return original(cls, mark, request)  # type: ignore[no-any-return]

    monkeypatch.setattr(WrittenRequest, "around", classmethod(counted))
    provider = server.open(name, fresh=True)
    for prompt, limit in (("a", 900), ("b", 900), ("a", 901)):
        server.script(replies(f"{name}_plain"))
        provider.send(question(name, prompt=prompt, max_output_tokens=limit))
    assert 2 == len(kinds)


@pytest.mark.parametrize("body", [b"{}", b'{"input": "m", "again": "m"}', b'{"input": "m and more"}'])
def test_a_request_without_the_prompt_as_it_is_is_refused(body: bytes) -> None:
    """An SDK that changes the prompt, repeats it or leaves it out makes no call, which costs nothing."""
    with pytest.raises(BadRequest, match="times into its request") as caught:
        WrittenRequest.around("m", httpx2.Request("POST", "https://example.com", content=body))
    assert "no" == caught.value.billed


@given(st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=200)
def test_any_prompt_arrives_as_it_is(prompt: str) -> None:
    """Whatever a prompt holds, the body is JSON with this prompt in its place and nothing else changed."""
    template = WrittenRequest.around("m", httpx2.Request("POST", "https://example.com", content=b'{"a":"m","b":1}'))
    request = template.with_prompt(prompt)
    assert {"a": prompt, "b": 1} == json.loads(request.read())
    assert str(len(request.read())) == request.headers["content-length"]


def test_a_written_request_shows_no_key() -> None:
    """Its repr has the address alone: headers hold the key."""
    request = httpx2.Request("POST", "https://example.com", headers={"x-goog-api-key": KEY.reveal()}, content=b'"m"')
    assert "WrittenRequest(POST https://example.com)" == repr(WrittenRequest.around("m", request))
