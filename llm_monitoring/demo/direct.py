"""Providers that call the simulated service in this process, so that the demo's history needs no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from llm_monitoring.demo.exchange import HttpRequest, Json
from llm_monitoring.demo.server.service import Service
from llm_monitoring.domain import KeyId, Mode, ProviderName, Secret
from llm_monitoring.keys import Clients, KeyStore
from llm_monitoring.providers import (
    BadResponse,
    ModelInfo,
    Provider,
    Question,
    Reply,
    anthropic,
    google_wire,
    instruction,
    openai,
    perplexity,
)
from llm_monitoring.settings import Settings

VERSION: Final = {"anthropic-version": anthropic.API_VERSION, "content-type": "application/json"}


def responses_request(parameters: dict[str, Any]) -> Json:
    """Return the body that the openai SDK sends for these parameters."""
    extra = parameters.pop("extra_body", {})
    return {**parameters, **extra}


def google_request(question: Question) -> Json:
    config: Json = {"maxOutputTokens": question.max_output_tokens}
    if settings := google_wire.thinking(question):
        config["thinkingConfig"] = settings
    system = {"systemInstruction": {"parts": [{"text": instruction(question)}]}} if instruction(question) else {}
    tier = {"serviceTier": "flex"} if question.mode == "flex" else {}
    contents = [{"role": "user", "parts": [{"text": question.prompt}]}]
    return {"contents": contents, "generationConfig": config, **system, **tier}


Body = Callable[[Question], Json]
REQUESTS: Final[dict[ProviderName, tuple[str, Body]]] = {
    "openai": ("/openai/v1/responses", lambda question: responses_request(openai.request(question))),
    "anthropic": ("/anthropic/v1/messages", anthropic.request),
    "google": ("/google/v1beta/models/{model}:generateContent", google_request),
    "perplexity": ("/perplexity/v1/responses", lambda question: responses_request(perplexity.request(question))),
}


@dataclass(slots=True)
class DirectProvider:
    """One provider with one key; `service` answers in the same thread."""

    name: ProviderName
    key: Secret
    service: Service
    lock: Lock

    def send(self, question: Question) -> Reply:
        path, body = REQUESTS[self.name]
        key = self.key.reveal()
        headers = {"authorization": f"Bearer {key}", "x-api-key": key, "x-goog-api-key": key, **VERSION}
        sent = json.dumps(body(question)).encode()
        with self.lock:
            reply = self.service.handle(HttpRequest("POST", path.format(model=question.model_id), {}, headers, sent))
        if reply.status != 200:
            raise BadResponse(f"the simulated {self.name} answered {reply.status}", billed="no", status=reply.status)
        return Reply(reply.status, reply.body, latency_ms=0, service_tier=reply.headers.get("x-gemini-service-tier"))

    def list_models(self) -> list[ModelInfo]:
        return []

    def close(self) -> None:
        """Do nothing: there is no connection."""


class DirectClients(Clients):
    """Clients of one service in this process, with the keys of the run."""

    def __init__(self, keys: KeyStore, settings: Settings, service: Service) -> None:
        super().__init__(keys, settings)
        self.service, self.service_lock = service, Lock()

    def connect(self, key: KeyId, mode: Mode) -> Provider:
        return DirectProvider(key.provider, self.secret(key), self.service, self.service_lock)
