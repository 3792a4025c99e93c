"""Google's Gemini, through google-generativeai: for a host application that still pins that package."""

from __future__ import annotations

import warnings
from functools import partialmethod
from importlib import import_module
from typing import Any

import httpx2

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.providers import google_wire, model_lists
from llm_monitoring.providers.base import BadRequest, ModelInfo, Question, Reply, instruction, require_mode
from llm_monitoring.providers.transport import HttpTransport


class GoogleLegacyProvider:
    """Google with one key, without web search and without a reasoning effort."""

    name: ProviderName = google_wire.NAME

    def __init__(
        self, key: Secret, *, base_url: str | None, timeout_seconds: float, total_seconds: float | None
    ) -> None:
        self.transport = HttpTransport(
            google_wire.NAME,
            key,
            base_url=base_url or google_wire.BASE_URL,
            headers={"x-goog-api-key": key.reveal()},
            timeout_seconds=timeout_seconds,
            total_seconds=total_seconds,
        )
        self.sdk = import_sdk()
        self.generative = self.open_service("Generative", base_url or google_wire.BASE_URL)
        self.models = self.open_service("Model", base_url or google_wire.BASE_URL)
        self.options = {"retry": None, "timeout": timeout_seconds}

    def open_service(self, name: str, base_url: str) -> Any:
        """Return a service of the SDK over our transport, because the SDK's own retries a 401 and follows redirects.

        `genai.configure` is not called, because it would set the key for the whole process.
        """
        services = import_module("google.ai.generativelanguage")
        options = {"api_key": self.transport.key.reveal(), "api_endpoint": base_url}
        service = getattr(services, f"{name}ServiceClient")(transport="rest", client_options=options)
        transport = service.transport
        transport._session.close()  # noqa: SLF001
        transport._session = WireSession(self.transport.http)  # noqa: SLF001
        info = import_module("google.api_core.gapic_v1.client_info").ClientInfo(user_agent="genai-py")
        transport._prep_wrapped_messages(info)  # noqa: SLF001
        return service

    def send(self, question: Question) -> Reply:
        refuse_what_is_missing(question)
        model = self.sdk.GenerativeModel(question.model_id, system_instruction=instruction(question) or None)
        model._client = self.generative  # noqa: SLF001
        config = {"max_output_tokens": question.max_output_tokens}
        return self.transport.exchange(
            lambda: model.generate_content(question.prompt, generation_config=config, request_options=self.options),
        )

    def list_models(self) -> list[ModelInfo]:
        def fetch(mark: str) -> Reply:
            page = {"page_size": google_wire.PAGE_SIZE, "page_token": mark}
            return self.transport.exchange(lambda: self.models.list_models(page, **self.options))

        listed = model_lists.entries(google_wire.NAME, "models", fetch, google_wire.next_page)
        return model_lists.text_models(
            google_wire.NAME, (google_wire.model_info(e) for e in listed if google_wire.generates(e))
        )

    def close(self) -> None:
        self.transport.close()


class WireSession:
    """The methods of a requests session that the SDK's REST transport calls, over our transport."""

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        params: list[tuple[str, Any]],
        timeout: float,
        data: str | None = None,
    ) -> httpx2.Response:
        # "$alt" asks for enums as numbers: without it a finish reason newer than the package keeps its name.
        named = [(name, value) for name, value in params if name != "$alt"]
        return self.http.request(method, url, headers=headers, params=named, content=data, timeout=timeout)

    get = partialmethod(send, "GET")
    post = partialmethod(send, "POST")

    def close(self) -> None:
        """Do nothing: the HttpTransport closes its own connection."""


def import_sdk() -> Any:
    # Every run would print the package's end of life and its dependencies' warnings about old Python versions.
    warnings.filterwarnings("ignore", r"\s*All support for the .google.generativeai", FutureWarning)
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.(api_core|generativeai)")
    return import_module("google.generativeai")


def refuse_what_is_missing(question: Question) -> None:
    """Raise BadRequest for options that this package ignores silently."""
    require_mode(google_wire.NAME, question, "standard")
    why = "google: the installed google-generativeai cannot send {}: install google-genai"
    if question.web_search:
        raise BadRequest(why.format("a web search"), billed="no")
    if question.reasoning_effort:
        raise BadRequest(why.format("a reasoning effort"), billed="no")
