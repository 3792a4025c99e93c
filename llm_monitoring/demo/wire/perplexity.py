"""Perplexity's wire protocol: the Responses form of its Agent API, POST /v1/responses and GET /v1/models."""

from __future__ import annotations

from typing import Final

from llm_monitoring.demo.exchange import Ask, HttpRequest, Json, Rejection, Turn
from llm_monitoring.demo.wire.openai import bearer, read_responses

FIELDS: Final = frozenset(
    "background input instructions language_preference max_output_tokens max_steps model models preset "
    "previous_response_id reasoning response_format skills store stream tool_choice tools".split()
)
TOOL_FIELDS: Final = frozenset(
    "type filters max_tokens max_tokens_per_page search_context_size user_location max_urls name "
    "description parameters strict".split()
)
LOCATION_FIELDS: Final = frozenset({"city", "country", "latitude", "longitude", "region"})


class PerplexityWire:
    """The Agent API, which rejects unknown fields and gives the price with the usage."""

    name = "perplexity"

    def route(self, request: HttpRequest) -> tuple[str, str] | None:
        if request.method == "POST" and request.path in ("/v1/responses", "/v1/agent"):
            return "answer", ""
        return ("models", "") if request.method == "GET" and request.path == "/v1/models" else None

    def key(self, request: HttpRequest) -> str:
        return bearer(request)

    def read(self, request: HttpRequest, model: str) -> Ask:
        body = request.json()
        reject_unknown(body, FIELDS, "")
        for tool in body.get("tools") or []:
            reject_unknown(tool, TOOL_FIELDS, "tools.")
            reject_unknown(tool.get("user_location") or {}, LOCATION_FIELDS, "tools.user_location.")
        if not isinstance(body.get("model"), str):
            raise Rejection(400, "one of model, models or preset is required", "invalid_request")
        if not body.get("input"):
            raise Rejection(400, "input is required", "invalid_request")
        return read_responses(body, ("web_search",))

    def reply(self, turn: Turn) -> Json:
        status = {"content_filter": "failed", "max_tokens": "incomplete"}.get(turn.finish, "completed")
        failure = {"message": "The response was blocked by a content filter.", "code": "content_filter"}
        return {
            "id": f"resp_{turn.id}",
            "object": "response",
            "created_at": turn.created,
            "model": turn.served,
            "status": status,
            "error": failure | {"type": "invalid_request"} if status == "failed" else None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "output": self.output(turn, status),
            "usage": self.usage(turn),
            "background": False,
            "store": turn.ask.echo.get("store", True),
        }

    def output(self, turn: Turn, status: str) -> list[Json]:
        items: list[Json] = []
        if turn.composed.queries:
            pages = [
                {
                    "id": number,
                    "title": page.title,
                    "url": page.url,
                    "snippet": page.snippet,
                    "source": "web",
                    "date": None,
                    "last_updated": None,
                }
                for number, page in enumerate(turn.composed.citations, 1)
            ]
            items.append({"type": "search_results", "queries": list(turn.composed.queries), "results": pages})
        if status == "failed":
            return items
        part: Json = {"type": "output_text", "text": marked(turn), "annotations": []}
        if turn.finish == "refusal":
            part = {"type": "refusal", "refusal": turn.composed.text}
        message = {"id": f"msg_{turn.id}", "type": "message", "role": "assistant", "status": "completed"}
        return [*items, message | {"content": [part]}]

    def usage(self, turn: Turn) -> Json:
        usage = turn.usage
        costs = {name: float(amount) for name, amount in turn.costs.items()}
        return {
            "input_tokens": usage.input,
            "input_tokens_details": {
                "cache_read_input_tokens": usage.cached,
                "cache_creation_input_tokens": 0,
            },
            "output_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "tool_calls_details": {"search_web": {"invocation": usage.searches}} if usage.searches else {},
            "cost": {
                "currency": "USD",
                "input_cost": costs["input"],
                "cache_read_cost": costs["cache_read"],
                "output_cost": costs["output"],
                "tool_calls_cost": costs["tool_calls"],
                "total_cost": costs["total"],
            },
        }

    def usage_path(self) -> str:
        return "usage"

    def error(self, rejection: Rejection, request_id: str) -> Json:
        names = {401: "invalid_api_key", 402: "insufficient_quota", 429: "rate_limit_exceeded"}
        kind = rejection.code or names.get(rejection.status)
        kind = kind or ("internal_server_error" if rejection.status >= 500 else "invalid_request")
        return {"error": {"message": rejection.message, "type": kind, "code": rejection.status}}

    def bad_key(self, key: str) -> Rejection:
        return Rejection(401, "Invalid API key provided. You can find your API key at https://console.perplexity.ai.")

    def unknown_model(self, model: str) -> Rejection:
        page = "https://docs.perplexity.ai/docs/getting-started/models"
        return Rejection(
            400,
            f"Invalid model '{model}'. Permitted models can be found in the documentation at {page}.",
            "invalid_model",
        )

    def headers(self, request_id: str) -> dict[str, str]:
        return {"x-request-id": request_id}


def reject_unknown(value: Json, known: frozenset[str], where: str) -> None:
    for field in value:
        if field not in known:
            raise Rejection(400, f'json: unknown field "{where}{field}"', "invalid_request")


def marked(turn: Turn) -> str:
    """Return the text with [n] after each line that a result supports."""
    lines = turn.composed.text.split("\n")
    for number, page in enumerate(turn.composed.citations, 1):
        if page.line < len(lines) and turn.composed.text:
            lines[page.line] += f"[{number}]"
    return "\n".join(lines)
