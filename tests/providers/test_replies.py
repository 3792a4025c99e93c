"""Replies: text, citations and exact usage of every provider, and replies that are no answer."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_monitoring.domain import PROVIDERS, ProviderName, Usage
from llm_monitoring.providers import BadResponse, Refused, read_reply
from tests.providers.server import REPLIES, Server, question, recorded, replies, stored

USAGES = {
    "openai_plain": Usage(61, 420, reasoning_tokens=256),
    "openai_cached": Usage(4096, 118, cached_tokens=2048, cache_write_tokens=1024),
    "openai_search": Usage(9120, 640, cached_tokens=512, reasoning_tokens=320, searches=2),
    "openai_cut": Usage(61, 2000, reasoning_tokens=1900),
    "anthropic_plain": Usage(58, 96),
    "anthropic_cached": Usage(2680, 340, cached_tokens=2048, cache_write_tokens=512, reasoning_tokens=200),
    "anthropic_search": Usage(11250, 210, searches=1),
    "anthropic_search_failed": Usage(900, 80),
    "anthropic_cut": Usage(58, 2000),
    "google_plain": Usage(19, 88),
    "google_cached": Usage(2200, 750, cached_tokens=2048, reasoning_tokens=640),
    "google_search": Usage(160, 560, reasoning_tokens=300, searches=3),
    "google_search_25": Usage(160, 560, reasoning_tokens=300, searches=1),
    "google_cut": Usage(19, 2000),
    "google_continued": Usage(19, 500),
    "perplexity_plain": Usage(8610, 204, searches=1, cost_usd=Decimal("0.0051625")),
    "perplexity_two_searches": Usage(17000, 204, cached_tokens=4096, searches=2, cost_usd=Decimal("0.00976")),
    "perplexity_cut": Usage(8610, 2000, searches=1, cost_usd=Decimal("0.0096525")),
}
CUT = {"openai_cut", "anthropic_cut", "google_cut", "google_continued", "perplexity_cut"}


def provider_of(name: str) -> ProviderName:
    return next(p for p in PROVIDERS if name.startswith(p))


def change(name: str, **fields: Any) -> bytes:
    """Return the recorded reply with top-level fields replaced; Ellipsis removes one."""
    document = json.loads(recorded(name)) | fields
    return json.dumps({k: v for k, v in document.items() if v is not ...}).encode()


@pytest.mark.parametrize("name", USAGES)
def test_usage_is_exact(name: str) -> None:
    """Every token, search and cent is in the field that the cost is computed from."""
    answer = read_reply(provider_of(name), stored(recorded(name)))
    assert answer.usage == USAGES[name]
    assert answer.text.strip()
    assert answer.finish_reason == ("max_tokens" if name in CUT else "stop")


@pytest.mark.parametrize("provider", ["openai", "perplexity"])
@pytest.mark.parametrize(
    ("status", "reason", "finish"),
    [
        ("incomplete", "max_tool_calls", "max_tokens"),
        ("incomplete", None, "max_tokens"),
        ("completed_with_warnings", None, "stop"),
        (7, None, "stop"),
    ],
)
def test_a_status_that_is_not_known_loses_no_paid_text(
    provider: ProviderName, status: object, reason: str | None, finish: str
) -> None:
    """A reply that ended in a way that is not known is an answer, since its text is there and paid."""
    details = {"reason": reason} if reason else None
    reply = change(f"{provider}_plain", status=status, incomplete_details=details)
    assert read_reply(provider, stored(reply)).finish_reason == finish


@pytest.mark.parametrize("provider", ["openai", "perplexity"])
def test_commentary_is_no_answer(provider: ProviderName) -> None:
    """Commentary before the answer is left out, and two messages are two paragraphs."""

    def message(said: str, **more: str) -> dict[str, Any]:
        return {"type": "message", "content": [{"type": "output_text", "text": said}], **more}

    on_the_way = message("Busco Quipu.", phase="commentary")
    output = [on_the_way, message("Lo mejor es", phase="final_answer"), message("Holded")]
    usage = json.loads(recorded(f"{provider}_plain"))["usage"]
    assert read_reply(provider, stored(json.dumps({"output": output, "usage": usage}).encode())).text == (
        "Lo mejor es\n\nHolded"
    )
    with pytest.raises(BadResponse, match="holds no text"):
        read_reply(provider, stored(json.dumps({"output": [on_the_way], "usage": usage}).encode()))


def test_anthropic_text_before_a_search_does_not_touch_the_text_after_it() -> None:
    """Blocks are pieces of one text; a search between two of them ends a paragraph, so that a list begins a line."""
    pieces = [{"type": "text", "text": "Lo bus"}, {"type": "text", "text": "co."}]
    content = [*pieces, {"type": "server_tool_use"}, {"type": "thinking"}, {"type": "text", "text": "Holded"}]
    assert read_reply("anthropic", stored(change("anthropic_plain", content=content))).text == "Lo busco.\n\nHolded"


@pytest.mark.parametrize(
    ("geo", "regional"), [("us", True), ("global", False), ("not_available", False), (None, False), (..., False)]
)
def test_anthropic_bills_more_for_an_inference_kept_in_one_country(geo: object, *, regional: bool) -> None:
    """The inference of a workspace may be limited to the United States, which raises the price of every token."""
    usage = json.loads(recorded("anthropic_plain"))["usage"] | {"inference_geo": geo}
    body = change("anthropic_plain", usage={name: value for name, value in usage.items() if value is not ...})
    found = read_reply("anthropic", stored(body)).usage
    assert found == Usage(58, 96, regional=regional)


@pytest.mark.parametrize("path", sorted(REPLIES.glob("*.json")), ids=lambda p: p.stem)
def test_recorded_replies_have_the_sdk_type(path: Path) -> None:
    """The replies that these tests read are replies to the SDKs as well."""
    from anthropic.types import Message
    from anthropic.types import ModelInfo as AnthropicModel
    from google.genai.types import GenerateContentResponse
    from openai.types import Model as OpenAIModel
    from openai.types.responses import Response

    provider, document = provider_of(path.stem), json.loads(path.read_text("utf-8"))
    if "models" not in path.stem:
        whole: dict[str, Any] = {
            "openai": Response,
            "anthropic": Message,
            "google": GenerateContentResponse,
        }
        if provider in whole:
            whole[provider].model_validate(document)
    elif provider == "google":
        assert all(m["name"].startswith("models/") for m in document["models"])
    else:
        entry: Any = AnthropicModel if provider == "anthropic" else OpenAIModel
        assert [entry.model_validate(m).id for m in document["data"]]


def test_perplexity_reply_through_the_sdk(server: Server) -> None:
    """The openai SDK sees the same text in a Perplexity reply as we do."""
    from openai import OpenAI

    server.script(replies("perplexity_plain"))
    with OpenAI(api_key="x", base_url=server.url, max_retries=0) as sdk:
        parsed = sdk.responses.create(model="perplexity/sonar", input="x")
    assert parsed.output_text == read_reply("perplexity", stored(recorded("perplexity_plain"))).text


@pytest.mark.parametrize("name", PROVIDERS)
def test_send_returns_the_body_untouched(server: Server, name: ProviderName) -> None:
    """The reply is handed over as it came, measured, with the provider's id of the request."""
    server.script(replies(f"{name}_plain", x_request_id="req_123"))
    provider = server.open(name)
    reply = provider.send(question(name))
    assert reply.status == 200
    assert recorded(f"{name}_plain") == reply.body
    assert reply.request_id == "req_123"
    assert 0 <= reply.latency_ms < 5000


