"""Requests that may come twice: the answer to the first is given again, for a day."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_monitoring.db import Database, Json, load
from llm_monitoring.errors import MonitoringError

SQL = load("access")


class OtherRequest(MonitoringError):
    """The key was used for another request within the last day."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is kept: its status, body and headers."""

    status: int
    body: Any
    headers: Mapping[str, str]


def begin(db: Database, user_id: int, key: str, operation: str, body: bytes) -> Reply | None:
    """Take a key for a request; return the answer that it was given before, if it came before.

    A second request waits for the transaction of the first. Raises OtherRequest if the key was taken for another body.
    """
    mark = hashlib.sha256(body).digest()
    params = {"user_id": user_id, "key": key, "operation": operation, "body_hash": mark}
    if db.one(SQL.begin_request, params) is not None:
        return None
    row = db.one(SQL.request, params)
    if row is None or (row["operation"], bytes(row["body_hash"])) != (operation, mark):
        raise OtherRequest
    return Reply(row["status"], row["body"], row["headers"])


def end(db: Database, user_id: int, key: str, reply: Reply) -> None:
    """Keep the answer of a request."""
    db.execute(
        SQL.end_request,
        {
            "user_id": user_id,
            "key": key,
            "status": reply.status,
            "body": Json(reply.body),
            "headers": Json(dict(reply.headers)),
        },
    )
