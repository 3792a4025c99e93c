"""A row of the registry with every column that the package reads."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from llm_monitoring.registry import RegistryEntry, read_entry

EMPTY = (
    "model_display_name",
    "lifecycle",
    "last_seen_at",
    "last_checked_at",
    "retires_at",
    "going_announced_at",
    "validated_at",
    "rejected_at",
    "retired_at",
    "max_tokens",
    "max_output_tokens",
    "reasoning_effort",
    "max_searches_per_call",
    "total_queries",
    "total_cost",
    "cost_per_1m_cached_input_tokens",
    "cost_per_1m_cache_write_tokens",
    "cost_per_1m_cache_write_1h_tokens",
    "cost_per_1k_searches",
    "priority_factor",
    "batch_factor",
    "flex_factor",
    "priced_on",
    "suggested_cost_per_1m_input_tokens",
    "suggested_cost_per_1m_output_tokens",
    "suggested_cost_per_1m_cached_input_tokens",
    "suggested_cost_per_1m_cache_write_tokens",
    "suggested_cost_per_1m_cache_write_1h_tokens",
    "suggested_cost_per_1k_searches",
    "suggested_priority_factor",
    "suggested_batch_factor",
    "suggested_flex_factor",
    "suggested_source",
    "suggested_at",
)


def registry_entry(model_id: str = "gpt-a", **columns: Any) -> RegistryEntry:
    """An approved model of openai at 1 and 5 USD, with these columns changed; raises KeyError for an unknown one."""
    row: dict[str, Any] = dict.fromkeys(EMPTY) | {
        "id": 1,
        "llm_provider": "openai",
        "model_id": model_id,
        "is_current": False,
        "is_available": True,
        "missing_checks": 0,
        "cost_per_1m_input_tokens": Decimal(1),
        "cost_per_1m_output_tokens": Decimal(5),
        "cost_per_request": Decimal(0),
        "price_tiers": [],
        "suggested_price_tiers": [],
        "dated_prices": "[]",
    }
    unknown = columns.keys() - row.keys()
    if unknown:
        raise KeyError(*unknown)
    return read_entry(row | columns)
