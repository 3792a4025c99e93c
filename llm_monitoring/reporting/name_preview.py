"""What tracking one more name would change: the figures of stored answers, read with it and without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.db import Database
from llm_monitoring.errors import AlreadyExists, Invalid
from llm_monitoring.figures.answer_set import AnswerSet, answer_set
from llm_monitoring.figures.periods import Period, observations
from llm_monitoring.figures.readings import Readings
from llm_monitoring.projects import Project
from llm_monitoring.reporting.overview import EntityRow, entity_rows

MOST_DAYS: Final = 31
"""All answers of a preview are read again."""


@dataclass(frozen=True, slots=True)
class EntityChange:
    """The figures of a tracked entity now (None for the new one) and with the new name."""

    now: EntityRow | None
    then: EntityRow


@dataclass(frozen=True, slots=True)
class NamePreview:
    """The figures of a period with one more competitor, over `answers` to prompts that do not name the brand."""

    name: str
    period: Period
    answers: int
    prompts: int
    added: EntityRow
    others: Sequence[EntityChange]


def preview_name(db: Database, project_id: int, new: Entity, period: Period) -> NamePreview:
    """What changes with a new competitor; writes nothing.

    Raises AlreadyExists if the name is tracked, Invalid for one that no project takes and for more than MOST_DAYS days.
    """
    project = projects.find(db, project_id)
    if not projects.new_competitors(project, [new]):
        raise AlreadyExists("competitor", repr(new.name))
    with_it = replace(project, competitors=(*project.competitors, new))
    projects.check_definition(with_it, project)
    if period.days > MOST_DAYS:
        sentence = f"a preview takes at most {MOST_DAYS} days, not {period.days}"
        raise Invalid("from", sentence, code="period_too_long", most=MOST_DAYS)
    before, after = (answers_of(db, each, period) for each in (project, with_it))
    now = {row.name: row for row in entity_rows(before, project.brand.name, ())}
    then = entity_rows(after, project.brand.name, ())
    basis = after.mentions.basis
    return NamePreview(
        name=new.name,
        period=period,
        answers=basis[0],
        prompts=basis[1],
        added=next(row for row in then if row.name == new.name),
        others=[EntityChange(now[row.name], row) for row in then if row.name != new.name],
    )


def answers_of(db: Database, project: Project, period: Period) -> AnswerSet:
    observed = observations(db, Readings(db, project), period)
    return answer_set(observed, [entity.name for entity in project.competitors])
