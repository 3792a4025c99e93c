"""What was changed in the definition of a project, by day, as the record of changes has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from typing import Final, Literal, get_args

from llm_monitoring.access.audit import ActorKind, subject_of
from llm_monitoring.db import Database, Row, load

SQL = load("project_changes")

Action = Literal[
    "project.create",
    "project.change",
    "project.archive",
    "project.restore",
    "competitor.add",
    "competitor.change",
    "competitor.remove",
    "competitors.replace",
    "prompts.add",
    "prompt.change",
    "prompt.remove",
    "site_kind.set",
    "site_kind.unset",
]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
FIELDS: Final = (
    "name", "aliases", "domains", "exclude", "case_sensitive", "brand", "competitors", "industry", "language",
    "country", "providers", "web_search", "samples_per_query", "is_active", "query_text", "query_type", "tags",
)  # fmt: skip
MOST: Final = 200


@dataclass(frozen=True, slots=True)
class ProjectChange:
    """One change: what it was made to (`subject`, empty for the project itself), and which fields differ since."""

    day: date
    actor_kind: ActorKind
    action: Action
    subject: str
    fields: tuple[str, ...]


def project_changes(db: Database, project_id: int, first: date, last: date, zone: tzinfo) -> list[ProjectChange]:
    """The changes of a project between two days of `zone`, both included, the latest first, at most MOST."""
    params = {
        "project_id": project_id,
        "actions": list(ACTIONS),
        "begin": datetime.combine(first, time(), zone),
        "end": datetime.combine(last, time.max, zone),
        "limit": MOST,
    }
    return [read_change(row, zone) for row in db.all(SQL.changes, params)]


def read_change(row: Row, zone: tzinfo) -> ProjectChange:
    before, after = row["before"] or {}, row["after"] or {}
    return ProjectChange(
        row["at"].astimezone(zone).date(),
        row["actor_kind"],
        row["action"],
        "" if row["action"].startswith("project.") else subject_of(row),
        tuple(name for name in FIELDS if name in before and name in after and before[name] != after[name]),
    )
