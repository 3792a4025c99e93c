"""The data of a report, as read from the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from llm_monitoring import projects
from llm_monitoring.db import Database, Row, load
from llm_monitoring.domain import ProviderName
from llm_monitoring.figures import Observation
from llm_monitoring.figures.periods import Period, in_order, observations, observed_rows
from llm_monitoring.figures.readings import Readings
from llm_monitoring.keys import KeyStore
from llm_monitoring.ledger import Budget
from llm_monitoring.projects import Project
from llm_monitoring.reporting.citations import CitationTally
from llm_monitoring.runs.held_steps import HeldStep, LeftOutDays, held_steps, left_out_days

SQL = load("reporting")

DAYS: Final = 30
PAGE: Final = 1000
LONGEST_TEXT: Final = 60_000
WITHHELD: Final = "withheld"
"""What a reader who may not know a reason is given for it."""

MOST_ANSWERS: Final = 480
"""Answers that are shown whole or in part; with several samples a prompt the later ones stay out."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Tasks without an answer for one reason, at one provider on one day."""

    provider: str
    reason: str
    day: date
    tasks: int


@dataclass(frozen=True, slots=True)
class Access:
    """Whether the project could be asked now: providers without a usable key, and whether its user is over budget."""

    keyless: frozenset[ProviderName] = frozenset()
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """Which report: a period, or the last DAYS days that were measured, and what it is compared with.

    Without `compared` the halves of the period are compared. `chosen` periods end where the reader wanted them to.
    """

    project_id: int
    period: Period | None = None
    compared: Period | None = None
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Absences:
    """Why answers of a period are missing: failed tasks, keys and budget, and providers that pacing left out."""

    failures: Sequence[Failures]
    access: Access
    left_out: Mapping[str, LeftOutDays]


@dataclass(frozen=True, slots=True)
class ComparedPeriods:
    """Two periods that are compared, with the answers of each."""

    before: Period
    after: Period
    earlier: Sequence[Observation]
    later: Sequence[Observation]


@dataclass(frozen=True, slots=True)
class ReportData:
    """A project's period, read with its present names.

    `latest` is the last day with answers, None without any; `chosen` periods do not end with the last measured day by
    themselves. `texts` are each prompt's latest answers at each provider. `left_out` answers were read with former
    names, and their text is gone. `held`: what its last planned day leaves out so that a budget lasts.
    """

    project: Project
    first: date
    last: date
    today: date
    latest: date | None
    chosen: bool
    observations: Sequence[Observation]
    versus: ComparedPeriods | None
    citations: CitationTally
    left_out: int
    prompts: Sequence[Row]
    texts: Sequence[Row]
    failed_prompts: Mapping[tuple[int, str], str]
    absences: Absences
    held: Sequence[HeldStep] = ()


def read(db: Database, wanted: ReportRequest, today: date, access: Access) -> ReportData:
    """Read a period; raises NotFound if there is no such project, TooManyStale if its names changed too long ago."""
    project = projects.find(db, wanted.project_id)
    period = wanted.period or last_days(db, wanted.project_id, DAYS, today)
    params = {"project_id": wanted.project_id, "first": period.first, "last": period.last, "tag": None}
    readings = Readings(db, project)
    answers, citations = read_answers(db, readings, params)
    texts = db.all(SQL.texts, {**params, "longest": LONGEST_TEXT, "most": MOST_ANSWERS})
    return ReportData(
        project=project,
        first=period.first,
        last=period.last,
        today=today,
        latest=max((o.day for o in answers), default=None),
        chosen=wanted.chosen,
        observations=answers,
        versus=versus(db, readings, (period, answers), wanted.compared),
        citations=citations,
        left_out=readings.left_out,
        prompts=db.all(SQL.prompts, params),
        texts=Readings(db, project).usable(texts),
        failed_prompts={
            (row["query_id"], row["llm_provider"]): row["reason"] for row in db.all(SQL.failed_prompts, params)
        },
        absences=read_absences(db, wanted.project_id, period, access),
        held=held_steps(db, [wanted.project_id], period.first, period.last),
    )


