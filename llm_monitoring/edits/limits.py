"""How many projects, prompts and tags a user may add: each of them costs the runs and pages of all users some time.

The command line has no such limit: its operator runs the installation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from llm_monitoring.db import Database, Row, load, take_turn
from llm_monitoring.edits.records import By, Command
from llm_monitoring.errors import Invalid

SQL = load("limits")

MOST_PROJECTS: Final = 1_000
MOST_PROMPTS: Final = 5_000
MOST_CHARACTERS: Final = 1_000_000  # of all prompts of a project: tables and figures hold their words
MOST_TAGS: Final = 500  # of all prompts of a project: each page has them in its list of filters


def check_projects(db: Database, by: By, user_id: int) -> None:
    """Raise Invalid if a user has more projects than are taken."""
    if isinstance(by, Command):
        return
    take_turn(db, f"limit of projects of {user_id}")
    row = db.one(SQL.projects, {"user_id": user_id})
    if row is not None and row["found"] > MOST_PROJECTS:
        sentence = f"a user has at most {MOST_PROJECTS} projects, those that are archived included"
        raise Invalid("name", sentence, code="projects_too_many", most=MOST_PROJECTS)


@contextmanager
def within_limits(db: Database, by: By, project_id: int) -> Iterator[None]:
    """Edit prompts of a project in the block; raises Invalid if they become more than are taken, or grow beyond."""
    if isinstance(by, Command):
        yield
        return
    take_turn(db, f"limit of prompts of {project_id}")
    before = sizes(db, project_id)
    yield
    after = sizes(db, project_id)
    for name, field, code, most, what in (
        ("prompts", "prompts", "prompts_too_many", MOST_PROMPTS, "prompts"),
        ("characters", "prompts", "prompts_too_long", MOST_CHARACTERS, "characters in all prompts"),
        ("tags", "tags", "tags_of_project_too_many", MOST_TAGS, "different tags"),
    ):
        if after[name] > max(most, before[name]):
            sentence = f"a project has at most {most} {what}: remove some, or divide it"
            raise Invalid(field, sentence, code=code, most=most)


def sizes(db: Database, project_id: int) -> Row:
    """What limits count of a project's prompts, those that are paused included."""
    row = db.one(SQL.sizes, {"project_id": project_id})
    assert row is not None
    return row
