"""The record of changes: who changed what, written in the transaction of the change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal

from llm_monitoring.db import Database, Json, Row, load
from llm_monitoring.errors import MonitoringError

SQL = load("access")

LONGEST_VALUE: Final = 10_000  # characters of one field; an edit of a long list would fill the disk, edit by edit
MOST_A_DAY: Final = 20_000  # entries of an account by its tokens and sessions
ALWAYS: Final = frozenset(
    {"session.begin", "session.end", "token.revoke", "share.revoke", "viewer.remove", "key.remove", "reanalysis.stop"}
)
"""What ends access, and signing in to do so."""
NAMING: Final = ("query_text", "label", "email", "text", "name")
"""Fields of an entry that name what was changed in the words of the user."""

ActorKind = Literal["token", "person", "share", "command"]


class TooManyChanges(MonitoringError):
    """An account has made all the changes of a day."""

    def __init__(self) -> None:
        sentence = f"an account makes at most {MOST_A_DAY} changes within a day: make the others tomorrow"
        super().__init__(sentence, code="changes_too_many", most=MOST_A_DAY)


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
    """Record a change as `noun.verb`, such as `project.change`; `before` and `after` hold no secret.

    A field with a long value has its length and digest in its place. Raises TooManyChanges if a program or a person
    has made MOST_A_DAY changes within a day; those of ALWAYS go on.
    """
    done = db.execute(
        SQL.add_entry,
        {
            "user_id": actor.user_id,
            "actor_kind": actor.kind,
            "actor_id": actor.id,
            "action": action,
            "project_id": project_id,
            "object_id": None if object_id is None else str(object_id),
            "before": None if before is None else Json(shortened(before)),
            "after": None if after is None else Json(shortened(after)),
            "most": MOST_A_DAY if actor.kind in ("token", "person") and action not in ALWAYS else None,
        },
    )
    if not done:
        raise TooManyChanges


def shortened(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, long values as their length and digest: equal ones stay equal, and others stay different."""
    return {
        name: value if len(text := json.dumps(value, ensure_ascii=False)) <= LONGEST_VALUE else mark_of(text)
        for name, value in fields.items()
    }


def mark_of(text: str) -> dict[str, Any]:
    return {"characters": len(text), "sha256": sha256(text.encode("utf-8", "surrogatepass")).hexdigest()}


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
