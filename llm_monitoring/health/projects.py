"""What `doctor` says of projects: what cannot be measured for want of a declaration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llm_monitoring.db import Database
from llm_monitoring.db.queries import load
from llm_monitoring.health.finding import CheckResult, yellow
from llm_monitoring.process.wording import PROGRAM

SQL = load("health")

MOST_NAMED: Final = 5


def sites(db: Database) -> Iterator[CheckResult]:
    """The active projects of which nothing can be said of citations."""
    rows = db.all(SQL.without_site)
    if not rows:
        return
    names = ", ".join(f"{row['id']} {row['name']}" for row in rows[:MOST_NAMED])
    more = f" and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
    yield yellow(
        "sites", f"no citation rate without a declared site: {names}{more}",
        f"{PROGRAM} projects edit {rows[0]['id']} --domain HOST; `projects check` names competitors without one",
    )  # fmt: skip
