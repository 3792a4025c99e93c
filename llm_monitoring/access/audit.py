"""The record of changes: who changed what, written in the transaction of the change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from llm_monitoring.db import Database, Json, Row, load

SQL = load("access")

ActorKind = Literal["token", "person", "share", "command"]
NAMING: Final = ("query_text", "label", "email", "text", "name")
"""Fields of an entry that name what was changed in the words of the user."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something for the account of `user_id`: a token, a person by a session, or a command."""

    kind: ActorKind
    user_id: int
    id: int | None = None


def record(
    db: Database,
    actor: Actor,
    action: str,
    *,
    project_id: int | None = None,
    object_id: object = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Record a change as `noun.verb`, such as `project.change`; `before` and `after` hold no secret."""
    db.execute(
        SQL.add_entry,
        {
            "user_id": actor.user_id,
            "actor_kind": actor.kind,
            "actor_id": actor.id,
            "action": action,
            "project_id": project_id,
            "object_id": None if object_id is None else str(object_id),
            "before": None if before is None else Json(before),
            "after": None if after is None else Json(after),
        },
    )


def entries(
    db: Database, user_id: int, *, project_ids: Sequence[int] | None, before_id: int | None, limit: int
) -> list[Row]:
    """A page of a user's record, newest first, from entry `before_id` on backwards."""
    params = {"user_id": user_id, "before_id": before_id, "limit": limit}
    return db.all(SQL.entries, {**params, "project_ids": None if project_ids is None else list(project_ids)})


def subject_of(entry: Row) -> str:
    """What a change was made to, in the words of the user; empty if only the number of a row is known."""
    before, after = entry["before"] or {}, entry["after"] or {}
    if entry["action"] == "prompts.add":
        return str(after.get("added", ""))
    object_id = str(entry["object_id"] or "")
    if object_id and not object_id.isdecimal():
        return object_id
    return next((str(fields[name]) for fields in (after, before) for name in NAMING if fields.get(name)), "")
