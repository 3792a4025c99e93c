"""Checks of projects: figures that cannot be measured because a site is not declared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llm_monitoring.db import Database, load
from llm_monitoring.health.check_result import CheckResult, yellow
from llm_monitoring.process.wording import PROGRAM

SQL = load("health")

MOST_NAMED: Final = 5


def sites(db: Database) -> Iterator[CheckResult]:
    """The active projects without a declared site, which have no citation rate."""
    rows = db.all(SQL.without_site)
    if not rows:
        return
    names = ", ".join(f"{row['id']} {row['name']}" for row in rows[:MOST_NAMED])
    more = f" and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
    yield yellow(
        "sites",
        f"no citation rate without a declared site: {names}{more}",
        f"`{PROGRAM} projects edit {rows[0]['id']} --domain HOST`; `projects check` names competitors without one",
    )
