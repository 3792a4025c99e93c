"""A period's figures in all and by provider, and what changed against another period."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from llm_monitoring import projects
from llm_monitoring.db import Database, Row, load
from llm_monitoring.errors import Invalid
from llm_monitoring.figures import cells, comparison, movers, snapshots
from llm_monitoring.figures.answer_set import AnswerSet, answer_set
from llm_monitoring.figures.cells import Summary
from llm_monitoring.figures.comparison import Comparison
from llm_monitoring.figures.movers import PromptChange, ProviderPart
from llm_monitoring.figures.observations import Observation
from llm_monitoring.figures.readings import Readings
from llm_monitoring.projects import Project

SQL = load("periods")

DEFAULT_DAYS: Final = 30
SHORT_HISTORY_DAYS: Final = 14
READ_DAYS: Final = 10


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last`, both included. Raises Invalid if it ends before it starts."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            sentence = f"the period ends before it starts: {self.last} is before {self.first}"
            raise Invalid("period", sentence, code="period_order")

    def __str__(self) -> str:
        return f"{self.first} to {self.last}" if self.first != self.last else str(self.first)

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def previous(self) -> Period:
        """The period of the same length right before; a whole calendar month has the month before it.

        Raises Invalid if the calendar has no such days.
        """
        try:
            last = self.first - timedelta(days=1)
            first = last.replace(day=1) if self.is_month else self.first - timedelta(days=self.days)
        except OverflowError as exc:
            sentence = f"no calendar has {self.days} days before {self.first}"
            raise Invalid("period", sentence, code="period_calendar") from exc
        return Period(first, last)

    @property
    def is_month(self) -> bool:
        if (self.first.year, self.first.month) != (self.last.year, self.last.month):
            return False
        return self.first.day == 1 and self.last.day == monthrange(self.last.year, self.last.month)[1]


def period_of(
    first: date | None, last: date | None, latest: date, *, days: int = DEFAULT_DAYS, sized: bool = False
) -> Period:
    """The period of the days that are given; `latest` is the last day with answers.

    Without `first` it has `days` days up to `last`, or up to `latest`. Without `last` it ends with `latest`, or after
    `days` days if it is `sized`. Raises Invalid for days that no calendar has.
    """
    length = timedelta(days=days - 1)
    try:
        if first is None:
            end = last or latest
            return Period(end - length, end)
        return Period(first, last or (first + length if sized else max(first, latest)))
    except OverflowError as exc:
        sentence = f"a period of {days} days at {first or last or latest} leaves the calendar"
        raise Invalid("period", sentence, code="period_calendar") from exc


def default_days(measured: Period | None) -> int:
    """How many days are shown of a project with answers on the days of `measured` if no period is chosen.

    The last 30, or the later half of a history that is shorter than twice that, so that as many days lie before them.
    """
    if measured is None or measured.days >= 2 * DEFAULT_DAYS:
        return DEFAULT_DAYS
    return measured.days // 2 if measured.days >= SHORT_HISTORY_DAYS else min(DEFAULT_DAYS, measured.days)


@dataclass(frozen=True, slots=True)
class PeriodTotals:
    """A period's answers and figures, the tasks that failed and what all calls cost in USD, as far as it was kept."""

    answers: AnswerSet
    summary: Summary
    failed: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class PeriodRequest:
    """What is asked: a project's period, another one to compare it with, one provider alone or all, one tag or none.

    With a `tag` only answers to the prompts that have it count.
    """

    project_id: int
    period: Period
    compared: Period | None = None
    provider: str | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class PeriodFigures:
    """What there is to say of a period, and of `compared` if one was asked for.

    `read_again` answers were stored with former names or rules, and were read with the present ones for these figures;
    `kept` have no text, and former names count the same; `left_out` are in no figure, since they do not; `unread` are
    stored and not analysed yet. `latest` is the last day with answers at all, `prompts` the texts of those in
    `by_prompt`.
    """

    project: Project
    period: Period
    latest: date | None
    total: PeriodTotals
    by_provider: Mapping[str, PeriodTotals]
    compared: Period | None
    comparison: Comparison | None
    parts: tuple[ProviderPart, ...]
    by_prompt: tuple[PromptChange, ...]
    prompts: Mapping[int, str]
    read_again: int
    kept: int
    left_out: int
    unread: int


def period_figures(db: Database, question: PeriodRequest) -> PeriodFigures:
    """Measure a period, against another one if it is given; raises Invalid if the two overlap, or TooManyStale.

    Of the two, the one that starts first is what was before, whichever was asked for first.
    """
    project, compared = projects.find(db, question.project_id), question.compared
    names = [entity.name for entity in project.competitors]
    readings = Readings(db, project)
    observed = observations(db, readings, question.period, question.provider, question.tag)
    others: list[Observation] = []
    change = None
    if compared is not None:
        before, _ = in_order(question.period, compared)
        others = observations(db, readings, compared, question.provider, question.tag)
        pair = (others, observed) if before is compared else (observed, others)
        change = comparison.compare(*pair, names)
    else:
        pair = ([], observed)
    total, by_provider = measured(db, project, question, observed)
    return PeriodFigures(
        project=project,
        period=question.period,
        latest=latest_day(db, project.id),
        total=total,
        by_provider=by_provider,
        compared=compared,
        comparison=change,
        parts=movers.provider_parts(*pair) if change else (),
        by_prompt=movers.prompt_changes(*pair),
        prompts={row["id"]: row["query_text"] for row in db.all(SQL.prompts, {"project_id": project.id})},
        read_again=readings.read_again,
        kept=readings.kept,
        left_out=readings.left_out,
        unread=unread(db, question),
    )


