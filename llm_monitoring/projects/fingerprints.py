"""With which names and rules answers are read: a fingerprint of them, and what it stands for."""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from typing import Any

from llm_monitoring.analysis import ANALYSIS_VERSION, Matcher
from llm_monitoring.db.database import Database, Json, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.projects.definition import Project, read_entity, write_entity

SQL = load("fingerprints")


def rules_of(project: Project) -> dict[str, Any]:
    """What a project's answers are read with: the version of the analysis, the brand and the competitors."""
    return {
        "analysis_version": ANALYSIS_VERSION,
        "brand": write_entity(project.brand),
        "competitors": [write_entity(entity) for entity in project.competitors],
    }


@lru_cache(maxsize=256)
def fingerprint(project: Project) -> str:
    """The mark of an answer that was read with the project's present names and rules."""
    return sha256(json.dumps(rules_of(project), sort_keys=True).encode()).hexdigest()[:32]


def record(tx: Transaction | Database, project: Project) -> None:
    """Keep the project's present names and rules under their fingerprint."""
    tx.execute(SQL.record, {"fingerprint": fingerprint(project), "rules": Json(rules_of(project))})


def matcher_for(db: Database, mark: str | None, project_id: int) -> Matcher | None:
    """The matcher of an earlier fingerprint's names, by the rules of today; None where they were never kept."""
    row = db.one(SQL.find, {"fingerprint": mark})
    if row is None:
        return None
    brand, *competitors = (
        read_entity(item, project_id) for item in (row["rules"]["brand"], *row["rules"]["competitors"])
    )
    return Matcher(brand, competitors)


def stale_answers(db: Database, project: Project) -> int:
    """How many answers were read with former names, or by a former version of the analysis: `reanalyse` reads them."""
    row = db.one(SQL.stale, {"project_id": project.id, "fingerprint": fingerprint(project)})
    return int(row["answers"]) if row else 0
