"""Google's wire protocol: POST /v1beta/models/{model}:generateContent and GET /v1beta/models."""

from __future__ import annotations

import re
from hashlib import sha256
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

PATH: Final = re.compile(r"/v1(?:beta|alpha)?/models(?:/(?P<model>[^:]+?)(?P<call>:\w+)?)?")
STATUS_NAMES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
FINISH: Final[dict[Finish, str]] = {"max_tokens": "MAX_TOKENS", "refusal": "SAFETY", "pause_turn": "OTHER"}
FLEX_MODELS: Final = re.compile(r"gemini-(?:2\.5|3)")
FIELDS: Final = frozenset(
    "model contents systemInstruction generationConfig safetySettings tools toolConfig cachedContent "
    "labels store serviceTier".split()
)


class GoogleWire:
    """The generateContent API, as google-genai and google-generativeai read it."""

    name = "google"

    def route(self, request: HttpRequest) -> tuple[str, str] | None:
        match = PATH.fullmatch(request.path)
        if not match:
            return None
        model, call = match["model"] or "", match["call"] or ""
        if request.method == "POST" and model and call == ":generateContent":
            return "answer", model
        if request.method == "GET" and not call:
            return ("model", model) if model else ("models", "")
        return None

    def key(self, request: HttpRequest) -> str:
        return request.headers.get("x-goog-api-key", "") or request.query.get("key", "")

    def read(self, request: HttpRequest, model: str) -> Ask:
        body = {camel(name): value for name, value in request.json().items()}
        for field in body:
            if field not in FIELDS:
                message = f'Invalid JSON payload received. Unknown name "{field}": Cannot find field.'
                raise Rejection(400, message)
        if body.get("serviceTier") and not FLEX_MODELS.match(model):
            raise Rejection(400, f"The service tier {body['serviceTier']} is not available for {model}.")
        if not body.get("contents"):
            raise Rejection(400, "* GenerateContentRequest.contents: contents is not specified")
        config = camel_keys(body.get("generationConfig") or {})
        tools = [camel_keys(tool) for tool in body.get("tools") or []]
        turns = [(turn.get("role", "user"), parts_text(turn)) for turn in body["contents"]]
        system = parts_text(body.get("systemInstruction") or {})
        users = [text for role, text in turns if role == "user"]
        return Ask(
            model=model,
            prompt=users[-1] if users else "",
            instructions=system,
            input_tokens=sum(count_tokens(text) for _, text in turns) + count_tokens(system),
            max_output_tokens=config.get("maxOutputTokens"),
            search="may" if any("googleSearch" in tool for tool in tools) else "no",
            effort=thinking(config),
            wants_json=config.get("responseMimeType") == "application/json",
            cacheable=True,
            tier="flex" if str(body.get("serviceTier") or "").lower() == "flex" else "",
            echo=body,
        )

    def reply(self, turn: Turn) -> Json:
        head = {"modelVersion": turn.served, "responseId": turn.id, "usageMetadata": self.usage(turn)}
        if turn.finish == "content_filter":
            return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}} | head
        candidate: Json = {"index": 0, "finishReason": FINISH.get(turn.finish, "STOP")}
        text = "" if turn.finish in ("refusal", "empty") else turn.composed.text
        candidate["content"] = {"parts": [{"text": text}], "role": "model"} if text else {"role": "model"}
        if turn.composed.queries and text:
            candidate["groundingMetadata"] = grounding(turn, text)
        return {"candidates": [candidate]} | head

    def usage(self, turn: Turn) -> Json:
        usage = turn.usage
        shown: Json = {
            "promptTokenCount": usage.input - usage.tool_input,
            "candidatesTokenCount": usage.output - usage.reasoning,
            "totalTokenCount": usage.input + usage.output,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input - usage.tool_input}],
        }
        optional = {
            "thoughtsTokenCount": usage.reasoning,
            "cachedContentTokenCount": usage.cached,
            "toolUsePromptTokenCount": usage.tool_input,
        }
        return shown | {name: count for name, count in optional.items() if count}

    def usage_path(self) -> str:
        return "usageMetadata"

    def error(self, rejection: Rejection, request_id: str) -> Json:
        name = rejection.code or STATUS_NAMES.get(rejection.status, "UNKNOWN")
        error: Json = {"code": rejection.status, "message": rejection.message, "status": name}
        if rejection.param:
            kind = "type.googleapis.com/google.rpc.ErrorInfo"
            error["details"] = [{"@type": kind, "reason": rejection.param, "domain": "googleapis.com"}]
        return {"error": error}

    def bad_key(self, key: str) -> Rejection:
        if key:
            message = "API key not valid. Please pass a valid API key."
            return Rejection(400, message, "INVALID_ARGUMENT", "API_KEY_INVALID")
        message = "Method doesn't allow unregistered callers (callers without established identity)."
        return Rejection(403, message, "PERMISSION_DENIED")

    def unknown_model(self, model: str) -> Rejection:
        message = f"models/{model} is not found for API version v1beta, or is not supported for generateContent."
        return Rejection(404, message, "NOT_FOUND")

    def headers(self, request_id: str) -> dict[str, str]:
        return {"server-timing": "gfet4t7; dur=1", "x-content-type-options": "nosniff"}


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def camel_keys(value: Json) -> Json:
    return {camel(name): inner for name, inner in value.items()}


def parts_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content.get("parts") or [])


def thinking(config: Json) -> str | None:
    """Return the effort of a thinking configuration; None is the model's default."""
    chosen = camel_keys(config.get("thinkingConfig") or {})
    if chosen.get("thinkingBudget") == 0:
        return "none"
    level = chosen.get("thinkingLevel")
    return str(level).lower() if level else None


def redirect(page: CitedPage) -> str:
    token = sha256(page.url.encode()).hexdigest()
    return f"https://vertexaisearch.cloud.google.com/grounding-api-redirect/AUZIYQ{token}"


def grounding(turn: Turn, text: str) -> Json:
    pages = turn.composed.citations
    chunks = [{"web": {"uri": redirect(page), "title": page.domain}} for page in pages]
    lines = text.split("\n")
    supports = []
    for at, page in enumerate(pages):
        if page.line >= len(lines):
            continue
        line = lines[page.line]
        start = len("\n".join([*lines[: page.line], ""]).encode()) if page.line else 0
        segment = {"startIndex": start, "endIndex": start + len(line.encode()), "text": line}
        supports.append({"segment": segment, "groundingChunkIndices": [at]})
    return {
        "webSearchQueries": list(turn.composed.queries),
        "groundingChunks": chunks,
        "groundingSupports": supports,
        "searchEntryPoint": {"renderedContent": '<div class="container"></div>'},
    }
