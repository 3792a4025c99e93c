"""Replies in the providers' recorded shapes, made from counts, with prices worked out apart from the package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, Final

from llm_monitoring.domain import ProviderName

TEXT: Final = "1. Holded\n2. Quipu"
PER_SEARCH: Final = 3_000


@dataclass(frozen=True, slots=True)
class Rate:
    """USD for a million tokens, for a thousand searches in `search`; above `edge` input tokens `beyond` holds."""

    input: str
    output: str
    cached: str
    write: str = ""
    search: str = "0"
    edge: int | None = None
    beyond: Rate | None = None


RATES: Final[dict[tuple[ProviderName, str], Rate]] = {
    ("openai", "gpt-6.1-terra"): Rate("1", "5", "0.05", "1.25", "10", 272_000, Rate("2", "7.5", "0.1", "2.5", "10")),
    ("openai", "gpt-6-luna"): Rate(
        "0.1", "0.5", "0.01", "0.125", "10", 272_000, Rate("0.2", "0.75", "0.02", "0.25", "10")
    ),
    ("openai", "gpt-5.4-mini"): Rate("0.75", "4.5", "0.075", search="10"),
    ("anthropic", "claude-sonnet-5-5"): Rate("2", "10", "0.1", "2.5", "10"),
    ("anthropic", "claude-haiku-5-5"): Rate(
        "0.1", "0.5", "0.01", "0.125", "10", 100_000, Rate("0.5", "2.5", "0.05", "0.625", "10")
    ),
    ("google", "gemini-3.8-flash"): Rate("0.75", "3.75", "0.075", search="14"),
    ("google", "gemini-3.5-flash-lite"): Rate("0.3", "2.5", "0.03", search="14"),
    ("google", "gemini-3.1-pro-preview"): Rate(
        "2", "12", "0.2", search="14", edge=200_000, beyond=Rate("4", "18", "0.4", search="14")
    ),
    ("perplexity", "perplexity/sonar"): Rate("0.25", "2.5", "0.0625", search="2.5"),
}


@dataclass(frozen=True, slots=True)
class Counts:
    """What a call took. `input` holds cached and written tokens, `output` holds thought; `bill` is Perplexity's own."""

    provider: ProviderName
    model: str
    input: int
    output: int
    cached: int = 0
    written: int = 0
    thought: int = 0
    searches: int = 0
    bill: str | None = None

    @property
    def price(self) -> Fraction:
        """The exact price in USD."""
        if self.bill is not None:
            return Fraction(self.bill)
        rate = RATES[self.provider, self.model]
        if rate.edge is not None and self.input > rate.edge and rate.beyond is not None:
            rate = rate.beyond
        parts = (
            (self.input - self.cached - self.written, rate.input),
            (self.cached, rate.cached),
            (self.written, rate.write or rate.input),
            (self.output, rate.output),
        )
        tokens = sum((count * Fraction(each) for count, each in parts), Fraction(0)) / 1_000_000
        return tokens + self.searches * Fraction(rate.search) / 1_000

    @property
    def body(self) -> bytes:
        shape = {"openai": openai, "anthropic": anthropic, "google": google, "perplexity": perplexity}[self.provider]
        return json.dumps(shape(self)).encode()


def openai(counts: Counts) -> dict[str, Any]:
    said = {"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}
    searches = [{"type": "web_search_call", "id": f"ws_{n}", "status": "completed"} for n in range(counts.searches)]
    return {
        "id": "resp_1", "object": "response", "status": "completed", "error": None, "model": counts.model,
        "output": [{"type": "reasoning", "id": "rs_1", "summary": []}, *searches,
                   {"type": "message", "role": "assistant", "status": "completed", "content": [said]}],
        "usage": {
            "input_tokens": counts.input,
            "input_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": counts.written},
            "output_tokens": counts.output, "output_tokens_details": {"reasoning_tokens": counts.thought},
            "total_tokens": counts.input + counts.output,
        },
    }  # fmt: skip


def anthropic(counts: Counts) -> dict[str, Any]:
    found = [{"type": "web_search_tool_result", "tool_use_id": "s", "content": []} for _ in range(counts.searches)]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": counts.model,
        "stop_reason": "end_turn",
        "content": [{"type": "thinking", "thinking": "", "signature": "x"}, *found, {"type": "text", "text": TEXT}],
        "usage": {
            "input_tokens": counts.input - counts.cached - counts.written,
            "cache_read_input_tokens": counts.cached,
            "cache_creation_input_tokens": counts.written,
            "output_tokens": counts.output,
            "output_tokens_details": {"thinking_tokens": counts.thought},
            "server_tool_use": {"web_search_requests": counts.searches} if counts.searches else None,
            "service_tier": "standard",
        },
    }


