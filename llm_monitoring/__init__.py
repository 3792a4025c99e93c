"""LLM brand monitoring: how AI assistants talk about brands, day by day, within a budget."""

from __future__ import annotations

from typing import Any

__all__ = ["analyze_all_active_projects"]


def analyze_all_active_projects(max_workers: int = 10) -> list[dict[str, Any]]:
    """Analyse today's open tasks of every active project; one dict a project (design, section 3)."""
    from llm_monitoring.host import analyze_all_active_projects as analyze

    return analyze(max_workers)
