"""Counts the searches and tokens of an answer, within the caps of the request."""

from __future__ import annotations

from random import Random
from typing import Final

from llm_monitoring.demo.exchange import CHARACTERS_PER_TOKEN, Ask, BilledUnits, Composed, Finish, count_tokens

CACHE_MINIMUM: Final = 1024
CACHE_STEP: Final = 128
SKIPS_SEARCH: Final = {"openai": 0.1, "anthropic": 0.1, "google": 0.06, "perplexity": 0.3}
DEFAULT_SEARCH_CAP: Final = {"openai": 3, "anthropic": 3, "google": 3, "perplexity": 1}
SEARCH_TOKENS: Final = {
    "openai": (900, 2400),
    "anthropic": (1400, 3200),
    "google": (300, 900),
    "perplexity": (700, 1800),
}
REASONING: Final[dict[str, tuple[int, int]]] = {
    "none": (0, 0),
    "minimal": (0, 32),
    "low": (32, 160),
    "medium": (96, 420),
    "high": (300, 900),
    "xhigh": (600, 1500),
    "max": (900, 2400),
}
OWN_EFFORT: Final = {"openai": "medium", "anthropic": "none", "google": "low", "perplexity": "none"}


def plan_searches(provider: str, ask: Ask, rng: Random) -> int:
    """Return how many web searches the model makes for a question."""
    skipped = ask.search == "may" and rng.random() < SKIPS_SEARCH[provider]
    if ask.search == "no" or skipped:
        return 0
    wanted = 1 + (rng.random() < 0.35) + (rng.random() < 0.12)
    cap = ask.max_searches if ask.max_searches is not None else DEFAULT_SEARCH_CAP[provider]
    return min(wanted, cap)


def search_input(provider: str, searches: int, rng: Random) -> int:
    return sum(rng.randint(*SEARCH_TOKENS[provider]) for _ in range(searches))


def reasoning_tokens(provider: str, ask: Ask, text_tokens: int, rng: Random) -> int:
    """Return the reasoning tokens before the answer, as many as the cap leaves room for next to the text."""
    effort = ask.effort if ask.effort in REASONING else OWN_EFFORT[provider]
    wanted = rng.randint(*REASONING[effort or "none"])
    if ask.max_output_tokens is None:
        return wanted
    return min(wanted, max(0, ask.max_output_tokens - text_tokens))


def input_usage(provider: str, ask: Ask, searches: int, rng: Random) -> dict[str, int]:
    """Return input, cached, cache_write and tool_input of a request."""
    tool_input = search_input(provider, searches, rng)
    whole, chance = ask.input_tokens + tool_input, rng.random()
    cached = written = 0
    if provider == "google":
        cached = in_steps(ask.input_tokens * 0.7) if ask.input_tokens >= CACHE_MINIMUM and chance < 0.5 else 0
        return {"input": whole, "cached": cached, "cache_write": 0, "tool_input": tool_input}
    if whole >= CACHE_MINIMUM and (ask.cacheable or searches):
        cached = in_steps(whole * 0.5) if chance < 0.6 else 0
        writes = provider == "anthropic" or (provider == "openai" and chance > 0.8)
        written = in_steps((whole - cached) * 0.6) if writes else 0
    return {"input": whole, "cached": cached, "cache_write": written, "tool_input": tool_input}


def in_steps(tokens: float) -> int:
    return int(tokens) // CACHE_STEP * CACHE_STEP


def meter(
    provider: str, ask: Ask, composed: Composed, finish: Finish, rng: Random
) -> tuple[Composed, BilledUnits, Finish]:
    """Return the answer within the cap, its usage, and how it ended."""
    searches = len(composed.queries)
    text, output, reasoning, ended = limit_output(provider, ask, composed.text, finish, rng)
    usage = BilledUnits(
        output=output, reasoning=reasoning, searches=searches, **input_usage(provider, ask, searches, rng)
    )
    return Composed(text, composed.citations, composed.queries), usage, ended


def limit_output(provider: str, ask: Ask, text: str, finish: Finish, rng: Random) -> tuple[str, int, int, Finish]:
    """Return text, output tokens (including reasoning), reasoning tokens and finish, within the cap."""
    if finish in ("content_filter", "empty"):
        return "", int(finish == "empty"), 0, finish
    cap = ask.max_output_tokens
    if finish == "max_tokens":
        short = text[: min(len(text) // 2, cap * CHARACTERS_PER_TOKEN if cap else len(text))]
        output = cap or count_tokens(short)
        return short, output, output - count_tokens(short), finish
    if cap is not None and count_tokens(text) > cap:
        return text[: cap * CHARACTERS_PER_TOKEN], cap, 0, "max_tokens"
    reasoning = reasoning_tokens(provider, ask, count_tokens(text), rng)
    return text, count_tokens(text) + reasoning, reasoning, finish