def google(counts: Counts) -> dict[str, Any]:
    """Zero counts are left out; what the searches brought is counted as the prompt of a tool."""
    tool = min(counts.searches * PER_SEARCH, counts.input // 2)
    usage = {
        "promptTokenCount": counts.input - tool,
        "toolUsePromptTokenCount": tool,
        "candidatesTokenCount": counts.output - counts.thought,
        "thoughtsTokenCount": counts.thought,
        "cachedContentTokenCount": counts.cached,
        "totalTokenCount": counts.input + counts.output,
    }
    grounding = {"groundingMetadata": {"webSearchQueries": [f"query {n}" for n in range(counts.searches)]}}
    candidate = {
        "content": {"parts": [{"text": "hm", "thought": True}, {"text": TEXT}], "role": "model"},
        "finishReason": "STOP",
        **(grounding if counts.searches else {}),
    }
    kept = {name: count for name, count in usage.items() if count}
    return {"candidates": [candidate], "modelVersion": counts.model, "usageMetadata": kept}


def perplexity(counts: Counts) -> dict[str, Any]:
    said = {"type": "output_text", "text": TEXT, "annotations": []}
    cost = {"currency": "USD", "total_cost": float(counts.bill)} if counts.bill else None
    return {
        "id": "resp_1", "object": "response", "status": "completed", "error": None, "model": counts.model,
        "output": [{"type": "search_results", "queries": ["q"], "results": []},
                   {"type": "message", "role": "assistant", "status": "completed", "content": [said]}],
        "usage": {
            "input_tokens": counts.input, "output_tokens": counts.output,
            "total_tokens": counts.input + counts.output,
            "input_tokens_details": {"cache_read_input_tokens": counts.cached},
            "tool_calls_details": {"search_web": {"invocation": counts.searches}}, "cost": cost,
        },
    }  # fmt: skip


# Worked out with pencil and paper from the rates above: the calculator itself is checked by them.
BY_HAND: Final = (
    (Counts("openai", "gpt-6.1-terra", 1_000, 500), "0.0035"),
    (Counts("openai", "gpt-6.1-terra", 1, 1), "0.000006"),
    (Counts("openai", "gpt-6.1-terra", 2_048, 700, cached=1_024, thought=640), "0.0045752"),
    (Counts("openai", "gpt-6.1-terra", 2_000, 100, cached=1_000, written=500), "0.001675"),
    (Counts("openai", "gpt-6.1-terra", 9_000, 1_000, searches=3), "0.044"),
    (Counts("openai", "gpt-6.1-terra", 272_000, 1_000), "0.277"),
    (Counts("openai", "gpt-6.1-terra", 272_001, 1_000), "0.551502"),
    (Counts("openai", "gpt-6.1-terra", 300_000, 1_000, cached=200_000), "0.2275"),
    (Counts("openai", "gpt-6-luna", 123, 45), "0.0000348"),
    (Counts("openai", "gpt-5.4-mini", 1_000, 1_000, cached=1_000, thought=999), "0.004575"),
    (Counts("anthropic", "claude-sonnet-5-5", 1_500, 800, thought=300), "0.011"),
    (Counts("anthropic", "claude-sonnet-5-5", 10_000, 600, cached=4_000, written=5_000, searches=2), "0.0409"),
    (Counts("anthropic", "claude-haiku-5-5", 100_000, 2_000), "0.011"),
    (Counts("anthropic", "claude-haiku-5-5", 100_001, 2_000), "0.0550005"),
    (Counts("anthropic", "claude-haiku-5-5", 150_000, 10, cached=50_000, written=50_000), "0.058775"),
    (Counts("google", "gemini-3.8-flash", 1_000, 2_000, thought=1_500), "0.00825"),
    (Counts("google", "gemini-3.8-flash", 8_000, 1_000, searches=2), "0.03775"),
    (Counts("google", "gemini-3.5-flash-lite", 4_000, 400, cached=3_000), "0.00139"),
    (Counts("google", "gemini-3.1-pro-preview", 200_000, 100), "0.4012"),
    (Counts("google", "gemini-3.1-pro-preview", 200_001, 100), "0.801804"),
    (Counts("perplexity", "perplexity/sonar", 800, 400, searches=1), "0.0037"),
    (Counts("perplexity", "perplexity/sonar", 2_000, 400, cached=1_000, searches=2), "0.0063125"),
    (Counts("perplexity", "perplexity/sonar", 800, 400, searches=1, bill="0.0041234567"), "0.0041234567"),
    (Counts("perplexity", "perplexity/sonar", 1, 1, bill="0.00000000012"), "0.00000000012"),
)


def drawn(random: Random, number: int) -> Iterator[Counts]:
    """Counts of all kinds, with every edge of every tier among them."""
    models = list(RATES)
    for at in range(number):
        provider, model = models[at % len(models)]
        edge = RATES[provider, model].edge
        near = [edge, edge + 1, edge - 1, 2 * edge] if edge else []
        whole = random.choice([random.randrange(1, 4_000), random.randrange(4_000, 60_000), *near])
        cached = random.choice([0, 0, whole // 2, whole])
        writes = provider in ("openai", "anthropic")
        written = random.choice([0, 0, (whole - cached) // 2, whole - cached]) if writes else 0
        output = random.choice([1, random.randrange(1, 2_000), 2_000])
        thought = random.choice([0, output // 2, output - 1]) if provider != "perplexity" else 0
        searches = max(random.choice([0, 0, 1, 2, 3]), int(provider == "perplexity"))
        counts = Counts(provider, model, whole, output, cached, written, thought, searches)
        yield with_bill(counts) if provider == "perplexity" and random.random() < 0.5 else counts


def with_bill(counts: Counts) -> Counts:
    """The same call with the provider's own figure, a little off what its tokens come to."""
    exact = Decimal(counts.price.numerator) / Decimal(counts.price.denominator)
    return replace(counts, bill=f"{round(exact * Decimal('0.97'), 9):f}")
