"""What was not measured in a period, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from llm_monitoring.figures import Observation
from llm_monitoring.figures.periods import Period
from llm_monitoring.projects import Project
from llm_monitoring.reporting.report_data import Absences, Failures
from llm_monitoring.runs.held_steps import LeftOutDays

AnsweredDays = Mapping[str, Mapping[date, int]]
"""How many answers each provider gave on each day, those to branded prompts included."""


@dataclass(frozen=True, slots=True)
class FailureRow:
    """Tasks that have no answer for one reason, on how many days and when last."""

    reason: str
    tasks: int
    days: int
    last: date


@dataclass(frozen=True, slots=True)
class GapRow:
    """One provider's gaps.

    `stretches` are the days without any answer as (first, last), at their own end included; `left_out` are those of
    them on which the user's pacing did not ask the provider.
    """

    provider: str
    answers: int
    days_measured: int
    days: int
    stretches: tuple[tuple[date, date], ...]
    failures: tuple[FailureRow, ...]
    keyless: bool
    left_out: LeftOutDays | None = None

    @property
    def complete(self) -> bool:
        return not (self.stretches or self.failures or self.keyless or self.left_out)


def gap_rows(
    project: Project, observations: Sequence[Observation], absences: Absences, period: Period
) -> tuple[GapRow, ...]:
    """Return each provider's gaps in a period; those that the project asks, then those that it once asked."""
    return gaps_between(project, answered_days(observations), absences, period)


def gaps_between(project: Project, answered: AnsweredDays, absences: Absences, period: Period) -> tuple[GapRow, ...]:
    """The gaps of `gap_rows`, from the number of answers of each day."""
    others = sorted({*answered, *(f.provider for f in absences.failures)} - set(project.providers))
    days = [period.first + timedelta(days=number) for number in range(period.days)]
    rows = []
    for provider in (*project.providers, *others):
        measured = answered.get(provider, {})
        rows.append(
            GapRow(
                provider=provider,
                answers=sum(measured.values()),
                days_measured=len(measured),
                days=len(days),
                stretches=tuple(stretches(day for day in days if day not in measured)),
                failures=tuple(failure_rows([each for each in absences.failures if each.provider == provider])),
                keyless=provider in absences.access.keyless,
                left_out=absences.left_out.get(provider),
            )
        )
    return tuple(rows)


def answered_days(observations: Iterable[Observation]) -> AnsweredDays:
    found: dict[str, Counter[date]] = defaultdict(Counter)
    for o in observations:
        found[o.provider][o.day] += 1
    return {provider: dict(days) for provider, days in found.items()}


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
