"""Google's Gemini, through google-genai."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.providers import google_wire, model_lists
from llm_monitoring.providers.base import BadRequest, ModelInfo, Question, Reply, instruction, require_mode
from llm_monitoring.providers.transport import HttpTransport, certificates

if TYPE_CHECKING:
    from google import genai


class GoogleProvider:
    """Google with one key."""

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

        self.sdk = open_sdk(key, base_url or google_wire.BASE_URL, timeout_seconds, self.transport)

    def send(self, question: Question) -> Reply:
        return self.transport.ask(question, self.write)

    def write(self, question: Question) -> object:
        return self.sdk.models.generate_content(**request(question))

    def list_models(self) -> list[ModelInfo]:
        def fetch(mark: str) -> Reply:
            config: Any = {"page_size": google_wire.PAGE_SIZE} | ({"page_token": mark} if mark else {})
            return self.transport.exchange(lambda: self.sdk.models.list(config=config))

        listed = model_lists.entries(google_wire.NAME, "models", fetch, google_wire.next_page)
        return model_lists.text_models(
            google_wire.NAME, (google_wire.model_info(e) for e in listed if google_wire.generates(e))
        )

    def close(self) -> None:
        self.transport.close()


def open_sdk(key: Secret, base_url: str, timeout_seconds: float, transport: HttpTransport) -> genai.Client:
    """Return a client of the Gemini API; every option that the environment could set is set here."""
    from google import genai
    from google.genai import client, types

    return genai.Client(
        vertexai=False,
        api_key=key.reveal(),
        debug_config=client.DebugConfig(client_mode=None, replays_directory=None, replay_id=None),
        http_options=types.HttpOptions(
            base_url=base_url,
            api_version=google_wire.API_VERSION,
            timeout=round(timeout_seconds * 1000),
            httpx_client=transport.http,
            # for clients that are never used: without these the SDK reads the certificates twice for each key, and
            # fails on a proxy in the environment that we do not use
            async_client_args={"verify": certificates(), "ssl": certificates(), "trust_env": False},
        ),
    )


def request(question: Question) -> dict[str, Any]:
    """Return the parameters of one call; raises BadRequest for a search without a cap on its fees.

    Google has no field for a country, so the instruction names it, and none for a search cap, so the cap is only
    part of the reservation. Continuation and function calls are off, because each is a further request.
    """
    from google.genai import types

    require_mode(google_wire.NAME, question, "standard", "flex")
    config: dict[str, Any] = {
        "max_output_tokens": question.max_output_tokens,
        "should_return_http_response": True,
        "automatic_continuation": False,
        "automatic_function_calling": {"disable": True},
    }
    if question.mode == "flex":
        config["service_tier"] = "flex"
    if instruction(question):
        config["system_instruction"] = instruction(question)
    if settings := google_wire.thinking(question):
        config["thinking_config"] = settings
    if question.web_search:
        if question.max_searches < 1:
            raise BadRequest("google: web search was asked for without a cap on its fees", billed="no")
        config["tools"] = [{"google_search": {}}]
    return {
        "model": question.model_id,
        "contents": question.prompt,
        "config": types.GenerateContentConfig.model_validate(config),
    }
