"""Links that share one project with anyone who has them, until they expire or are revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from llm_monitoring.access.one_time import has_form, hash_of
from llm_monitoring.db import Database, Row, load

SQL = load("shares")

Kind = Literal["live", "frozen"]


@dataclass(frozen=True, slots=True)
class Share:
    """A share link of a project, made by user `user_id`: live, or frozen to a report of its day."""

    id: int
    project_id: int
    user_id: int
    label: str
    kind: Kind
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    opens: int
    last_opened_at: datetime | None


def find(db: Database, text: str) -> Share | None:
    """The share link of a text, if it is known, not expired and not revoked."""
    row = db.one(SQL.share_by_hash, {"link_hash": hash_of(text)}) if has_form(text) else None
    return None if row is None else read_share(row)


def read_share(row: Row) -> Share:
    return Share(**{name: row[name] for name in Share.__dataclass_fields__})
