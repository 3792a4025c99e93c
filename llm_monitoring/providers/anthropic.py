"""Anthropic, through the Messages form of its own SDK."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from itertools import groupby
from typing import Any, Final, Literal

from llm_monitoring.domain import ProviderName, Secret, Usage
from llm_monitoring.providers import model_lists
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
    join_paragraphs,
    mapping,
    mappings,
    part,
    shown,
    text,
    tier,
)
from llm_monitoring.providers.transport import HttpTransport

NAME: Final[ProviderName] = "anthropic"
BASE_URL: Final = "https://api.anthropic.com"
# The version that SDK 2.x uses, set here so that ANTHROPIC_CUSTOM_HEADERS cannot change it.
API_VERSION: Final = "2026-10-21"
PAGE_SIZE: Final = 1000
LIFETIMES: Final = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")  # of cache writes that have a price
CUT: Final = ("max_tokens", "model_context_window_exceeded")
ENDED: Final = ("end_turn", "stop_sequence", *CUT)
ANYWHERE: Final = ("", "global", "not_available")  # inferences at the plain price


class AnthropicProvider:
    """Anthropic with one key."""

    name: ProviderName = NAME

    def __init__(
        self, key: Secret, *, base_url: str | None, timeout_seconds: float, total_seconds: float | None
    ) -> None:
        self.transport = HttpTransport(
            NAME,
            key,
            base_url=base_url or BASE_URL,
            headers={"authorization": f"Bearer {key.reveal()}", "anthropic-version": API_VERSION},
            timeout_seconds=timeout_seconds,
            total_seconds=total_seconds,
        )
        import anthropic

        self.sdk = anthropic.Anthropic(
            api_key=key.reveal(),
            base_url=base_url or BASE_URL,
            max_retries=0,
            timeout=self.transport.timeout,
            http_client=self.transport.http,
            open_telemetry=False,
        )

    def send(self, question: Question) -> Reply:
        require_mode(NAME, question, "standard")
        return self.transport.ask(question, self.write)

    def write(self, question: Question) -> object:
        return self.sdk.messages.with_raw_response.create(**request(question))

    def list_models(self) -> list[ModelInfo]:
        def fetch(mark: str) -> Reply:
            query: dict[str, Any] = {"limit": PAGE_SIZE} | ({"after_id": mark} if mark else {})
            return self.transport.exchange(lambda: self.sdk.models.with_raw_response.list(**query))

        listed = model_lists.entries(NAME, "data", fetch, model_lists.after_last)
        alive = (entry for entry in listed if entry.get("lifecycle") != "retired")
        return model_lists.text_models(NAME, (model_info(entry) for entry in alive))

    def close(self) -> None:
        self.transport.close()


def request(question: Question) -> dict[str, Any]:
    """Return the parameters of one call; raises BadRequest for a search without a cap on its fees."""
    parameters: dict[str, Any] = {
        "model": question.model_id,
        "max_tokens": question.max_output_tokens,
        "messages": [{"role": "user", "content": question.prompt}],
    }
    if instruction(question):
        parameters["system"] = instruction(question)
    if question.reasoning_effort:
        parameters["output_config"] = {"effort": question.reasoning_effort}
    if question.web_search:
        if question.max_searches < 1:
            raise BadRequest("anthropic: web search was asked for without a cap on its fees", billed="no")
        parameters["tools"] = [search_tool(question)]
    return parameters


def search_tool(question: Question) -> dict[str, Any]:
    tool: dict[str, Any] = {
        "type": "web_search_20250305",
        "name": "web_search",
        "max_uses": question.max_searches,
    }
    if question.country:
        tool["user_location"] = {"type": "approximate", "country": question.country}
    return tool


def read(reply: Reply) -> Answer:
    """Read a stored reply; raises Refused or BadResponse."""
    body = document(NAME, reply)
    meta = ReplyMeta(NAME, text(body.get("model")), usage_in(body))
    finish = finish_of(body, meta)
    return meta.answer(text_in(body), citations_in(body), finish)


def finish_of(body: dict[str, object], meta: ReplyMeta) -> Literal["stop", "max_tokens"]:
    """Return how the reply ended; raises Refused or BadResponse if it is not an answer."""
    error, reason = body.get("error"), body.get("stop_reason")
    if body.get("type") == "error" or (error and not (reason in ENDED and text_in(body).strip())):
        raise meta.bad(f"an error instead of an answer: {shown(mapping(error).get('message') or error)}")
    if reason == "refusal":
        details = mapping(body.get("stop_details"))
        why = " ".join(filter(None, (text(details.get("category")), text(details.get("explanation")))))
        raise meta.refused(f"the model refused: {why or 'no explanation'}")
    if reason == "pause_turn":
        raise meta.bad("the model paused its turn (pause_turn) before the answer was whole")
    if reason == "tool_use":
        raise meta.bad("the model asked for a tool instead of answering (tool_use)")
    return "max_tokens" if reason in CUT else "stop"


def text_in(body: dict[str, object]) -> str:
    """Return the text; consecutive text blocks are one passage, and a search between blocks starts a new one."""
    runs = groupby(mappings(body.get("content")), lambda block: block.get("type") == "text")
    return join_paragraphs("".join(text(block.get("text")) for block in run) for is_text, run in runs if is_text)


def citations_in(body: dict[str, object]) -> tuple[Citation, ...]:
    blocks = (b for b in mappings(body.get("content")) if b.get("type") == "text")
    cited = (c for b in blocks for c in mappings(b.get("citations")))
    return tuple(
        Citation(url=text(c.get("url")), title=text(c.get("title")) or None, cited=True)
        for c in cited
        if c.get("type") == "web_search_result_location" and text(c.get("url"))
    )


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts of a call or of one of its iterations; `inputs` includes cached reads and cache writes."""

    inputs: int = 0
    outputs: int = 0
    cached: int = 0
    written: int = 0
    written_1h: int = 0

    def combined(self, other: Tokens, choose: Callable[[tuple[int, int]], int]) -> Tokens:
        return Tokens(*map(choose, zip(astuple(self), astuple(other), strict=True)))


