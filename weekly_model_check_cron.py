"""Weekly cron (Sundays, 00:00 UTC): registers the providers' new models, switched off, and reports which ones end."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports of the names for others, so that a stop is heard from the start
    from llm_monitoring.process.streams import run_job

    run_job("llm_monitoring.jobs.weekly")

from llm_monitoring.host import (
    get_anthropic_models,
    get_existing_models_from_db,
    get_google_models,
    get_openai_models,
    get_perplexity_models,
    insert_new_model,
)
from llm_monitoring.jobs.weekly import main

__all__ = [
    "get_anthropic_models",
    "get_existing_models_from_db",
    "get_google_models",
    "get_openai_models",
    "get_perplexity_models",
    "insert_new_model",
    "main",
]
