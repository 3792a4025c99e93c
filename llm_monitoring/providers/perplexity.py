"""Perplexity's Agent API, through the openai SDK in the Responses form, always with web search."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from llm_monitoring.domain import ProviderName, Secret, Usage
from llm_monitoring.providers import responses
from llm_monitoring.providers.base import Answer, Citation, ModelInfo, Question, Reply, instruction, require_mode
from llm_monitoring.providers.bills import cost_in
from llm_monitoring.providers.parsing import (
    InvalidUsage,
    ReplyMeta,
    consistent,
    count,
    count_or_zero,
    document,
    mapping,
    mappings,
    part,
    text,
    tier,
)
from llm_monitoring.providers.responses_client import ResponsesClient

NAME: Final[ProviderName] = "perplexity"
BASE_URL: Final = "https://api.perplexity.ai/v1"
MOST_STEPS: Final = 10
FETCH_TOOL: Final = "fetch_url"
FETCH_USD: Final = Decimal("0.0005")  # a page
MARKER: Final = re.compile(r"\[(?:[a-z]+:)?\d{1,4}(?:,\s?(?:[a-z]+:)?\d{1,4}){0,20}\]")
NUMBER: Final = re.compile(r"\d+")
SEARCH_TOOLS: Final = ("search_web", "web_search")


class PerplexityProvider:
    """Perplexity with one key."""

    name: ProviderName = NAME

    def __init__(
        self, key: Secret, *, base_url: str | None, timeout_seconds: float, total_seconds: float | None
    ) -> None:
        self.client = ResponsesClient(
            NAME,
            key,
            base_url=base_url or BASE_URL,
            timeout_seconds=timeout_seconds,
            total_seconds=total_seconds,
        )

    def send(self, question: Question) -> Reply:
        return self.client.ask(question, request)

    def list_models(self) -> list[ModelInfo]:
        return self.client.list_models()

    def close(self) -> None:
        self.client.close()


def request(question: Question) -> dict[str, Any]:
    """Return the parameters of one call: only fields that the Agent API documents, because it rejects all others.

    The API has no cap on searches. `max_steps` is the nearest: it caps the rounds, each of one search or more.
    """
    require_mode(NAME, question, "standard")
    location = {"user_location": {"country": question.country}} if question.country else {}
    parameters: dict[str, Any] = {
        "model": question.model_id,
        "input": question.prompt,
        "max_output_tokens": question.max_output_tokens,
        "store": False,
        "tools": [{"type": "web_search", **location}],
        "tool_choice": {"type": "web_search"},
        "extra_body": {"max_steps": min(max(question.max_searches, 1), MOST_STEPS)},
    }
    if instruction(question):
        parameters["instructions"] = instruction(question)
    if question.reasoning_effort:
        parameters["reasoning"] = {"effort": question.reasoning_effort}
    return parameters


def read(reply: Reply) -> Answer:
    """Read a stored reply; raises Refused or BadResponse."""
    body = document(NAME, reply)
    meta = ReplyMeta(NAME, text(body.get("model")), usage_in(body))
    return responses.answer_in(body, meta, citations_in(body))


def citations_in(body: dict[str, object]) -> tuple[Citation, ...]:
    """Return the pages that were found, then others that were read, then other annotated ones.

    A page is cited if a marker in the text, such as [1] or [web:1, web:2], names its id.
    """
    annotated = responses.url_citations(body)
    marked = {n for marker in MARKER.findall(responses.output_text(body)) for n in NUMBER.findall(marker)}
    found = pages(body, "search_results", "results")
    known = {text(page.get("url")) for page in found}
    found += [page for page in pages(body, "fetch_url_results", "contents") if text(page.get("url")) not in known]
    cited_urls = {c.url for c in annotated} | {text(page.get("url")) for page in found if number_of(page) in marked}
    listed = tuple(
        Citation(
            url=text(page.get("url")),
            title=text(page.get("title")) or None,
            cited=True if text(page.get("url")) in cited_urls else False if number_of(page) else None,
        )
        for page in found
    )
    return listed + tuple(c for c in annotated if c.url not in {page.url for page in listed})


def pages(body: dict[str, object], kind: str, name: str) -> list[dict[str, object]]:
    """Return the pages with an address that the items of a kind list under a name."""
    items = (item for item in mappings(body.get("output")) if item.get("type") == kind)
    return [page for item in items for page in mappings(item.get(name)) if text(page.get("url"))]


def searches(body: dict[str, object]) -> list[dict[str, object]]:
    return [item for item in mappings(body.get("output")) if item.get("type") == "search_results"]


def number_of(result: dict[str, object]) -> str:
    """Return the number that refers to a result in the text, "" if it has none; ids are 3, "3" or "web:3"."""
    given = result.get("id")
    number = str(given) if type(given) is int else text(given).rpartition(":")[2]
    return number if number.isdecimal() else ""


def usage_in(body: dict[str, object]) -> Usage | None:
    """Return what the call consumed and cost, or None if the reply gives no consistent usage."""
    usage = mapping(body.get("usage"))
    try:
        details = part(usage.get("input_tokens_details"))
        cached = count_or_zero(details.get("cache_read_input_tokens"))
        written = count_or_zero(details.get("cache_creation_input_tokens"))
        consumed = Usage(
            # It is not documented whether input_tokens includes the cache's tokens; the larger number is used.
            input_tokens=max(count(usage.get("input_tokens")), cached + written),
            output_tokens=count(usage.get("output_tokens")),
            cached_tokens=cached,
            cache_write_tokens=written,
            searches=searches_in(body, usage),
            cost_usd=cost_in(usage),
            fees_usd=calls_of(usage, FETCH_TOOL) * FETCH_USD,
            service_tier=tier(body.get("service_tier")),
        )
        if consumed.cost_usd is None and has_unpriced_items(usage, consumed):
            return None
        return consistent(consumed, responses.output_text(body), searched=True)  # as every request asks for
    except InvalidUsage:
        return None


def has_unpriced_items(usage: dict[str, object], consumed: Usage) -> bool:
    """Return whether a usage holds tokens or tools without a known price; raises InvalidUsage."""
    tools = set(part(usage.get("tool_calls_details"))) - {*SEARCH_TOOLS, FETCH_TOOL}
    more = count_or_zero(usage.get("total_tokens")) > consumed.total_tokens
    return more or any(calls_of(usage, tool) for tool in tools)


def searches_in(body: dict[str, object], usage: dict[str, object]) -> int:
    """Return the number of searches: the larger of the usage's count and the number of result lists."""
    counted = sum(calls_of(usage, name) for name in SEARCH_TOOLS)
    return max(counted, len(searches(body)))


def calls_of(usage: dict[str, object], tool: str) -> int:
    """Return how often a tool was called, which some gateways give as a bare number; raises InvalidUsage."""
    given = part(usage.get("tool_calls_details")).get(tool)
    return count(given) if type(given) is int else count_or_zero(part(given).get("invocation"))
