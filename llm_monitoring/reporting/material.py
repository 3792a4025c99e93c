"""What a report is made of, as it is read from the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from llm_monitoring import projects, results, rules
from llm_monitoring.analysis.figures import Observation
from llm_monitoring.budget import Budget
from llm_monitoring.db.database import Database, Row
from llm_monitoring.db.queries import load
from llm_monitoring.domain import ProviderName
from llm_monitoring.keys import KeyStore
from llm_monitoring.projects import Project
from llm_monitoring.reporting.citations import CitationTally

SQL = load("reporting")

PAGE: Final = 1000
LONGEST_TEXT: Final = 60_000
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
class Material:
    """A project's period. `texts` and `failed_prompts` are of `latest`, the last day with answers, None without any."""

    project: Project
    first: date
    last: date
    today: date
    latest: date | None
    observations: Sequence[Observation]
    citations: CitationTally
    stale: int
    prompts: Sequence[Row]
    texts: Sequence[Row]
    failed_prompts: Mapping[tuple[int, str], str]
    failures: Sequence[Failures]
    access: Access


def read(db: Database, project_id: int, days: int, today: date, access: Access) -> Material:
    """Read the `days` days up to the project's last day that was measured, or tried to be."""
    project = projects.find(db, project_id)
    found = db.one(SQL.last_day, {"project_id": project_id})
    last = (found and found["day"]) or today
    period = {"project_id": project_id, "first": last - timedelta(days=days - 1), "last": last}
    observations, citations, stale = read_answers(db, project, period)
    latest = max((each.day for each in observations), default=None)
    of_day = {"project_id": project_id, "day": latest or last}
    return Material(
        project=project,
        first=last - timedelta(days=days - 1),
        last=last,
        today=today,
        latest=latest,
        observations=observations,
        citations=citations,
        stale=stale,
        prompts=db.all(SQL.prompts, of_day),
        texts=db.all(SQL.texts, {**of_day, "longest": LONGEST_TEXT, "most": MOST_ANSWERS}),
        failed_prompts={
            (row["query_id"], row["llm_provider"]): row["reason"] for row in db.all(SQL.failed_prompts, of_day)
        },
        failures=[
            Failures(row["llm_provider"], row["reason"], row["analysis_date"], row["tasks"])
            for row in db.all(SQL.failures, period)
        ],
        access=access,
    )


def read_answers(
    db: Database, project: Project, period: Mapping[str, object]
) -> tuple[list[Observation], CitationTally, int]:
    """A period's answers without text, the pages that they cite, and how many were read with other names or rules."""
    observations, citations, stale = [], CitationTally(project.brand, project.competitors), 0
    present = rules.fingerprint(project)
    for row in pages_of(db, period):
        observations.append(results.observation(row))
        citations.add(row)
        stale += row["rules_fingerprint"] != present
    return observations, citations, stale


def pages_of(db: Database, period: Mapping[str, object]) -> Iterator[Row]:
    after = 0
    while True:
        rows = db.all(SQL.answers, {**period, "after": after, "page": PAGE})
        yield from rows
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
