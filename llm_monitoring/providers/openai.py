"""OpenAI, through the Responses form of its own SDK."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from llm_monitoring.domain import ProviderName, Secret, Usage
from llm_monitoring.providers import responses
from llm_monitoring.providers.base import (
    Answer,
    BadRequest,
    Citation,
    ModelInfo,
    Question,
    Reply,
    instruction,
    require_mode,
)
from llm_monitoring.providers.bills import cost_in
from llm_monitoring.providers.parsing import (
    InvalidUsage,
    ReplyMeta,
    consistent,
    count,
    count_or_zero,
    counted_objects,
    document,
    mapping,
    mappings,
    part,
    text,
    tier,
)
from llm_monitoring.providers.responses_client import ResponsesClient

NAME: Final[ProviderName] = "openai"
BASE_URL: Final = "https://api.openai.com/v1"
CACHE_LIFETIME: Final = "ttl_30m_tokens"  # the registry's cache price is for this lifetime only
# These models bill a fixed number of input tokens a search that their usage does not include.
FIXED_SEARCH_MODELS: Final = re.compile(r"(?:.*/)?(?:gpt-4o-mini|gpt-4\.1-mini)", re.IGNORECASE)
FIXED_SEARCH_TOKENS: Final = 8000
OWN_MARK: Final = re.compile(r"[?&]utm_source=openai\Z")


class OpenAIProvider:
    """OpenAI with one key."""

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
        require_mode(NAME, question, "standard", "flex")
        return self.client.ask(question, request)

    def list_models(self) -> list[ModelInfo]:
        return self.client.list_models()

    def close(self) -> None:
        self.client.close()


def request(question: Question) -> dict[str, Any]:
    """Return the parameters of one call; raises BadRequest for a search without a cap on its fees."""
    parameters: dict[str, Any] = {
        "model": question.model_id,
        "input": question.prompt,
        "max_output_tokens": question.max_output_tokens,
        "store": False,
        # Without it the key's project decides the tier, and its priority tier costs more than the reservation.
        "service_tier": "flex" if question.mode == "flex" else "default",
    }
    if instruction(question):
        parameters["instructions"] = instruction(question)
    if question.reasoning_effort:
        parameters["reasoning"] = {"effort": question.reasoning_effort}
    if question.web_search:
        if question.max_searches < 1:
            raise BadRequest("openai: web search was asked for without a cap on its fees", billed="no")
        parameters["tools"] = [search_tool(question.country)]
        parameters["max_tool_calls"] = question.max_searches
    return parameters


def search_tool(country: str | None) -> dict[str, Any]:
    # A location without a country: with no location at all OpenAI assumes the United States.
    location = {"type": "approximate"} | ({"country": country} if country else {})
    return {"type": "web_search", "search_context_size": "low", "user_location": location}


def read(reply: Reply) -> Answer:
    """Read a stored reply; raises Refused or BadResponse."""
    body = document(NAME, reply)
    meta = ReplyMeta(NAME, text(body.get("model")), usage_in(body))
    return responses.answer_in(body, meta, citations_in(body))


def citations_in(body: dict[str, object]) -> tuple[Citation, ...]:
    """Return the pages that the text cites, then those that were only searched."""
    cited = responses.url_citations(body)
    known = {without_mark(citation.url) for citation in cited}
    searched = dict.fromkeys(url for url in searched_urls(body) if without_mark(url) not in known)
    return cited + tuple(Citation(url=url, cited=False) for url in searched)


def searched_urls(body: dict[str, object]) -> Iterator[str]:
    for item in mappings(body.get("output")):
        for source in mappings(mapping(item.get("action")).get("sources")):
            if item.get("type") == "web_search_call" and text(source.get("url")):
                yield text(source.get("url"))


def without_mark(url: str) -> str:
    """Return the URL without the parameter that OpenAI adds to the pages that it cites."""
    return OWN_MARK.sub("", url)


def usage_in(body: dict[str, object]) -> Usage | None:
    """Return what the call consumed, or None if the reply gives no consistent usage."""
    usage = mapping(body.get("usage"))
    try:
        inputs, outputs = part(usage.get("input_tokens_details")), part(usage.get("output_tokens_details"))
        searches = searches_in(body)
        consumed = Usage(
            input_tokens=count(usage.get("input_tokens")) + unseen_tokens(body, searches),
            output_tokens=count(usage.get("output_tokens")),
            cached_tokens=count_or_zero(inputs.get("cached_tokens")),
            cache_write_tokens=cache_writes_in(inputs),
            reasoning_tokens=count_or_zero(outputs.get("reasoning_tokens")),
            searches=searches,
            cost_usd=cost_in(usage),
            service_tier=tier(body.get("service_tier")),
        )
        if count_or_zero(usage.get("total_tokens")) > consumed.total_tokens:
            return None
        return consistent(consumed, responses.output_text(body), searched=bool(responses.url_citations(body)))
    except InvalidUsage:
        return None


def cache_writes_in(inputs: dict[str, object]) -> int:
    """Return the tokens written to the cache; raises InvalidUsage for a lifetime without a known price."""
    by_lifetime = part(inputs.get("cache_write_tokens_details"))
    if any(count_or_zero(tokens) for lifetime, tokens in by_lifetime.items() if lifetime != CACHE_LIFETIME):
        raise InvalidUsage
    return max(count_or_zero(inputs.get("cache_write_tokens")), count_or_zero(by_lifetime.get(CACHE_LIFETIME)))


def searches_in(body: dict[str, object]) -> int:
    """Return the billed searches: OpenAI's own count, or the number of search items if there is none.

    The items include actions on found pages, which are not billed, so that the number is never too low. Raises
    InvalidUsage for an impossible count, and without a count for items that cannot be read.
    """
    counted = part(part(body.get("tool_usage")).get("web_search")).get("num_requests")
    if counted is not None:
        return count(counted)
    return sum(item.get("type") == "web_search_call" for item in counted_objects(body.get("output")))


def unseen_tokens(body: dict[str, object], searches: int) -> int:
    """Return the fixed tokens of the searches; raises InvalidUsage if there are searches and the model is not named."""
    model = text(body.get("model"))
    if searches and not model.strip():
        raise InvalidUsage
    return searches * FIXED_SEARCH_TOKENS if FIXED_SEARCH_MODELS.match(model) else 0
