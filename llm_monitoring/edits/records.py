"""The record of an edit, and the transaction that it shares with the edit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from llm_monitoring import projects
from llm_monitoring.access import audit
from llm_monitoring.access.audit import Actor
from llm_monitoring.app import App, assemble
from llm_monitoring.db import Database, in_transaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Command:
    """An operator on the command line, who changes what belongs to any user."""

    def actor(self, owner: int | None) -> Actor | None:
        """The command for the account of a user; None for a project of no user, which no record belongs to."""
        return None if owner is None else Actor("command", owner)


COMMAND: Final = Command()
By = Actor | Command
"""Who makes an edit."""


def changing(app: App, work: Callable[[App], T]) -> T:
    """Do `work` on stores that share one transaction, so that a change and its record stand or fall together."""
    return in_transaction(app.db, lambda db: work(assemble(db, app.settings)))


def record(db: Database, by: By, owner: int | None, action: str, **fields: Any) -> None:
    """Record an edit of what belongs to the user `owner`; `fields` are those of `audit.record`."""
    actor = by.actor(owner) if isinstance(by, Command) else by
    if actor is not None:
        audit.record(db, actor, action, **fields)


def record_in_project(db: Database, by: By, project_id: int, action: str, **fields: Any) -> None:
    """Record an edit in a project; raises NotFound."""
    owner = projects.hold(db, project_id)["user_id"] if isinstance(by, Command) else by.user_id
    record(db, by, owner, action, project_id=project_id, **fields)
