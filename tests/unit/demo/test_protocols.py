"""Each provider's replies, read by the provider's own SDK."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest
from anthropic.types import Message
from google import genai
from google.genai import types
from openai.types.responses import Response, ResponseFunctionWebSearch, ResponseOutputMessage

from llm_monitoring.demo.server.loopback import DemoServer

ES_PROMPT = "¿Cuál es el mejor programa de facturación para autónomos en España?"
EN_PROMPT = "What is the best CRM for a small sales team?"
OPENAI_SEARCH: Any = [{"type": "web_search", "user_location": {"type": "approximate", "country": "ES"}}]
ANTHROPIC_SEARCH: Any = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]
PERPLEXITY_CHOICE: Any = {"type": "web_search"}
PERPLEXITY_SEARCH: Any = [{"type": "web_search", "user_location": {"country": "ES"}}]


def test_openai_answers_a_plain_question(openai_client: openai.OpenAI) -> None:
    """A Responses call gives text, the dated model and a usage that adds up, without any search."""
    reply = openai_client.responses.create(model="gpt-6.1-terra", input=ES_PROMPT, max_output_tokens=2000, store=False)
    assert isinstance(reply, Response)
    assert reply.usage is not None
    assert "completed" == reply.status
    assert "gpt-6.1-terra-2026-10-06" == reply.model
    assert len(reply.output_text) > 200
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens
    assert reply.usage.output_tokens - reply.usage.output_tokens_details.reasoning_tokens == -(
        -len(reply.output_text) // 4
    )
    assert [item for item in reply.output if item.type == "web_search_call"] == []


def test_openai_annotations_cover_their_links(openai_client: openai.OpenAI) -> None:
    """With web search, each url_citation spans exactly its link, and sources come when asked for."""
    reply = openai_client.responses.create(
        model="gpt-6.1-terra",
        input=ES_PROMPT,
        tools=OPENAI_SEARCH,
        tool_choice="required",
        include=["web_search_call.action.sources"],
        max_tool_calls=2,
    )
    searches = [item for item in reply.output if isinstance(item, ResponseFunctionWebSearch)]
    messages = [item for item in reply.output if isinstance(item, ResponseOutputMessage)]
    part = messages[0].content[0]
    assert part.type == "output_text"
    spans = [part.text[a.start_index : a.end_index] for a in part.annotations if a.type == "url_citation"]
    urls = [a.url for a in part.annotations if a.type == "url_citation"]
    assert len(urls) >= 2
    assert all(span.startswith("([") and span.endswith(f"]({url}))") for span, url in zip(spans, urls, strict=True))
    assert searches[0].action.type == "search"
    assert len(searches[0].action.sources or []) == len(urls)
    assert 1 <= len(searches) <= 2


def test_openai_stops_at_the_output_cap(openai_client: openai.OpenAI) -> None:
    """An answer longer than max_output_tokens is incomplete, and bills no more than the cap."""
    reply = openai_client.responses.create(model="gpt-6-luna", input=EN_PROMPT, max_output_tokens=32)
    assert reply.incomplete_details is not None
    assert reply.usage is not None
    assert "incomplete" == reply.status
    assert "max_output_tokens" == reply.incomplete_details.reason
    assert reply.usage.output_tokens == 32


def test_anthropic_answers_a_plain_question(anthropic_client: anthropic.Anthropic) -> None:
    """A Messages call gives one text block and the usage fields of today's SDK."""
    reply = anthropic_client.messages.create(
        model="claude-haiku-4-5", max_tokens=2000, messages=[{"role": "user", "content": EN_PROMPT}]
    )
    assert isinstance(reply, Message)
    assert "end_turn" == reply.stop_reason
    assert "claude-haiku-4-5-20251001" == reply.model
    assert [block.type for block in reply.content] == ["text"]
    assert reply.usage.cache_read_input_tokens == 0
    assert reply.usage.server_tool_use is None


def test_anthropic_search_comes_with_results_and_citations(anthropic_client: anthropic.Anthropic) -> None:
    """With web search there is a tool use, its results, and text blocks that cite pages among them."""
    reply = anthropic_client.messages.create(
        model="claude-sonnet-5-5",
        max_tokens=2000,
        messages=[{"role": "user", "content": EN_PROMPT}],
        tools=ANTHROPIC_SEARCH,
        tool_choice={"type": "any"},
    )
    uses = [block for block in reply.content if block.type == "server_tool_use"]
    found = [
        page.url
        for block in reply.content
        if block.type == "web_search_tool_result" and isinstance(block.content, list)
        for page in block.content
    ]
    cited = [
        citation.url
        for block in reply.content
        if block.type == "text"
        for citation in block.citations or []
        if citation.type == "web_search_result_location"
    ]
    assert reply.usage.server_tool_use is not None
    assert len(uses) == reply.usage.server_tool_use.web_search_requests
    assert 1 <= len(uses) <= 2
    assert cited
    assert set(cited) <= set(found)