def unread(db: Database, question: PeriodRequest) -> int:
    """How many answers of a period are stored and not analysed yet: they are in no figure."""
    row = db.one(SQL.unread, period_params(question))
    return 0 if row is None else int(row["answers"])


def prompt_answers(
    db: Database, readings: Readings, question: PeriodRequest, query_id: int
) -> list[tuple[Row, Observation]]:
    """The valid answers to one prompt in a period, with their rows."""
    rows = db.all(SQL.observations, {**period_params(question), "query_id": query_id})
    return list(observed_rows(readings, rows))


def period_params(question: PeriodRequest) -> dict[str, Any]:
    return {
        "project_id": question.project_id,
        "first": question.period.first,
        "last": question.period.last,
        "provider": question.provider,
        "tag": question.tag,
        "query_id": None,
    }


def in_order(one: Period, other: Period) -> tuple[Period, Period]:
    """The earlier and the later period; raises Invalid if they share a day."""
    before, after = sorted((one, other), key=lambda period: period.first)
    if after.first <= before.last:
        raise Invalid("period", f"the two periods overlap: {before} and {after}", code="periods_overlap")
    return before, after


def latest_day(db: Database, project_id: int) -> date | None:
    """The last day with answers."""
    row = db.one(SQL.latest_day, {"project_id": project_id})
    return row["day"] if row else None


def measured_days(db: Database, project_id: int) -> Period | None:
    """The days from the first to the last with answers; None without any."""
    row = db.one(SQL.measured_days, {"project_id": project_id})
    return None if row is None or row["first"] is None else Period(row["first"], row["last"])


def observations(
    db: Database, readings: Readings, period: Period, provider: str | None = None, tag: str | None = None
) -> list[Observation]:
    """The valid answers of a period, as the project's present names read them."""
    params = period_params(PeriodRequest(readings.project.id, period, provider=provider, tag=tag))
    found: list[Observation] = []
    for part in parts_of_common(period, measured_days(db, readings.project.id)):
        rows = db.all(SQL.observations, {**params, "first": part.first, "last": part.last})
        found += [observed for _, observed in observed_rows(readings, rows)]
    return found


def parts_of_common(period: Period, measured: Period | None) -> Iterator[Period]:
    """The days with answers of a period, which may span the whole calendar, in parts."""
    if measured is not None and measured.first <= period.last and period.first <= measured.last:
        common = Period(max(period.first, measured.first), min(period.last, measured.last))
        yield from parts_of(common, READ_DAYS)


def parts_of(period: Period, days: int) -> Iterator[Period]:
    """The period in parts of so many days, so that its rows are never all in memory."""
    for number in range(0, period.days, days):
        first = period.first + timedelta(days=number)
        yield Period(first, min(period.last, first + timedelta(days=min(days, period.days - number) - 1)))


def observed_rows(readings: Readings, rows: Sequence[Row]) -> Iterator[tuple[Row, Observation]]:
    """Each row as present names read it, with what figures see of it; a row that cannot be read stays out alone."""
    usable, project = readings.usable(rows), readings.project
    with readings.errors.guard("figure_answer", "Respuestas", keep=False, project_id=project.id) as work:
        found = [(row, snapshots.observation(row, project)) for row in usable]
    if work.error is None:
        yield from found
        return
    for row in usable:
        observed = observed_row(readings, row)
        if observed is not None:
            yield row, observed


def observed_row(readings: Readings, row: Row) -> Observation | None:
    """What figures see of a row with present readings; None, in the errors of `readings`, if it cannot be read."""
    with readings.errors.guard("figure_answer", f"Respuesta #{row['id']}", project_id=readings.project.id) as work:
        observed = snapshots.observation(row, readings.project)
    return observed if work.error is None else None


def measured(
    db: Database, project: Project, question: PeriodRequest, observed: Sequence[Observation]
) -> tuple[PeriodTotals, dict[str, PeriodTotals]]:
    """The figures over all providers, and each provider's."""
    answers = answer_set(observed, [entity.name for entity in project.competitors])
    query = SQL.totals if question.tag is None else SQL.totals_of_tag
    totals: dict[str, Any] = {row["llm_provider"]: row for row in db.all(query, period_params(question))}
    # the calls of a tag are seen by the project's owner alone, and which providers there are is the same for all
    known = {provider for provider, row in totals.items() if row["failed"] or question.tag is None}
    each = {}
    for provider in sorted({*known, *(o.provider for o in observed)}):
        own = answers.of_provider(provider)
        row = totals.get(provider, {"failed": 0, "cost_usd": Decimal(0)})
        each[provider] = PeriodTotals(own, cells.summary_of(own), int(row["failed"]), row["cost_usd"])
    failed = sum(one.failed for one in each.values())
    cost = sum((one.cost_usd for one in each.values()), Decimal(0))
    return PeriodTotals(answers, cells.summary_of(answers), failed, cost), each
