"""What was not measured in a period, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from llm_monitoring.figures import Observation
from llm_monitoring.projects import Project
from llm_monitoring.reporting.report_data import Access, Failures


@dataclass(frozen=True, slots=True)
class FailureRow:
    """Tasks that have no answer for one reason, on how many days and when last."""

    reason: str
    tasks: int
    days: int
    last: date


@dataclass(frozen=True, slots=True)
class GapRow:
    """One provider's gaps. `stretches` are the days without any answer as (first, last), at their own end included."""

    provider: str
    answers: int
    days_measured: int
    days: int
    stretches: tuple[tuple[date, date], ...]
    failures: tuple[FailureRow, ...]
    keyless: bool

    @property
    def complete(self) -> bool:
        return not (self.stretches or self.failures or self.keyless)


def gap_rows(
    project: Project,
    observations: Sequence[Observation],
    failures: Sequence[Failures],
    access: Access,
    first: date,
    last: date,
) -> tuple[GapRow, ...]:
    """Return each provider's gaps between two days; those that the project asks, then those that it once asked."""
    others = sorted({*(o.provider for o in observations), *(f.provider for f in failures)} - set(project.providers))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    rows = []
    for provider in (*project.providers, *others):
        answered = [each.day for each in observations if each.provider == provider]
        measured = set(answered)
        rows.append(
            GapRow(
                provider=provider,
                answers=len(answered),
                days_measured=len(measured),
                days=len(days),
                stretches=tuple(stretches(day for day in days if day not in measured)),
                failures=tuple(failure_rows([each for each in failures if each.provider == provider])),
                keyless=provider in access.keyless,
            )
        )
    return tuple(rows)


def stretches(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Days in order, joined if they follow each other."""
    first = last = None
    for day in days:
        if last is not None and day - last == timedelta(days=1):
            last = day
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = day
    if first is not None and last is not None:
        yield first, last


def failure_rows(failures: Sequence[Failures]) -> list[FailureRow]:
    rows = []
    for reason in dict.fromkeys(each.reason for each in failures):
        some = [each for each in failures if each.reason == reason]
        tasks = sum(each.tasks for each in some)
        rows.append(FailureRow(reason, tasks, len({each.day for each in some}), max(each.day for each in some)))
    return sorted(rows, key=lambda row: (-row.tasks, row.reason))
