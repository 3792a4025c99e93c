"""Valid answers as the figures count them, and the changes of model among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Observation:
    """One valid answer: `competitors` holds the names that it mentions, `sample` numbers a day's repeats.

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


@dataclass(frozen=True, slots=True)
class ModelChange:
    """On `day` the provider answered with the model `after`, on its last day with answers with `before`.

    A day on which several models answered reads `a + b`.
    """

    provider: str
    day: date
    before: str
    after: str


def unbranded(observations: Iterable[Observation]) -> list[Observation]:
    """The answers to prompts that do not name the brand: all headline figures are of these."""
    return [o for o in observations if not o.branded]


def prompts_asked(observations: Iterable[Observation]) -> int:
    return len({o.query_id for o in observations})


def model_changes(observations: Iterable[Observation]) -> tuple[ModelChange, ...]:
    """Return each change of a provider's models from one day with answers to its next, by day."""
    models: dict[str, dict[date, set[str]]] = defaultdict(lambda: defaultdict(set))
    for o in observations:
        models[o.provider][o.day].add(o.model_id)
    changes = []
    for provider, days in models.items():
        names = [(day, " + ".join(sorted(days[day]))) for day in sorted(days)]
        for (_, before), (day, after) in pairwise(names):
            if before != after:
                changes.append(ModelChange(provider, day, before, after))
    return tuple(sorted(changes, key=lambda change: (change.day, change.provider)))
