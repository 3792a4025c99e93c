"""The weekly job's parts for callers from outside: each provider's list, the registry's, and a new entry in it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from llm_monitoring import model_check, registry
from llm_monitoring.app import open_tools
from llm_monitoring.domain import ProviderName, Secret, provider_name
from llm_monitoring.errors import BadInput
from llm_monitoring.model_findings import LONGEST_ID
from llm_monitoring.providers import ModelInfo
from llm_monitoring.settings import load_settings

Models = list[dict[str, Any]]


def get_openai_models(api_key: str) -> Models:
    """OpenAI's models that answer text prompts: `model_id`, `display_name`, `created` and what else the list tells.

    `retires_at`, `lifecycle`, `max_input_tokens` and `max_output_tokens` are None where it does not tell them.
    Raises a ProviderError, also for an empty list.
    """
    return models_of("openai", api_key)


def get_anthropic_models(api_key: str) -> Models:
    """Anthropic's models, as `get_openai_models` returns them."""
    return models_of("anthropic", api_key)


def get_google_models(api_key: str) -> Models:
    """Google's models, as `get_openai_models` returns them; its list tells no dates."""
    return models_of("google", api_key)


def get_perplexity_models(api_key: str) -> Models:
    """Perplexity's own models, as `get_openai_models` returns them."""
    return models_of("perplexity", api_key)


def models_of(provider: ProviderName, api_key: str) -> Models:
    return [asdict(info) for info in model_check.list_models(provider, Secret(api_key), load_settings())]


def get_existing_models_from_db() -> dict[str, Models]:
    """The registry's rows by provider, every column of theirs."""
    found: dict[str, Models] = {}
    with open_tools() as tools:
        for row in registry.overview(tools.db):
            found.setdefault(row["llm_provider"], []).append(row)
    return found


def insert_new_model(provider: str, model_id: str, display_name: str) -> bool:
    """Register a model, neither available nor current, at prices of 0.0; False where it was registered already.

    Raises BadInput for an unknown provider or an id that the registry cannot hold.
    """
    name = provider_name(provider)
    if not 0 < len(model_id) <= LONGEST_ID:
        raise BadInput(f"a model's id has 1 to {LONGEST_ID} characters")
    with open_tools() as tools:
        info = ModelInfo(model_id, display_name or model_id)
        return model_check.insert_new_model(tools.db, name, info, datetime.now(UTC))
