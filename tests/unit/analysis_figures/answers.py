"""Observations for the tests: one with defaults, and periods of simulated answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from llm_monitoring.figures.observations import Observation

FIRST_DAY = date(2026, 9, 1)
NEXT_MONTH = date(2026, 10, 1)
COMPETITORS = ("Quipu", "Billin", "Sage")


def answer(
    query_id: int = 1,
    *,
    provider: str = "openai",
    model_id: str = "model-a",
    day: date = FIRST_DAY,
    sample: int = 1,
    branded: bool = False,
    mentioned: bool = False,
    competitors: Iterable[str] = (),
    position: int | None = None,
    competitor_positions: Mapping[str, int] | None = None,
    cited: bool | None = False,
    sentiment: str | None = None,
    score: str | None = None,
) -> Observation:
    """Return one answer; a position implies a mention, for the brand and for a competitor."""
    return Observation(
        query_id=query_id,
        provider=provider,
        model_id=model_id,
        day=day,
        sample=sample,
        branded=branded,
        brand_mentioned=mentioned or position is not None,
        competitors=frozenset(competitors) | frozenset(competitor_positions or {}),
        position=position,
        competitor_positions=competitor_positions or {},
        brand_cited=cited,
        sentiment=sentiment,
        sentiment_score=None if score is None else Decimal(score),
    )


def period(
    random: Random,
    start: date,
    rates: Sequence[float],
    *,
    days: int = 7,
    providers: Sequence[str] = ("openai", "google"),
    samples: int = 1,
) -> list[Observation]:
    """Return a period in which prompt i mentions the brand at `rates[i]`, each answer by itself."""
    return [
        answer(
            query_id,
            provider=provider,
            day=start + timedelta(days=day),
            sample=sample,
            mentioned=random.random() < rate,
            competitors=[name for name in COMPETITORS if random.random() < 0.3],
            cited=random.random() < 0.2,
        )
        for query_id, rate in enumerate(rates)
        for provider in providers
        for day in range(days)
        for sample in range(1, samples + 1)
    ]


def uneven_rates(random: Random, prompts: int, mean: float = 0.3) -> list[float]:
    """Return mention rates that differ from prompt to prompt, as real ones do."""
    return [min(0.8, random.betavariate(3 * mean, 3 * (1 - mean))) for _ in range(prompts)]
