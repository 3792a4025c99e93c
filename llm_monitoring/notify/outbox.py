"""The outbox: lines to be told, each once within its quiet days, kept until every target has them."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from llm_monitoring.db.database import Database, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.domain import Secret
from llm_monitoring.notify.delivery import SEVERITIES, Severity
from llm_monitoring.notify.detectors import BudgetAlert
from llm_monitoring.settings.fields import Settings

SQL = load("notify")

MOST_SERVICE: Final = 20

Kind = Literal["budget", "outage", "key", "run", "project", "model", "spend", "rise", "fall"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One line for the digest. The same kind and subject is not said again for `quiet_days` days."""

    kind: Kind
    subject: str
    line: str
    quiet_days: int = 1
    severity: Severity = "warning"


@dataclass(frozen=True, slots=True)
class Target:
    """One address of LLM_NOTIFY_URLS: `name` is its service and place, `marks` are what the table may hold for it.

    A mark is an HMAC of the address, first under the newest master key, then under the earlier ones; without a master
    key it is one under DATABASE_URL.
    """

    url: Secret
    name: str
    marks: tuple[str, ...]

    @property
    def mark(self) -> str:
        return self.marks[0]


@dataclass(frozen=True, slots=True)
class PendingNotices:
    """What one target does not have yet: the lines, their ids, and the gravest of their severities."""

    target: Target
    ids: tuple[int, ...]
    lines: tuple[str, ...]
    severity: Severity


def put(db: Database, day: date, news: Iterable[Notice], alerts: Sequence[BudgetAlert]) -> None:
    """Put news of `day` into the outbox; `alerts` are those that the news tells of, and are told once."""
    lines = list(news)

    def write(tx: Transaction) -> None:
        for each in lines:
            tx.execute(SQL.add_news, {"kind": each.kind, "subject": each.subject, "day": day, "line": each.line,
                                      "quiet_days": each.quiet_days, "severity": each.severity})  # fmt: skip
        for alert in alerts:
            tx.execute(SQL.mark_announced,
                       {"user_id": alert.user_id, "month": alert.month, "threshold": alert.threshold})  # fmt: skip

    db.transact(write)


def targets(settings: Settings) -> list[Target]:
    """The targets of an installation, in their order."""
    ring = settings.keys_encryption_key.reveal().split(",") if settings.keys_encryption_key else []
    keys = [key.strip() for key in ring if key.strip()] or [settings.database_url or ""]
    return [
        Target(url, name_of(url, place), tuple(mark(url, key) for key in keys))
        for place, url in enumerate(settings.notify_urls or (), start=1)
    ]


def name_of(url: Secret, place: int) -> str:
    """A target's name in logs: its service and its place in the setting."""
    return f"{url.reveal().partition('://')[0][:MOST_SERVICE]} #{place}"


def mark(url: Secret, key: str) -> str:
    """A target's mark in the table: without the key nobody can try out addresses against it."""
    return hmac.new(key.encode(), url.reveal().encode(), "sha256").hexdigest()[:16]


def parcels(db: Database, wanted: Sequence[Target]) -> list[PendingNotices]:
    """What each target still lacks; a target that lacks nothing is left out."""
    rows = db.all(SQL.pending)
    found = []
    for target in wanted:
        lacking = [row for row in rows if not set(target.marks) & set(row["delivered_to"])]
        if lacking:
            ids, lines = (tuple(row[name] for row in lacking) for name in ("id", "line"))
            gravest = max((row["severity"] for row in lacking), key=SEVERITIES.index)
            found.append(PendingNotices(target, ids, lines, gravest))
    return found


def delivered(db: Database, parcel: PendingNotices, lines: int, wanted: Sequence[Target]) -> None:
    """Remember that the first `lines` lines of the parcel arrived."""
    marks = [target.mark for target in wanted]
    ids = list(parcel.ids[:lines])
    db.execute(SQL.mark_delivered, {"ids": ids, "target": parcel.target.mark, "targets": marks})
