"""Names that answers list and that are not tracked: dismissed, and offered again."""

from __future__ import annotations

from llm_monitoring import projects
from llm_monitoring.db import Database, in_transaction
from llm_monitoring.edits.records import By, record_in_project


def dismiss_name(db: Database, by: By, project_id: int, name: str) -> None:
    """Do not offer a name any more; raises NotFound and Invalid."""

    def work(db: Database) -> None:
        if projects.dismiss_name(db, project_id, name):
            record_in_project(db, by, project_id, "name.dismiss", object_id=name)

    in_transaction(db, work)


def restore_name(db: Database, by: By, project_id: int, name: str) -> None:
    """Offer a dismissed name again; raises NotFound."""

    def work(db: Database) -> None:
        projects.restore_name(db, project_id, name)
        record_in_project(db, by, project_id, "name.restore", object_id=name)

    in_transaction(db, work)
