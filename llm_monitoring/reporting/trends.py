"""How often the brand is named, day by day at each provider, and which models answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from llm_monitoring.figures import Entry, ModelChange, Observation, Pair, joined, model_changes, period_rate, summed
from llm_monitoring.figures.answer_set import AnswerSet

MOST_DAYS: Final = 400
"""A longer period is not shown day by day."""

WINDOW_DAYS: Final = 7
SHORT_PERIOD_DAYS: Final = 10
"""A shorter period is drawn day by day: a week's mean would leave nothing to see."""


@dataclass(frozen=True, slots=True)
class Point:
    """One day: its own rate, and `smooth`, that of the days up to it, in percent with 95 % intervals.

    A day without answers has neither; `smooth_answers` and `smooth_prompts` are those of all the days that it takes.
    """

    day: date
    answers: int = 0
    prompts: int = 0
    rate: Decimal | None = None
    rate_low: Decimal | None = None
    rate_high: Decimal | None = None
    smooth: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    smooth_answers: int = 0
    smooth_prompts: int = 0


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A model that answered, from its first day to its last within the period."""

    model: str
    first: date
    last: date
    answers: int


@dataclass(frozen=True, slots=True)
class Trend:
    """One provider's period: a point a day, gaps included; `window` is how many days `smooth` takes."""

    provider: str
    points: tuple[Point, ...]
    window: int
    mention_rate: Decimal | None
    low: Decimal | None
    high: Decimal | None
    answers: int
    prompts: int
    models: tuple[ModelUse, ...]
    changes: tuple[ModelChange, ...]


def trend(provider: str, answers: AnswerSet, first: date, last: date) -> Trend:
    """Return one provider's trend over the days from `first` to `last`."""
    mentions = answers.mentions
    daily = mentions.by_day()
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    window = 1 if len(days) <= SHORT_PERIOD_DAYS else WINDOW_DAYS
    whole = period_rate(mentions)
    return Trend(
        provider=provider,
        points=tuple(point(daily, days[max(0, place - window + 1) : place + 1]) for place in range(len(days))),
        window=window,
        mention_rate=whole.value,
        low=whole.low,
        high=whole.high,
        answers=mentions.answers,
        prompts=mentions.prompts,
        models=models_used(answers.observations),
        changes=model_changes(answers.observations),
    )


def point(daily: Mapping[date, Mapping[Pair, Sequence[Entry]]], days: Sequence[date]) -> Point:
    """The point of the last of these days, smoothed over all of them."""
    if days[-1] not in daily:
        return Point(days[-1])
    today, window = summed(daily[days[-1]]), summed(joined(daily[day] for day in days if day in daily))
    own, smooth = period_rate(today), period_rate(window)
    return Point(
        day=days[-1],
        answers=today.answers,
        prompts=today.prompts,
        rate=own.value,
        rate_low=own.low,
        rate_high=own.high,
        smooth=smooth.value,
        low=smooth.low,
        high=smooth.high,
        smooth_answers=window.answers,
        smooth_prompts=window.prompts,
    )


def models_used(observations: Sequence[Observation]) -> tuple[ModelUse, ...]:
    days: dict[str, list[date]] = defaultdict(list)
    for each in observations:
        days[each.model_id].append(each.day)
    found = [ModelUse(model, min(some), max(some), len(some)) for model, some in days.items()]
    return tuple(sorted(found, key=lambda use: (use.first, use.model)))
