"""OpenAI's wire protocol: POST /v1/responses and GET /v1/models."""

from __future__ import annotations

import re
from typing import Any, Final

from llm_monitoring.demo.exchange import Ask, CitedPage, HttpRequest, Json, Rejection, Turn, count_tokens

FIELDS: Final = frozenset(
    "background context_management conversation include input instructions max_output_tokens "
    "max_tool_calls metadata model parallel_tool_calls previous_response_id prompt prompt_cache_key "
    "prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream "
    "stream_options temperature text tool_choice tools top_logprobs top_p truncation user".split()
)
SEARCH_TOOLS: Final = ("web_search", "web_search_2025_08_26", "web_search_preview")
FLEX_MODELS: Final = re.compile(r"gpt-[5-9]|o3|o4-mini")
TOOL_TOKENS: Final = 240
FRAME_TOKENS: Final = 7


class OpenAIWire:
    """The Responses API, as the openai SDK reads it."""

    name = "openai"

    def route(self, request: HttpRequest) -> tuple[str, str] | None:
        if request.method == "POST" and request.path == "/v1/responses":
            return "answer", ""
        if request.method == "GET" and request.path == "/v1/models":
            return "models", ""
        if request.method == "GET" and request.path.startswith("/v1/models/"):
            return "model", request.path.removeprefix("/v1/models/")
        return None

    def key(self, request: HttpRequest) -> str:
        return bearer(request)

    def read(self, request: HttpRequest, model: str) -> Ask:
        body = request.json()
        check_fields(body, FIELDS)
        self.check_values(body)
        return read_responses(body, SEARCH_TOOLS)

    def check_values(self, body: Json) -> None:
        limit = body.get("max_output_tokens")
        if limit is not None and limit < 16:
            message = "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16."
            raise Rejection(400, message, "integer_below_min_value", "max_output_tokens")
        if body.get("service_tier") == "flex" and not FLEX_MODELS.match(str(body["model"])):
            raise Rejection(
                400, "Invalid service_tier argument: this model does not support flex.", None, "service_tier"
            )
        if body.get("temperature") not in (None, 1):
            message = "Unsupported parameter: 'temperature' is not supported with this model."
            raise Rejection(400, message, "unsupported_parameter", "temperature")

    def reply(self, turn: Turn) -> Json:
        ask = turn.ask
        reason = {"max_tokens": "max_output_tokens", "content_filter": "content_filter"}.get(turn.finish)
        return {
            "id": f"resp_{turn.id}",
            "object": "response",
            "created_at": turn.created,
            "completed_at": turn.created + 1,
            "status": "incomplete" if reason else "completed",
            "background": False,
            "error": None,
            "incomplete_details": {"reason": reason} if reason else None,
            "instructions": ask.instructions or None,
            "max_output_tokens": ask.max_output_tokens,
            "max_tool_calls": ask.echo.get("max_tool_calls"),
            "model": turn.served,
            "output": self.output(turn),
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": ask.effort, "summary": None},
            **({} if turn.tier is None else {"service_tier": turn.tier or "default"}),
            "store": ask.echo.get("store", True),
            "temperature": 1.0,
            "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": ask.echo.get("tool_choice", "auto"),
            "tools": ask.echo.get("tools", []),
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": self.usage(turn),
            "user": None,
            "metadata": {},
        }

    def output(self, turn: Turn) -> list[Json]:
        items: list[Json] = []
        if turn.usage.reasoning:
            items.append({"id": f"rs_{turn.id}", "type": "reasoning", "content": [], "summary": []})
        items += [self.search_call(turn, query, at) for at, query in enumerate(turn.composed.queries)]
        if turn.finish == "refusal":
            part: Json = {"type": "refusal", "refusal": turn.composed.text}
        else:
            text, annotations = annotate(turn.composed.text, turn.composed.citations)
            part = {"type": "output_text", "annotations": annotations, "logprobs": [], "text": text}
        status = "incomplete" if turn.finish in ("max_tokens", "content_filter") else "completed"
        message = {
            "id": f"msg_{turn.id}",
            "type": "message",
            "status": status,
            "content": [part],
            "role": "assistant",
        }
        return [*items, message]

    def search_call(self, turn: Turn, query: str, at: int) -> Json:
        action: Json = {"type": "search", "query": query, "queries": [query]}
        if "web_search_call.action.sources" in turn.ask.echo.get("include", []):
            action["sources"] = [{"type": "url", "url": page.url} for page in turn.composed.citations]
        return {"id": f"ws_{turn.id}{at}", "type": "web_search_call", "status": "completed", "action": action}

    def usage(self, turn: Turn) -> Json:
        usage = turn.usage
        return {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.input + usage.output,
        }

    def usage_path(self) -> str:
        return "usage"

    def error(self, rejection: Rejection, request_id: str) -> Json:
        kind = {429: "requests", 401: "invalid_request_error", 403: "invalid_request_error"}.get(rejection.status)
        kind = kind or ("server_error" if rejection.status >= 500 else "invalid_request_error")
        code = rejection.code or {429: "rate_limit_exceeded"}.get(rejection.status)
        return {"error": {"message": rejection.message, "type": kind, "param": rejection.param, "code": code}}

    def bad_key(self, key: str) -> Rejection:
        if not key:
            return Rejection(401, "You didn't provide an API key.")
        shown = f"{key[:8]}{'*' * max(4, len(key) - 12)}{key[-4:]}"
        help_page = "You can find your API key at https://platform.openai.com/account/api-keys."
        return Rejection(401, f"Incorrect API key provided: {shown}. {help_page}", "invalid_api_key")

    def unknown_model(self, model: str) -> Rejection:
        message = f"The model `{model}` does not exist or you do not have access to it."
        return Rejection(404, message, "model_not_found", "model")

    def headers(self, request_id: str) -> dict[str, str]:
        return {
            "x-request-id": f"req_{request_id}",
            "openai-version": "2020-10-01",
            "openai-processing-ms": "1",
        }