def usage_in(body: dict[str, object]) -> Usage | None:
    """Return what the call consumed, or None if the reply gives no consistent usage.

    A refusal is charged like an answer. Anthropic bills none that comes before any output, but only on its own API,
    and others have measured that it depends on the category: so the charge is at most the price of the prompt too high.
    """
    usage = mapping(body.get("usage"))
    try:
        tokens = all_tokens(body, usage)
        consumed = Usage(
            input_tokens=tokens.inputs,
            output_tokens=tokens.outputs,
            cached_tokens=tokens.cached,
            cache_write_tokens=tokens.written,
            cache_write_1h_tokens=tokens.written_1h,
            reasoning_tokens=count_or_zero(part(usage.get("output_tokens_details")).get("thinking_tokens")),
            searches=searches_in(body, usage),
            cost_usd=cost_in(usage),
            service_tier=tier_in(usage),
            regional=is_regional(usage.get("inference_geo")),
        )
        return consistent(consumed, text_in(body), searched=bool(citations_in(body)))
    except InvalidUsage:
        return None


def is_regional(geography: object) -> bool:
    """Return whether the inference ran in a region that costs more; raises InvalidUsage."""
    if geography is not None and not isinstance(geography, str):
        raise InvalidUsage
    return text(geography) not in ANYWHERE


def tokens_in(usage: dict[str, object]) -> Tokens:
    """Return the token counts of a usage; raises InvalidUsage."""
    cached = count_or_zero(usage.get("cache_read_input_tokens"))
    by_lifetime = part(usage.get("cache_creation"))
    if any(count_or_zero(tokens) for lifetime, tokens in by_lifetime.items() if lifetime not in LIFETIMES):
        raise InvalidUsage
    hour = count_or_zero(by_lifetime.get("ephemeral_1h_input_tokens"))
    minutes = count_or_zero(by_lifetime.get("ephemeral_5m_input_tokens"))
    written = max(count_or_zero(usage.get("cache_creation_input_tokens")), hour + minutes)
    inputs = count(usage.get("input_tokens")) + cached + written
    return Tokens(inputs, count(usage.get("output_tokens")), cached, written, hour)


def all_tokens(body: dict[str, object], usage: dict[str, object]) -> Tokens:
    """Return the token counts of all iterations: the usage includes those of messages, all others are added.

    Raises InvalidUsage for an iteration by another model, because its price is another one.
    """
    listed = usage.get("iterations") or []
    if not isinstance(listed, list) or len(mappings(listed)) < len(listed):
        raise InvalidUsage
    messages, others = Tokens(), Tokens()
    for entry in mappings(listed):
        if text(entry.get("model")) not in ("", text(body.get("model"))):
            raise InvalidUsage
        if entry.get("type", "message") == "message":
            messages = messages.combined(tokens_in(entry), sum)
        else:
            others = others.combined(tokens_in(entry), sum)
    return tokens_in(usage).combined(messages, max).combined(others, sum)


def tier_in(usage: dict[str, object]) -> str:
    """Return the service tier, with the speed if it is not the standard one: each may have its own price."""
    return " ".join(filter(None, (tier(usage.get("service_tier")), tier(usage.get("speed")))))


def searches_in(body: dict[str, object], usage: dict[str, object]) -> int:
    """Return the billed searches: those that the usage counts, at least those with results in the content.

    A failed search holds an error and is free. Without a count, one without a result counts as well. Raises
    InvalidUsage for an impossible count, and without a count for content that cannot be read.
    """
    counted = part(usage.get("server_tool_use")).get("web_search_requests")
    blocks = mappings(body.get("content")) if counted is not None else counted_objects(body.get("content"))
    results = [block for block in blocks if block.get("type") == "web_search_tool_result"]
    found = sum(isinstance(block.get("content"), list) for block in results)
    if counted is not None:
        return max(count(counted), found)
    started = sum(block.get("type") == "server_tool_use" and block.get("name") == "web_search" for block in blocks)
    return max(found, started + found - len(results))


def model_info(entry: dict[str, object]) -> ModelInfo:
    return ModelInfo(
        model_id=text(entry.get("id")),
        display_name=text(entry.get("display_name")) or text(entry.get("id")),
        created=model_lists.instant(entry.get("created_at")),
        retires_at=model_lists.instant(entry.get("retires_at")),
        lifecycle=text(entry.get("lifecycle")) or None,
        max_input_tokens=model_lists.limit(entry.get("max_input_tokens")),
        max_output_tokens=model_lists.limit(entry.get("max_tokens")),
    )
