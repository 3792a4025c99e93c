"""Weekly cron (Sundays, 00:00 UTC): registers the providers' new models, switched off, and reports which ones end."""

from __future__ import annotations

from llm_monitoring.host import (
    get_anthropic_models,
    get_existing_models_from_db,
    get_google_models,
    get_openai_models,
    get_perplexity_models,
    insert_new_model,
)
from llm_monitoring.jobs.weekly import main
from llm_monitoring.process.streams import run_program

__all__ = [
    "get_anthropic_models",
    "get_existing_models_from_db",
    "get_google_models",
    "get_openai_models",
    "get_perplexity_models",
    "insert_new_model",
    "main",
]

if __name__ == "__main__":
    run_program(main)