def bearer(request: HttpRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def check_fields(body: Json, known: frozenset[str]) -> None:
    for field in body:
        if field not in known:
            raise Rejection(400, f"Unknown parameter: '{field}'.", "unknown_parameter", field)
    if not isinstance(body.get("model"), str):
        raise Rejection(400, "Missing required parameter: 'model'.", "missing_required_parameter", "model")
    if not body.get("input"):
        raise Rejection(400, "Missing required parameter: 'input'.", "missing_required_parameter", "input")
    limit = body.get("max_output_tokens")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        message = "Invalid 'max_output_tokens': expected a positive integer."
        raise Rejection(400, message, "invalid_type", "max_output_tokens")


def read_responses(body: Json, search_tools: tuple[str, ...]) -> Ask:
    """Return the question of a Responses request."""
    turns = read_input(body["input"])
    users = [text for role, text in turns if role == "user"]
    system = [body.get("instructions") or ""] + [text for role, text in turns if role in ("system", "developer")]
    tools = body.get("tools") or []
    searching = any(tool.get("type") in search_tools for tool in tools)
    choice = body.get("tool_choice", "auto")
    forced = choice == "required" or (isinstance(choice, dict) and choice.get("type") in search_tools)
    texts = [text for _, text in turns] + [body.get("instructions") or ""]
    text_format = ((body.get("text") or {}).get("format") or body.get("response_format") or {}).get("type", "text")
    return Ask(
        model=body["model"],
        prompt=users[-1] if users else "",
        instructions="\n".join(filter(None, system)),
        input_tokens=sum(map(count_tokens, texts)) + FRAME_TOKENS + TOOL_TOKENS * searching,
        max_output_tokens=body.get("max_output_tokens"),
        search=("must" if forced else "may") if searching and choice != "none" else "no",
        max_searches=body.get("max_tool_calls") or body.get("max_steps"),
        effort=(body.get("reasoning") or {}).get("effort"),
        wants_json=text_format in ("json_schema", "json_object"),
        cacheable=True,
        tier="flex" if body.get("service_tier") == "flex" else "",
        echo=body,
    )


def read_input(value: Any) -> list[tuple[str, str]]:
    """Return (role, text) pairs of a Responses input."""
    if isinstance(value, str):
        return [("user", value)]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Rejection(
            400, "Invalid type for 'input': expected a string or an array of items.", "invalid_type", "input"
        )
    return [(item.get("role", "user"), content_text(item.get("content", ""))) for item in value]


def content_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if isinstance(part, dict))


def annotate(text: str, citations: tuple[CitedPage, ...]) -> tuple[str, list[Json]]:
    """Return the text with a link after each cited line, and the annotations that cover the links."""
    written, annotations = "", list[Json]()
    for number, line in enumerate(text.split("\n")):
        written += f"\n{line}" if number else line
        for page in citations:
            if page.line == number:
                url = f"{page.url}{'&' if '?' in page.url else '?'}utm_source=openai"
                start = len(written) + 1
                written += f" ([{page.domain}]({url}))"
                span = {"start_index": start, "end_index": len(written)}
                annotations.append({"type": "url_citation", "title": page.title, "url": url} | span)
    return written, annotations
