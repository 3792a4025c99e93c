"""The outbox: lines to be told, each once within its quiet days, kept until every target has them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from llm_monitoring.db.database import Database, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.domain import Secret
from llm_monitoring.notify.watching import BudgetAlert

SQL = load("notify")

Kind = Literal["budget", "outage", "key", "run", "project", "model", "spend", "rise", "fall"]


@dataclass(frozen=True, slots=True)
class News:
    """One line for the digest. The same kind and subject is not said again for `quiet_days` days."""

    kind: Kind
    subject: str
    line: str
    quiet_days: int = 1


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one target does not have yet: the lines and their ids."""

    target: Secret
    ids: tuple[int, ...]
    lines: tuple[str, ...]


def put(db: Database, day: date, news: Iterable[News], alerts: Sequence[BudgetAlert]) -> None:
    """Put news of `day` into the outbox; `alerts` are those that the news tells of, and are told once."""
    lines = list(news)

    def write(tx: Transaction) -> None:
        for each in lines:
            tx.execute(SQL.add_news, {"kind": each.kind, "subject": each.subject, "day": day, "line": each.line,
                                      "quiet_days": each.quiet_days})  # fmt: skip
        for alert in alerts:
            tx.execute(SQL.mark_announced,
                       {"user_id": alert.user_id, "month": alert.month, "threshold": alert.threshold})  # fmt: skip

    db.transact(write)


def parcels(db: Database, targets: Sequence[Secret]) -> list[Parcel]:
    """What each target still has to be told; a target that lacks nothing is left out."""
    rows = db.all(SQL.pending)
    found = []
    for target in targets:
        lacking = [row for row in rows if mark(target) not in row["delivered_to"]]
        if lacking:
            ids, lines = (tuple(row[name] for row in lacking) for name in ("id", "line"))
            found.append(Parcel(target, ids, lines))
    return found


def delivered(db: Database, parcel: Parcel, targets: Sequence[Secret]) -> None:
    """Remember that the parcel arrived."""
    marks = [mark(target) for target in targets]
    db.execute(SQL.mark_delivered, {"ids": list(parcel.ids), "target": mark(parcel.target), "targets": marks})


def mark(target: Secret) -> str:
    """A target's name in tables and logs: its service, and too few digits of a digest to tell the address."""
    service = target.reveal().partition("://")[0]
    return f"{service}-{hashlib.sha256(target.reveal().encode()).hexdigest()[:8]}"
