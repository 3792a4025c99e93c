"""Prompts by provider: in how many of its answers each names the brand, and one prompt day by day."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from llm_monitoring import projects
from llm_monitoring.db import Database, Row
from llm_monitoring.figures import movers
from llm_monitoring.figures.movers import PromptChange, plain_rate
from llm_monitoring.figures.observations import Observation
from llm_monitoring.figures.periods import Period, PeriodRequest, in_order, observations, prompt_answers
from llm_monitoring.figures.rates import Rate
from llm_monitoring.figures.readings import Readings
from llm_monitoring.figures.statistics import percentage
from llm_monitoring.projects import Project


@dataclass(frozen=True, slots=True)
class NamedOf:
    """In how many answers an entity is named, with the rate and its 95 % interval; each answer counts the same."""

    named: int
    answers: int
    rate: Rate


@dataclass(frozen=True, slots=True)
class PromptRow:
    """A prompt in a period: all its answers and those of each provider, None without any.

    `rival` is the competitor that most of the answers name, `gap` the points by which it is ahead of the brand.
    `change` is that of a prompt that does not name the brand, if the other period has answers to it.
    """

    id: int
    text: str
    tags: Sequence[str]
    is_active: bool
    branded: bool
    total: NamedOf | None
    by_provider: Mapping[str, NamedOf]
    rival: str | None
    rival_total: NamedOf | None
    gap: Decimal | None
    change: PromptChange | None


@dataclass(frozen=True, slots=True)
class PromptTable:
    """The prompts of a project in a period, and the providers that answered or would."""

    project: Project
    providers: Sequence[str]
    rows: Sequence[PromptRow]
    left_out: int


@dataclass(frozen=True, slots=True)
class DayAnswer:
    """One answer to a prompt."""

    id: int
    sample: int
    is_named: bool
    position: int | None


@dataclass(frozen=True, slots=True)
class PromptHistory:
    """One prompt: its figures in a period, and each day's answers by provider, the latest day first."""

    row: PromptRow
    providers: Sequence[str]
    days: Sequence[tuple[date, Mapping[str, Sequence[DayAnswer]]]]


def prompt_table(db: Database, question: PeriodRequest) -> PromptTable:
    """The active prompts of a project and those with answers in the period; raises TooManyStale."""
    project = projects.find(db, question.project_id)
    readings = Readings(db, project)
    observed = observations(db, readings, question.period, question.provider, question.tag)
    changes = changes_of(db, readings, question, observed)
    answers: dict[int, list[Observation]] = defaultdict(list)
    for each in observed:
        answers[each.query_id].append(each)
    rows = [
        prompt_row(readings, prompt, answers[prompt["id"]], changes.get(prompt["id"]))
        for prompt in projects.list_prompts(db, project.id)
        if is_shown(prompt, question, answers)
    ]
    return PromptTable(project, providers_of(project, observed, question.provider), rows, readings.left_out)


def is_shown(prompt: Row, question: PeriodRequest, answers: Mapping[int, Sequence[Observation]]) -> bool:
    has_tag = question.tag is None or question.tag in prompt["tags"]
    return has_tag and (prompt["is_active"] or bool(answers.get(prompt["id"])))


def changes_of(
    db: Database, readings: Readings, question: PeriodRequest, observed: Sequence[Observation]
) -> Mapping[int, PromptChange]:
    """The change of each prompt against the other period; none without one."""
    if question.compared is None:
        return {}
    others = observations(db, readings, question.compared, question.provider, question.tag)
    before, _ = in_order(question.period, question.compared)
    pair = (others, observed) if before is question.compared else (observed, others)
    return {each.query_id: each for each in movers.prompt_changes(*pair) if each.before is not None}


def providers_of(project: Project, observed: Sequence[Observation], provider: str | None) -> list[str]:
    """The providers of a project, then those that it once asked; one alone if it is chosen."""
    others = sorted({each.provider for each in observed} - set(project.providers))
    return [each for each in (*project.providers, *others) if provider in (None, each)]


def prompt_row(readings: Readings, prompt: Row, found: Sequence[Observation], change: PromptChange | None) -> PromptRow:
    branded = readings.matcher.names_brand(prompt["query_text"], prompt["language"] or readings.project.language)
    own = [each for each in found if each.branded == branded]
    total = named_of([each.brand_mentioned for each in own])
    rival, rival_total = best_rival(own)
    return PromptRow(
        id=prompt["id"],
        text=prompt["query_text"],
        tags=prompt["tags"],
        is_active=prompt["is_active"],
        branded=branded,
        total=total,
        by_provider={
            provider: cell
            for provider in sorted({each.provider for each in own})
            if (cell := named_of([each.brand_mentioned for each in own if each.provider == provider])) is not None
        },
        rival=rival,
        rival_total=rival_total,
        gap=gap_of(total, rival_total),
        change=None if branded else change,
    )


def named_of(said: Sequence[bool]) -> NamedOf | None:
    return NamedOf(sum(said), len(said), plain_rate(said)) if said else None


def best_rival(own: Sequence[Observation]) -> tuple[str | None, NamedOf | None]:
    """The competitor that most of the answers name; None if they name none."""
    counts = Counter(name for each in own for name in each.competitors)
    if not counts:
        return None, None
    name = min(counts, key=lambda each: (-counts[each], each))
    return name, named_of([name in each.competitors for each in own])


def gap_of(total: NamedOf | None, rival: NamedOf | None) -> Decimal | None:
    """The points by which the rival is ahead of the brand, below zero if it is behind."""
    if total is None or rival is None:
        return None
    return percentage(Fraction(100 * (rival.named - total.named), total.answers))


def prompt_history(db: Database, question: PeriodRequest, query_id: int) -> PromptHistory:
    """One prompt in a period, day by day; raises NotFound if the project has none of this number."""
    prompt = projects.find_prompt(db, question.project_id, query_id)
    project = projects.find(db, question.project_id)
    readings = Readings(db, project)
    found = prompt_answers(db, readings, question, query_id)
    observed = [each for _, each in found]
    days: dict[date, dict[str, list[DayAnswer]]] = {day: {} for day in days_of(question.period)}
    for row, each in found:
        answer = DayAnswer(row["id"], each.sample, each.brand_mentioned, each.position)
        days[each.day].setdefault(each.provider, []).append(answer)
    return PromptHistory(
        row=prompt_row(readings, prompt, observed, None),
        providers=providers_of(project, observed, question.provider),
        days=sorted(days.items(), reverse=True),
    )


def days_of(period: Period) -> list[date]:
    return [period.first + timedelta(days=number) for number in range(period.days)]