def test_model_as_served() -> None:
    """The answer names the model that answered, not the one that was asked for."""
    served = [read_reply(p, stored(recorded(f"{p}_plain"))).model for p in PROVIDERS]
    assert served == ["gpt-6.1-terra-2026-10-14", "claude-sonnet-5-5", "gemini-3.8-flash", "perplexity/sonar"]


def test_anthropic_text_is_whole() -> None:
    """Cited pieces of a text are joined without a separator."""
    answer = read_reply("anthropic", stored(recorded("anthropic_search")))
    assert answer.text == "Los más citados son Holded y Quipu."


def test_google_thoughts_are_not_text() -> None:
    """Reasoning is not part of the answer."""
    assert "The user wants" not in read_reply("google", stored(recorded("google_cached"))).text


@pytest.mark.parametrize(
    ("name", "billed", "match"),
    [
        ("openai_refusal", "yes", "can't help"),
        ("openai_filtered", "yes", "content filter"),
        ("anthropic_refusal", "yes", "cyber"),
        ("google_blocked_prompt", "yes", "PROHIBITED_CONTENT"),
        ("google_blocked_answer", "yes", "SAFETY"),
        ("perplexity_filtered", "yes", "content filter"),
    ],
)
def test_refusals(name: str, billed: str, match: str) -> None:
    """A refusal is billed as far as its usage says."""
    with pytest.raises(Refused, match=match) as caught:
        read_reply(provider_of(name), stored(recorded(name)))
    assert caught.value.billed == billed
    assert caught.value.usage
    assert caught.value.usage.input_tokens > 0


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("openai_refusal", {"usage": None}),
        ("anthropic_refusal", {"usage": {"input_tokens": -4, "output_tokens": 1}}),
        ("google_blocked_prompt", {"usageMetadata": ...}),
        ("perplexity_filtered", {"usage": "free"}),
    ],
)
def test_refusals_without_usage(name: str, fields: dict[str, Any]) -> None:
    """A refusal without credible usage is perhaps billed."""
    with pytest.raises(Refused) as caught:
        read_reply(provider_of(name), stored(change(name, **fields)))
    assert "maybe" == caught.value.billed
    assert caught.value.usage is None


