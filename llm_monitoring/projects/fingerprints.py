"""The fingerprint of the names and the analysis version with which answers are read, and how many are stale."""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from typing import Any

from llm_monitoring import analysis
from llm_monitoring.analysis import ANALYSIS_VERSION
from llm_monitoring.db import Database, Json, Transaction, load
from llm_monitoring.projects.definition import Project, read_entity, write_entity

SQL = load("fingerprints")


def rules_of(project: Project) -> dict[str, Any]:
    """The version of the analysis, the brand and the competitors with which answers of a project are read."""
    return {
        "analysis_version": ANALYSIS_VERSION,
        "brand": write_entity(project.brand),
        "competitors": [write_entity(entity) for entity in project.competitors],
    }


@lru_cache(maxsize=256)
def fingerprint(project: Project) -> str:
    """The fingerprint of answers that are read with the present names and rules of the project."""
    return sha256(json.dumps(rules_of(project), sort_keys=True).encode()).hexdigest()[:32]


def record(tx: Transaction | Database, project: Project) -> None:
    """Store the present names and rules of the project under their fingerprint."""
    tx.execute(SQL.record, {"fingerprint": fingerprint(project), "rules": Json(rules_of(project))})


def matcher_for(db: Database, former: str | None, project_id: int) -> analysis.Matcher | None:
    """The matcher of the names of an earlier fingerprint, with the rules of today; None if they were never stored."""
    row = db.one(SQL.find, {"fingerprint": former})
    if row is None:
        return None
    brand, *competitors = (
        read_entity(item, project_id) for item in (row["rules"]["brand"], *row["rules"]["competitors"])
    )
    return analysis.Matcher(brand, competitors)


def stale_answers(db: Database, project: Project) -> int:
    """The number of answers that were read with former names or a former version of the analysis."""
    row = db.one(SQL.stale, {"project_id": project.id, "fingerprint": fingerprint(project)})
    return int(row["answers"]) if row else 0
