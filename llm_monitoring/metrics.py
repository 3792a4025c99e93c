"""A period's figures in all and by provider, and what changed against another period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from llm_monitoring import projects, results, rules
from llm_monitoring.analysis import comparison, figures
from llm_monitoring.analysis.comparison import Comparison
from llm_monitoring.analysis.figures import Observation, Summary
from llm_monitoring.db.database import Database, Row
from llm_monitoring.db.queries import load
from llm_monitoring.errors import BadInput
from llm_monitoring.projects import Project

SQL = load("metrics")


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last`, both included. Raises BadInput where it ends before it starts."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise BadInput(f"the period ends before it starts: {self.last} is before {self.first}")

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class Measured:
    """A period's figures, with the tasks that failed and what all calls cost in USD; no cost before any was kept."""

    summary: Summary
    failed: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to say of a period, and of `compared` where one was asked for.

    `read_otherwise` counts answers that were read with other names or rules than the project's present ones: figures
    of such answers and of others do not mean the same. `readable` of them still have their text.
    """

    project: Project
    period: Period
    total: Measured
    by_provider: Mapping[str, Measured]
    compared: Period | None
    comparison: Comparison | None
    read_otherwise: int
    readable: int


def report(db: Database, project_id: int, period: Period, compared: Period | None = None) -> Report:
    """Measure a period, against another one where it is given; raises BadInput where the two overlap.

    Of the two, the one that starts first is what was before, whichever was asked for first.
    """
    project = projects.find(db, project_id)
    names = [entity.name for entity in project.competitors]
    observed = observations(db, project_id, period)
    otherwise = read_otherwise(db, project, period, compared or period)
    total, by_provider = measured(db, project, period, observed)
    change = None
    if compared is not None:
        before, _ = in_order(period, compared)
        others = observations(db, project_id, compared)
        pair = (others, observed) if before is compared else (observed, others)
        change = comparison.compare(*pair, names)
    return Report(
        project=project,
        period=period,
        total=total,
        by_provider=by_provider,
        compared=compared,
        comparison=change,
        read_otherwise=otherwise["answers"],
        readable=otherwise["readable"],
    )


def in_order(one: Period, other: Period) -> tuple[Period, Period]:
    """The earlier and the later period; raises BadInput where they share a day."""
    before, after = sorted((one, other), key=lambda period: period.first)
    if after.first <= before.last:
        raise BadInput(f"the two periods overlap: {before} and {after}")
    return before, after


def observations(db: Database, project_id: int, period: Period) -> list[Observation]:
    """The valid answers of a period."""
    params = {"project_id": project_id, "first": period.first, "last": period.last}
    return [results.observation(row) for row in db.all(SQL.observations, params)]


def measured(
    db: Database, project: Project, period: Period, observed: Sequence[Observation]
) -> tuple[Measured, dict[str, Measured]]:
    """The figures over all providers, and each provider's."""
    names = [entity.name for entity in project.competitors]
    params = {"project_id": project.id, "first": period.first, "last": period.last}
    totals: dict[str, Any] = {row["llm_provider"]: row for row in db.all(SQL.totals, params)}
    each = {}
    for provider in sorted({*totals, *(o.provider for o in observed)}):
        own = [o for o in observed if o.provider == provider]
        row = totals.get(provider, {"failed": 0, "cost_usd": Decimal(0)})
        each[provider] = Measured(figures.summary(own, names), int(row["failed"]), row["cost_usd"])
    failed = sum(one.failed for one in each.values())
    cost = sum((one.cost_usd for one in each.values()), Decimal(0))
    return Measured(figures.summary(observed, names), failed, cost), each


def read_otherwise(db: Database, project: Project, period: Period, compared: Period) -> Row:
    params = {
        "project_id": project.id, "fingerprint": rules.fingerprint(project), "first": period.first,
        "last": period.last, "compare_first": compared.first, "compare_last": compared.last,
    }  # fmt: skip
    row = db.one(SQL.read_otherwise, params)
    assert row is not None
    return row
