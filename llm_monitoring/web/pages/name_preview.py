"""What other names would change in answers that are stored: counted over the latest days, nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from llm_monitoring.answers import reanalysis
from llm_monitoring.answers.changes import Changes, NameChange
from llm_monitoring.answers.reanalysis import ReanalysisControl, StaleDay
from llm_monitoring.db import Database
from llm_monitoring.projects import Project

MOST_ANSWERS: Final = 600
"""Answers that a preview reads: about two seconds of work."""


@dataclass(frozen=True, slots=True)
class NamePreview:
    """What changes over the answers of the days from `first` to `last`: `before` and `after` of them name the brand."""

    answers: int
    changed: int
    first: date
    last: date
    before: int
    after: int
    names: Sequence[tuple[str, NameChange]]


def preview_names(db: Database, edited: Project) -> NamePreview | None:
    """Read the latest answers with these names; None if no answer would be read otherwise."""
    plan = reanalysis.plan_for(db, edited)
    days = latest(plan.days)
    if not days:
        return None
    found = reanalysis.preview(db, replace(plan, days=days), ReanalysisControl()).changes
    named = found.fields.get("brand_mentioned")
    return NamePreview(
        answers=found.answers,
        changed=found.changed,
        first=days[0].day,
        last=days[-1].day,
        before=(named and named.before) or 0,
        after=(named and named.after) or 0,
        names=changed_names(found),
    )


def latest(days: Sequence[StaleDay]) -> list[StaleDay]:
    """The last of these days that together have at most MOST_ANSWERS, at least one; in order."""
    found: list[StaleDay] = []
    answers = 0
    for day in reversed([each for each in days if each.stale]):
        answers += day.stale
        if found and answers > MOST_ANSWERS:
            break
        found.append(day)
    return found[::-1]


def changed_names(found: Changes) -> list[tuple[str, NameChange]]:
    """The names with other mentions, most changed first."""
    changed = [(name, each) for name, each in found.names.items() if each.before != each.after or each.by_size()]
    return sorted(changed, key=lambda pair: (-abs(pair[1].difference), pair[0]))