def without_reasons(data: ReportData) -> ReportData:
    """The data as those see them who may not learn of keys, budget and failures: that something is missing, not why."""
    return replace(
        data,
        absences=replace(
            data.absences,
            access=Access(),
            failures=[replace(each, reason=WITHHELD) for each in data.absences.failures],
        ),
        failed_prompts=dict.fromkeys(data.failed_prompts, WITHHELD),
    )


def read_absences(db: Database, project_id: int, period: Period, access: Access, tag: str | None = None) -> Absences:
    """Why answers of a period are missing; `access` are the keys and the budget, for who may know of them."""
    failures = read_failures(db, project_id, period, tag)
    return Absences(failures, access, left_out_days(db, project_id, period.first, period.last))


def read_failures(db: Database, project_id: int, period: Period, tag: str | None = None) -> list[Failures]:
    """Tasks of a period without an answer, or with one that is not analysed yet."""
    params = {"project_id": project_id, "first": period.first, "last": period.last, "tag": tag}
    return [
        Failures(row["llm_provider"], row["reason"], row["analysis_date"], row["tasks"])
        for row in db.all(SQL.failures, params)
    ]


def last_days(db: Database, project_id: int, days: int, today: date) -> Period:
    """The days up to the project's last day that was measured, or tried to be."""
    row = db.one(SQL.last_day, {"project_id": project_id})
    last = (row and row["day"]) or today
    return Period(last - timedelta(days=days - 1), last)


def versus(
    db: Database, readings: Readings, own: tuple[Period, Sequence[Observation]], compared: Period | None
) -> ComparedPeriods | None:
    """The two periods that are compared, the earlier first; the period's own halves if no other is given."""
    period, found = own
    if compared is None:
        return halves(period, found)
    before, after = in_order(period, compared)
    others = observations(db, readings, compared)
    return ComparedPeriods(before, after, *((others, found) if before is compared else (found, others)))


def halves(period: Period, found: Sequence[Observation]) -> ComparedPeriods | None:
    """The later half of the period and as many days before it; None if that is less than a day."""
    half = period.days // 2
    if not half:
        return None
    middle = period.last - timedelta(days=half)
    before = Period(middle - timedelta(days=half - 1), middle)
    after = Period(middle + timedelta(days=1), period.last)
    return ComparedPeriods(before, after, within(before, found), within(after, found))


def within(period: Period, found: Sequence[Observation]) -> list[Observation]:
    return [each for each in found if period.first <= each.day <= period.last]


def read_answers(
    db: Database, readings: Readings, params: Mapping[str, object]
) -> tuple[list[Observation], CitationTally]:
    """A period's answers without text, and the pages that they cite."""
    project = readings.project
    found, citations = [], CitationTally(project.brand, project.competitors)
    for rows in pages_of(db, params):
        for row, observed in observed_rows(readings, rows):
            found.append(observed)
            citations.add(row)
    return found, citations


def read_citations(
    db: Database, project: Project, period: Period, provider: str | None = None, tag: str | None = None
) -> CitationTally:
    """The pages that the answers of a period cite, at one provider or at all, of all prompts or those with a tag."""
    params = {"project_id": project.id, "first": period.first, "last": period.last, "tag": tag}
    readings, citations = Readings(db, project), CitationTally(project.brand, project.competitors)
    for rows in pages_of(db, params):
        own = [row for row in rows if provider in (None, row["llm_provider"])]
        for row, _ in observed_rows(readings, own):
            citations.add(row)
    return citations


def pages_of(db: Database, period: Mapping[str, object]) -> Iterator[list[Row]]:
    after = 0
    while True:
        rows = db.all(SQL.answers, {**period, "after": after, "page": PAGE})
        yield rows
        if len(rows) < PAGE:
            return
        after = rows[-1]["id"]


def access_of(project: Project, keys: KeyStore, budget: Budget) -> Access:
    """Whether the project's user could pay for its calls now, and has keys for them."""
    if project.user_id is None:
        return Access(frozenset(project.providers))
    states = keys.available([project.user_id])[project.user_id]
    usable = {provider for provider, state in states.items() if state.usable}
    standing = next((each for each in budget.standings(start_month=False) if each.user_id == project.user_id), None)
    return Access(frozenset(set(project.providers) - usable), standing is not None and standing.blocked)