@pytest.mark.parametrize(
    ("name", "billed", "match"),
    [
        ("openai_empty", "yes", "no text"),
        ("openai_cut_empty", "yes", "cut before any text"),
        ("openai_failed", "maybe", "failed to generate"),
        ("openai_cancelled", "yes", "cancelled"),
        ("anthropic_empty", "yes", "no text"),
        ("anthropic_pause", "yes", "pause_turn"),
        ("google_empty", "yes", "no text"),
        ("google_cut_empty", "yes", "cut before any text"),
        ("perplexity_empty", "yes", "no text"),
        ("perplexity_failed", "yes", "upstream model failed"),
        ("perplexity_cancelled", "maybe", "cancelled"),
    ],
)
def test_replies_that_are_no_answer(name: str, billed: str, match: str) -> None:
    """A reply without an answer says why, and was billed if its usage says so."""
    with pytest.raises(BadResponse, match=match) as caught:
        read_reply(provider_of(name), stored(recorded(name)))
    assert caught.value.billed == billed
    assert (caught.value.usage is not None) == (billed == "yes")


def test_failed_call_keeps_its_bill() -> None:
    """A failed Perplexity call that was billed carries the provider's own figure."""
    with pytest.raises(BadResponse) as caught:
        read_reply("perplexity", stored(recorded("perplexity_failed")))
    assert caught.value.usage is not None
    assert caught.value.usage.cost_usd == Decimal("0.0046525")


@pytest.mark.short(every=4)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Welcome to nginx</body></html>",
        b"",
        b"{}",
        b"null",
        b"[]",
        b'"text"',
        b"12",
        b'{"output": [{"type": "message", "content": [{"type": "outp',
        b'{"error": {"message": "Internal error", "type": "server_error", "code": "x"}}',
        b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}',
        b'{"output": "x", "content": "x", "candidates": "x", "usage": [], "usageMetadata": 3}',
        b'{"output": [null, 1, {"type": "message", "content": [null, {"type": "output_text", "text": 5}]}]}',
        b'{"content": [null, {"type": "text", "text": 5}], "stop_reason": 7, "error": ""}',
        b'{"candidates": [null, {"content": {"parts": [{"text": 5}]}, "finishReason": 3}]}',
        b'{"usage": {"input_tokens": NaN}}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": 1e99999999999999999999}',
        b'{"a": 1e-99999999999999999999}',
    ],
)
def test_garbage(provider: ProviderName, body: bytes) -> None:
    """A 200 without answer and usage is perhaps billed."""
    with pytest.raises(BadResponse) as caught:
        read_reply(provider, stored(body))
    assert "maybe" == caught.value.billed
    assert caught.value.usage is None
    assert str(caught.value).startswith(f"{provider}: ")
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


FIELDS = {"openai": "usage", "anthropic": "usage", "google": "usageMetadata", "perplexity": "usage"}
COUNTS = {
    "openai": ("input_tokens", "output_tokens"),
    "anthropic": ("input_tokens", "output_tokens"),
    "google": ("promptTokenCount", "candidatesTokenCount"),
    "perplexity": ("input_tokens", "output_tokens"),
}


