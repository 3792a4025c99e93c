"""The figures of a period as pages, REST API and MCP show them, measured once and stored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import NoneType
from typing import Any, Final

from llm_monitoring.db import Database
from llm_monitoring.figures import Comparison, ModelChange, PromptChange, ProviderPart
from llm_monitoring.figures.periods import Period, PeriodFigures, PeriodRequest, period_figures
from llm_monitoring.figures.stored_figures import stored_text
from llm_monitoring.reporting.gaps import AnsweredDays, answered_days
from llm_monitoring.reporting.period_view import PeriodView, period_view
from llm_monitoring.reporting.trends import MOST_DAYS, Trend, trend

CODE: Final = ("*.py", "*.sql", "*.toml")
# most of what is stored: asking these first halves the time
SCALARS: Final = (str, int, float, Decimal, date, NoneType)


@dataclass(frozen=True, slots=True)
class StoredFigures:
    """A measured period without its answers, and what changed from `compared` if it was asked for.

    `trends` are those of the providers with answers, `trend` is over all of them (`provider` is empty); both are
    missing for a period of more than MOST_DAYS. `answers_by_prompt` counts the unbranded answers. `model_changes` are
    those of both periods, from the first day to the last. The other fields are those of PeriodFigures.
    """

    period: Period
    compared: Period | None
    latest: date | None
    view: PeriodView
    trend: Trend | None
    trends: tuple[Trend, ...]
    comparison: Comparison | None
    parts: tuple[ProviderPart, ...]
    by_prompt: tuple[PromptChange, ...]
    answers_by_prompt: Mapping[int, int]
    answered: AnsweredDays
    model_changes: tuple[ModelChange, ...]
    failed: int
    branded_answers: int
    branded_mentions: int
    read_again: int
    kept: int
    left_out: int
    unread: int


def figures_text(db: Database, wanted: PeriodRequest, waited: float = 0.0) -> str:
    """Return the figures of a period as JSON, stored or measured now; raises what `period_figures` raises.

    Whoever asked `waited` seconds ago takes those that were measured since.
    """
    return stored_text(db, wanted, code_version(), lambda state: as_text(measure(state, wanted)), waited)


def measure(db: Database, wanted: PeriodRequest) -> StoredFigures:
    """Measure a period; raises what `period_figures` raises."""
    return figures_of(period_figures(db, wanted))


def figures_of(measured: PeriodFigures) -> StoredFigures:
    """Return a measured period without its answers."""
    total = measured.total
    whole, of_providers = trends_of(measured)
    return StoredFigures(
        period=measured.period,
        compared=measured.compared,
        latest=measured.latest,
        view=period_view(measured),
        trend=whole,
        trends=of_providers,
        comparison=measured.comparison,
        parts=measured.parts,
        by_prompt=measured.by_prompt,
        answers_by_prompt=dict(Counter(o.query_id for o in total.answers.headline)),
        answered=answered_days(total.answers.observations),
        model_changes=(measured.comparison or total.summary).model_changes,
        failed=total.failed,
        branded_answers=total.summary.figures.branded_total_queries,
        branded_mentions=total.summary.figures.branded_total_mentions,
        read_again=measured.read_again,
        kept=measured.kept,
        left_out=measured.left_out,
        unread=measured.unread,
    )


def trends_of(measured: PeriodFigures) -> tuple[Trend | None, tuple[Trend, ...]]:
    """The trend over all providers and of each one with answers; none for a period that is too long."""
    period = measured.period
    if period.days > MOST_DAYS:
        return None, ()
    found = [
        trend(name, each.answers, period.first, period.last)
        for name, each in measured.by_provider.items()
        if each.answers.observations
    ]
    return trend("", measured.total.answers, period.first, period.last), tuple(found)


def as_text(figures: object) -> str:
    """The figures as JSON: decimals and days are texts, as no digit may change."""
    return json.dumps(plain(figures), ensure_ascii=False, default=str)


def plain(value: Any) -> Any:
    """`value` in dicts and lists, the keys of mappings as texts."""
    if isinstance(value, SCALARS):
        return value
    if is_dataclass(value):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


@lru_cache(maxsize=1)
def code_version() -> str:
    """A digest of this package's own files: what another version measured is measured again."""
    root = Path(__file__).parents[1]
    digest = sha256()
    for path in sorted(each for pattern in CODE for each in root.rglob(pattern)):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]
