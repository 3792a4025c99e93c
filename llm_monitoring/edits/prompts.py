"""Prompts: added, changed, paused, resumed, tagged, removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from llm_monitoring import projects
from llm_monitoring.db import Database, Row, in_transaction
from llm_monitoring.edits.limits import within_limits
from llm_monitoring.edits.records import By, record_in_project
from llm_monitoring.projects import NewPrompt

FIELDS: Final = ("id", "query_text", "language", "query_type", "is_active", "tags")


def add_prompts(
    db: Database,
    by: By,
    project_id: int,
    new: Sequence[NewPrompt],
    on_added: Callable[[int], None] = lambda done: None,
) -> tuple[int, int]:
    """Add prompts, all or none; return how many were new and how many the project had. Raises NotFound and Invalid.

    `on_added` gets the number of prompts done since its last call.
    """

    def work(db: Database) -> tuple[int, int]:
        with within_limits(db, by, project_id):
            added, known = projects.add_all_prompts(db, project_id, new, on_added)
        if added:
            record_in_project(db, by, project_id, "prompts.add", after={"added": added})
        return added, known

    return in_transaction(db, work)


def change_prompts(
    db: Database, by: By, project_id: int, prompt_ids: Sequence[int], change: Callable[[Database], object]
) -> None:
    """Do `change`, which edits these prompts, pauses them or tags them; raises what it raises, NotFound and Invalid."""

    def work(db: Database) -> None:
        projects.hold(db, project_id)
        before = rows_of(db, project_id, prompt_ids)
        with within_limits(db, by, project_id):
            change(db)
        after = rows_of(db, project_id, prompt_ids)
        for prompt_id in before:
            if before[prompt_id] != after[prompt_id]:
                fields = {"before": before[prompt_id], "after": after[prompt_id]}
                record_in_project(db, by, project_id, "prompt.change", object_id=prompt_id, **fields)

    in_transaction(db, work)


def remove_prompts(db: Database, by: By, project_id: int, prompt_ids: Sequence[int]) -> None:
    """Delete prompts that were never asked, all or none; raises NotFound and NotReady."""

    def work(db: Database) -> None:
        projects.hold(db, project_id)
        before = rows_of(db, project_id, prompt_ids)
        projects.remove_prompts(db, project_id, prompt_ids)
        for prompt_id, row in before.items():
            record_in_project(db, by, project_id, "prompt.remove", object_id=prompt_id, before=row)

    in_transaction(db, work)


def rows_of(db: Database, project_id: int, prompt_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Those of these prompts that the project has, as the record shows them."""
    wanted = set(prompt_ids)
    return {row["id"]: shown(row) for row in projects.list_prompts(db, project_id) if row["id"] in wanted}


def shown(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in FIELDS}