@pytest.mark.short(every=4)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("value", [-1, 1.5, "12", True, None, 0, 10**12, [], {}], ids=repr)
@pytest.mark.parametrize("which", [0, 1])
def test_incredible_counts(provider: ProviderName, which: int, value: object) -> None:
    """A text with an impossible count is an answer of unknown usage, never a cheap one."""
    usage = json.loads(recorded(f"{provider}_plain"))[FIELDS[provider]] | {COUNTS[provider][which]: value}
    usage.pop("totalTokenCount", None)
    answer = read_reply(provider, stored(change(f"{provider}_plain", **{FIELDS[provider]: usage})))
    assert bool(answer.text)
    assert answer.usage is None


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("usage", [..., None, [], "none", {}], ids=repr)
def test_missing_usage(provider: ProviderName, usage: object) -> None:
    """A text without usage is an answer all the same."""
    answer = read_reply(provider, stored(change(f"{provider}_plain", **{FIELDS[provider]: usage})))
    assert bool(answer.text)
    assert answer.usage is None


@pytest.mark.parametrize(
    ("name", "field", "part"),
    [
        ("openai_plain", "usage", {"input_tokens_details": {"cached_tokens": 62}}),
        ("openai_plain", "usage", {"output_tokens_details": {"reasoning_tokens": 421}}),
        ("openai_plain", "usage", {"total_tokens": 9999}),
        ("anthropic_plain", "usage", {"output_tokens_details": {"thinking_tokens": 97}}),
        ("anthropic_plain", "usage", {"cache_read_input_tokens": -1}),
        ("anthropic_search", "usage", {"server_tool_use": {"web_search_requests": "3"}}),
        ("google_plain", "usageMetadata", {"cachedContentTokenCount": 20}),
        ("google_plain", "usageMetadata", {"thoughtsTokenCount": -3}),
        ("perplexity_plain", "usage", {"tool_calls_details": {"search_web": {"invocation": -1}}}),
    ],
)
def test_parts_beyond_their_whole(name: str, field: str, part: dict[str, Any]) -> None:
    """A usage with parts that do not fit the total is not used."""
    usage = json.loads(recorded(name))[field] | part
    assert read_reply(provider_of(name), stored(change(name, **{field: usage}))).usage is None


def test_google_thoughts_from_the_total() -> None:
    """Thoughts that are not named are found in the total, as they are billed."""
    usage = {"promptTokenCount": 19, "candidatesTokenCount": 88, "totalTokenCount": 607}
    answer = read_reply("google", stored(change("google_plain", usageMetadata=usage)))
    assert answer.usage == Usage(19, 588, reasoning_tokens=500)


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ({"total_cost": 0.1, "currency": "USD"}, Decimal("0.1")),
        ({"total_cost": 1, "currency": "USD"}, Decimal(1)),
        ({"total_cost": 1e-7}, Decimal("1E-7")),
        ({"total_cost": 0, "currency": "USD"}, None),
        ({"total_cost": -0.1, "currency": "USD"}, None),
        ({"total_cost": "0.1", "currency": "USD"}, Decimal("0.1")),
        (None, None),
        ({}, None),
    ],
)
def test_perplexity_cost(cost: object, expected: Decimal | None) -> None:
    """The provider's bill is used exactly, and only if it is a valid amount."""
    usage = json.loads(recorded("perplexity_plain"))["usage"] | {"cost": cost}
    answer = read_reply("perplexity", stored(change("perplexity_plain", usage=usage)))
    assert answer.usage is not None
    assert answer.usage.cost_usd == expected


def test_perplexity_searches_without_a_count() -> None:
    """Searches that the usage does not count are counted in the output."""
    usage = {"input_tokens": 10, "output_tokens": 10, "total_tokens": 20}
    answer = read_reply("perplexity", stored(change("perplexity_two_searches", usage=usage)))
    assert answer.usage == Usage(10, 10, searches=2)


def test_anthropic_searches_without_a_count() -> None:
    """Searches with results in the content are counted, also if the usage does not count them."""
    usage = json.loads(recorded("anthropic_search"))["usage"] | {"server_tool_use": None}
    answer = read_reply("anthropic", stored(change("anthropic_search", usage=usage)))
    assert answer.usage is not None
    assert answer.usage.searches == 1
