"""Valid answers as the figures count them, and the changes of model among them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Observation:
    """One valid answer: `competitors` holds the names that it mentions, `sample` numbers a day's repeats.

    `mode` is how it was asked.
    `brand_cited` is None if the brand has no declared domain: its citations are unknown then.
    """

    query_id: int
    provider: str
    model_id: str
    day: date
    sample: int
    branded: bool
    brand_mentioned: bool
    competitors: frozenset[str]
    position: int | None
    competitor_positions: Mapping[str, int]
    brand_cited: bool | None
    sentiment: str | None
    sentiment_score: Decimal | None
    mode: str = "standard"


@dataclass(frozen=True, slots=True)
class ModelChange:
    """On `day` the provider answered with the model `after`, on its last day with answers with `before`.

    A day on which several models answered reads `a + b`. Another mode counts as a change as well: one in which most
    answers of a day were asked, unless it is standard, stands behind the model, as in `a (flex)`.
    """

    provider: str
    day: date
    before: str
    after: str
    before_mode: str = "standard"
    after_mode: str = "standard"


def unbranded(observations: Iterable[Observation]) -> list[Observation]:
    """The answers to prompts that do not name the brand: all headline figures are of these."""
    return [o for o in observations if not o.branded]


def prompts_asked(observations: Iterable[Observation]) -> int:
    return len({o.query_id for o in observations})


def model_changes(observations: Iterable[Observation]) -> tuple[ModelChange, ...]:
    """Return each change of a provider's models or mode from one day with answers to its next, by day."""
    answers: dict[str, dict[date, Counter[tuple[str, str]]]] = defaultdict(lambda: defaultdict(Counter))
    counts = Counter([(o.provider, o.day, o.model_id, o.mode) for o in observations])
    for (provider, day, model_id, mode), count in counts.items():
        answers[provider][day][model_id, mode] = count
    changes = []
    for provider, days in answers.items():
        names = [(day, *asked_as(days[day])) for day in sorted(days)]
        for (_, before, before_mode), (day, after, after_mode) in pairwise(names):
            if before != after:
                changes.append(ModelChange(provider, day, before, after, before_mode, after_mode))
    return tuple(sorted(changes, key=lambda change: (change.day, change.provider)))


def asked_as(answers: Mapping[tuple[str, str], int]) -> tuple[str, str]:
    """The models of a day's answers, with the mode of most of them, and that mode."""
    modes: Counter[str] = Counter()
    for (_, mode), count in answers.items():
        modes[mode] += count
    mode = most_used(modes)
    models = " + ".join(sorted({model for model, _ in answers}))
    return (models if mode == "standard" else f"{models} ({mode})"), mode


def most_used(modes: Mapping[str, int]) -> str:
    """The mode of most answers, standard if there are as many of it."""
    return max(modes, key=lambda mode: (modes[mode], mode == "standard"), default="standard")
