"""Anthropic's wire protocol: POST /v1/messages and GET /v1/models."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

from llm_monitoring.demo.exchange import (
    Ask,
    CitedPage,
    Finish,
    HttpRequest,
    Json,
    Rejection,
    Turn,
    count_tokens,
)
from llm_monitoring.demo.wire.openai import bearer, content_text

FIELDS: Final = frozenset(
    "cache_control container context_management diagnostics inference_geo max_tokens mcp_servers messages "
    "metadata model output_config service_tier speed stop_sequences stream system temperature thinking "
    "tool_choice tools top_k top_p".split()
)
NO_SAMPLING_SINCE: Final = "2026-10-21"
STOP: Final[dict[Finish, str]] = {
    "stop": "end_turn",
    "empty": "end_turn",
    "max_tokens": "max_tokens",
    "refusal": "refusal",
    "content_filter": "refusal",
    "pause_turn": "pause_turn",
}
ERROR_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
TOOL_TOKENS: Final = 420
FRAME_TOKENS: Final = 8


class AnthropicWire:
    """The Messages API, as the anthropic SDK reads it."""

    name = "anthropic"

    def route(self, request: HttpRequest) -> tuple[str, str] | None:
        if request.method == "POST" and request.path == "/v1/messages":
            return "answer", ""
        if request.method == "GET" and request.path == "/v1/models":
            return "models", ""
        if request.method == "GET" and request.path.startswith("/v1/models/"):
            return "model", request.path.removeprefix("/v1/models/")
        return None

    def key(self, request: HttpRequest) -> str:
        return request.headers.get("x-api-key", "") or bearer(request)

    def read(self, request: HttpRequest, model: str) -> Ask:
        body = request.json()
        self.check(request, body)
        users = [content_text(turn.get("content", "")) for turn in body["messages"] if turn.get("role") == "user"]
        tools = [tool for tool in body.get("tools") or [] if str(tool.get("type", "")).startswith("web_search")]
        system = content_text(body.get("system") or "")
        texts = [system] + [content_text(turn.get("content", "")) for turn in body["messages"]]
        thinking = (body.get("thinking") or {}).get("type")
        effort = (body.get("output_config") or {}).get("effort") or "medium"
        choice = (body.get("tool_choice") or {}).get("type")
        return Ask(
            model=body["model"],
            prompt=users[0] if users else "",
            instructions=system,
            input_tokens=sum(map(count_tokens, texts)) + FRAME_TOKENS + TOOL_TOKENS * bool(tools),
            max_output_tokens=body["max_tokens"],
            search=("must" if choice in ("any", "tool") else "may") if tools and choice != "none" else "no",
            max_searches=tools[0].get("max_uses") if tools else None,
            effort=effort if thinking in ("adaptive", "enabled") else "none",
            wants_json=bool((body.get("output_config") or {}).get("format")),
            cacheable=bool(body.get("cache_control")) or "cache_control" in str(body.get("system")),
            echo=body,
        )

    def check(self, request: HttpRequest, body: Json) -> None:
        version = request.headers.get("anthropic-version")
        if not version:
            raise Rejection(400, "anthropic-version: header is required")
        for field in body:
            if field not in FIELDS:
                raise Rejection(400, f"{field}: Extra inputs are not permitted")
        for field in ("model", "max_tokens", "messages"):
            if not body.get(field):
                raise Rejection(400, f"{field}: Field required")
        if not isinstance(body["max_tokens"], int) or body["max_tokens"] < 1:
            raise Rejection(400, "max_tokens: Input should be greater than or equal to 1")
        sampling = [field for field in ("temperature", "top_p", "top_k") if field in body]
        if sampling and version >= NO_SAMPLING_SINCE:
            raise Rejection(400, f"{sampling[0]}: this parameter is no longer supported")

    def reply(self, turn: Turn) -> Json:
        refused = STOP[turn.finish] == "refusal"
        details = {"type": "refusal", "category": "general_harms", "explanation": turn.composed.text or None}
        return {
            "id": f"msg_{turn.id}",
            "type": "message",
            "role": "assistant",
            "model": turn.served,
            "content": [] if refused or turn.finish == "empty" else self.content(turn),
            "container": None,
            "stop_reason": STOP[turn.finish],
            "stop_details": details if refused else None,
            "stop_sequence": None,
            "usage": self.usage(turn),
        }

    def content(self, turn: Turn) -> list[Json]:
        blocks: list[Json] = []
        if turn.usage.reasoning:
            blocks.append({"type": "thinking", "thinking": "", "signature": seal(f"thinking {turn.id}")})
        pages = turn.composed.citations
        for at, query in enumerate(turn.composed.queries):
            use = f"srvtoolu_{turn.id}{at}"
            results = [result(page) for page in pages[at :: len(turn.composed.queries)]]
            blocks.append({"type": "server_tool_use", "id": use, "name": "web_search", "input": {"query": query}})
            blocks.append({"type": "web_search_tool_result", "tool_use_id": use, "content": results})
        if turn.finish == "pause_turn":
            return blocks or [{"type": "text", "text": turn.composed.text[:80], "citations": None}]
        return blocks + text_blocks(turn.composed.text, pages)

    def usage(self, turn: Turn) -> Json:
        usage = turn.usage
        tools = {"web_search_requests": usage.searches, "web_fetch_requests": 0} if usage.searches else None
        return {
            "input_tokens": usage.input - usage.cached - usage.cache_write,
            "cache_creation_input_tokens": usage.cache_write,
            "cache_read_input_tokens": usage.cached,
            "cache_creation": {
                "ephemeral_5m_input_tokens": usage.cache_write,
                "ephemeral_1h_input_tokens": 0,
            },
            "output_tokens": usage.output,
            "output_tokens_details": {"thinking_tokens": usage.reasoning},
            "server_tool_use": tools,
            "service_tier": turn.tier or "standard",
            "inference_geo": "global",
        }

    def usage_path(self) -> str:
        return "usage"

    def error(self, rejection: Rejection, request_id: str) -> Json:
        kind = ERROR_TYPES.get(rejection.status, "api_error" if rejection.status >= 500 else "invalid_request_error")
        return {
            "type": "error",
            "error": {"type": kind, "message": rejection.message},
            "request_id": f"req_{request_id}",
        }

    def bad_key(self, key: str) -> Rejection:
        return Rejection(401, "invalid x-api-key" if key else "x-api-key header is required")

    def unknown_model(self, model: str) -> Rejection:
        return Rejection(404, f"model: {model}")

    def headers(self, request_id: str) -> dict[str, str]:
        return {
            "request-id": f"req_{request_id}",
            "anthropic-organization-id": "00000000-0000-4000-8000-000000000000",
        }


def seal(text: str) -> str:
    return b64encode(text.encode()).decode()


def result(page: CitedPage) -> Json:
    return {
        "type": "web_search_result",
        "url": page.url,
        "title": page.title,
        "encrypted_content": seal(page.snippet),
        "page_age": None,
    }


def text_blocks(text: str, pages: tuple[CitedPage, ...]) -> list[Json]:
    """Return the text in blocks, so that each cited line is a block with its citations."""
    cited: dict[int, list[CitedPage]] = {}
    for page in pages:
        cited.setdefault(page.line, []).append(page)
    blocks: list[Json] = []
    plain = ""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        end = "\n" if number + 1 < len(lines) else ""
        if number not in cited or not line:
            plain += line + end
            continue
        if plain:
            blocks.append({"type": "text", "text": plain, "citations": None})
        blocks.append({"type": "text", "text": line, "citations": [location(page) for page in cited[number]]})
        plain = end
    if plain or not blocks:
        blocks.append({"type": "text", "text": plain, "citations": None})
    return blocks


def location(page: CitedPage) -> dict[str, Any]:
    return {
        "type": "web_search_result_location",
        "url": page.url,
        "title": page.title,
        "cited_text": page.snippet[:150],
        "encrypted_index": seal(page.url),
    }
