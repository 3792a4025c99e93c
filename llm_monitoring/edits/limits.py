"""How many projects and prompts a user may add: each of them costs the daily run of all users some time.

The command line has no such limit: its operator runs the installation.
"""

from __future__ import annotations

from typing import Final

from llm_monitoring.db import Database, load, take_turn
from llm_monitoring.edits.records import By, Command
from llm_monitoring.errors import Invalid

SQL = load("limits")

MOST_PROJECTS: Final = 1_000
MOST_PROMPTS: Final = 5_000


def check_projects(db: Database, by: By, user_id: int) -> None:
    """Raise Invalid if a user has more projects than are taken."""
    if exceeds(db, by, SQL.projects, {"user_id": user_id}, MOST_PROJECTS):
        sentence = f"a user has at most {MOST_PROJECTS} projects, those that are archived included"
        raise Invalid("name", sentence, code="projects_too_many", most=MOST_PROJECTS)


def check_prompts(db: Database, by: By, project_id: int) -> None:
    """Raise Invalid if a project has more prompts than are taken."""
    if exceeds(db, by, SQL.prompts, {"project_id": project_id}, MOST_PROMPTS):
        sentence = f"a project has at most {MOST_PROMPTS} prompts: remove some, or divide it"
        raise Invalid("prompts", sentence, code="prompts_too_many", most=MOST_PROMPTS)


def exceeds(db: Database, by: By, statement: str, of: dict[str, int], most: int) -> bool:
    if isinstance(by, Command):
        return False
    take_turn(db, f"limit of {of}")
    row = db.one(statement, of)
    return row is not None and row["found"] > most
