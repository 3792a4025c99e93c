"""The client that OpenAI and Perplexity share: the openai SDK with one base URL and one key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.providers import model_lists
from llm_monitoring.providers.base import ModelInfo, Question, Reply
from llm_monitoring.providers.parsing import text
from llm_monitoring.providers.transport import HttpTransport


class ResponsesClient:
    """A client of a server with OpenAI's API."""

    def __init__(
        self,
        name: ProviderName,
        key: Secret,
        *,
        base_url: str,
        timeout_seconds: float,
        total_seconds: float | None,
    ) -> None:
        self.name = name
        self.transport = HttpTransport(
            name,
            key,
            base_url=base_url,
            headers={"authorization": f"Bearer {key.reveal()}"},
            timeout_seconds=timeout_seconds,
            total_seconds=total_seconds,
        )
        import openai

        self.sdk = openai.OpenAI(
            api_key=key.reveal(),
            base_url=base_url,
            max_retries=0,
            timeout=self.transport.timeout,
            http_client=self.transport.http,
        )

    def ask(self, question: Question, request: Callable[[Question], dict[str, Any]]) -> Reply:
        """Send a question with the parameters that `request` returns; raises ProviderError."""

        def write(question: Question) -> object:
            return self.sdk.responses.with_raw_response.create(**request(question))

        return self.transport.ask(question, write)

    def list_models(self) -> list[ModelInfo]:
        def fetch(mark: str) -> Reply:
            query = {"after": mark} if mark else None
            return self.transport.exchange(lambda: self.sdk.models.with_raw_response.list(extra_query=query))

        listed = model_lists.entries(self.name, "data", fetch, model_lists.after_last)
        return model_lists.text_models(self.name, (model_info(entry) for entry in listed))

    def close(self) -> None:
        self.transport.close()


def model_info(entry: dict[str, object]) -> ModelInfo:
    return ModelInfo(
        model_id=text(entry.get("id")),
        display_name=text(entry.get("id")),
        created=model_lists.instant(entry.get("created")),
        retires_at=model_lists.instant(entry.get("shutdown_date")),
    )