def test_anthropic_thinks_when_told_to(anthropic_client: anthropic.Anthropic) -> None:
    """Adaptive thinking adds a thinking block, and its tokens are inside output_tokens."""
    reply = anthropic_client.messages.create(
        model="claude-sonnet-5-5",
        max_tokens=4000,
        thinking={"type": "adaptive"},
        messages=[{"role": "user", "content": EN_PROMPT}],
    )
    text = "".join(block.text for block in reply.content if block.type == "text")
    assert reply.content[0].type == "thinking"
    assert reply.usage.output_tokens_details is not None
    assert reply.usage.output_tokens == reply.usage.output_tokens_details.thinking_tokens + -(-len(text) // 4)


def test_google_answers_with_grounding(google_client: genai.Client) -> None:
    """Grounding gives redirect URIs titled by domain; thoughts are counted outside candidates."""
    reply = google_client.models.generate_content(
        model="gemini-3.8-flash",
        contents=EN_PROMPT + " (grounded)",
        config=types.GenerateContentConfig(
            max_output_tokens=2000, tools=[types.Tool(google_search=types.GoogleSearch())]
        ),
    )
    assert reply.candidates
    assert reply.text
    grounding, usage = reply.candidates[0].grounding_metadata, reply.usage_metadata
    assert grounding is not None
    assert usage is not None
    webs = [chunk.web for chunk in grounding.grounding_chunks or [] if chunk.web]
    assert webs
    assert all((web.uri or "").startswith("https://vertexaisearch.cloud.google.com/") for web in webs)
    assert all("." in (web.title or "") for web in webs)
    assert grounding.web_search_queries
    counts = (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count)
    assert usage.total_token_count == sum(n or 0 for n in (*counts, usage.tool_use_prompt_token_count))
    assert "gemini-3.8-flash" == reply.model_version


def test_google_grounding_supports_point_at_bytes(google_client: genai.Client) -> None:
    """A support's indexes are byte offsets of its segment in the UTF-8 text."""
    reply = google_client.models.generate_content(
        model="gemini-3.8-flash",
        contents=ES_PROMPT,
        config=types.GenerateContentConfig(tools=[types.Tool(google_search=types.GoogleSearch())]),
    )
    assert reply.candidates
    grounding, raw = reply.candidates[0].grounding_metadata, (reply.text or "").encode()
    assert grounding is not None
    segments = [support.segment for support in grounding.grounding_supports or [] if support.segment]
    assert segments
    assert [raw[s.start_index or 0 : s.end_index].decode() for s in segments] == [s.text for s in segments]


def test_perplexity_gives_results_and_its_own_cost(server: DemoServer, perplexity_client: openai.OpenAI) -> None:
    """The Agent API's reply parses in the openai SDK: numbered results and the exact cost."""
    reply = perplexity_client.responses.create(
        model="perplexity/sonar",
        input=ES_PROMPT,
        max_output_tokens=2000,
        tools=PERPLEXITY_SEARCH,
        tool_choice=PERPLEXITY_CHOICE,
    )
    results = [page for item in reply.output for page in getattr(item, "results", None) or []]
    usage: Any = reply.usage
    assert "completed" == reply.status
    assert [page["id"] for page in results] == list(range(1, len(results) + 1))
    assert "[1]" in reply.output_text
    assert usage.tool_calls_details["search_web"]["invocation"] == 1
    assert Decimal(str(usage.cost["total_cost"])) == server.bill.total_usd
    assert Decimal(str(usage.cost["tool_calls_cost"])) == Decimal("0.0025")


def test_perplexity_does_not_search_unasked(perplexity_client: openai.OpenAI) -> None:
    """Without the tool there are no results and no fee."""
    reply = perplexity_client.responses.create(model="perplexity/sonar", input=ES_PROMPT)
    usage: Any = reply.usage
    assert [item.type for item in reply.output] == ["message"]
    assert 0.0 == usage.cost["tool_calls_cost"]
    assert {} == usage.tool_calls_details


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "perplexity"])
def test_request_ids_lead_to_the_bill(server: DemoServer, plain: Any, provider: str) -> None:
    """A reply's request or response id contains the id of its line on the bill."""
    reply = plain.ask(provider)
    names = {"openai": "x-request-id", "anthropic": "request-id", "perplexity": "x-request-id"}
    shown = reply.headers[names[provider]] if provider in names else reply.json()["responseId"]
    assert shown.removeprefix("req_") == server.bill.lines[0].id
