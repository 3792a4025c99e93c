"""Daily cron (04:00 UTC): asks every active project's prompts to the AI assistants and keeps the day's figures."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports of the names for others, so that a stop is heard from the start
    from llm_monitoring.process.streams import run_job

    run_job("llm_monitoring.jobs.daily")

from llm_monitoring import analyze_all_active_projects
from llm_monitoring.jobs.daily import check_budget_limits, get_api_keys_from_db, main, update_monthly_spend

__all__ = [
    "analyze_all_active_projects",
    "check_budget_limits",
    "get_api_keys_from_db",
    "main",
    "update_monthly_spend",
]
